//! What a reader of the output topics ends up with.

use streams_analytics::results::Results;

use crate::oracle::Answer;

/// Takes the results of one commit as a reader of compacted topics does: the last value of each key stays.
pub(crate) fn publish(answer: &mut Answer, results: Results) {
    let size = |count: u32| usize::try_from(count).unwrap();
    for count in results.counts {
        let counts = &mut answer.entry(count.conference).or_default().counts;
        if count.count == 0 {
            assert!(counts.remove(&count.tweet_id).is_some(), "a count of zero that was zero before is no change");
        } else {
            counts.insert(count.tweet_id, size(count.count));
        }
    }
    for analytics in results.conferences {
        let totals = answer.entry(analytics.conference).or_default();
        totals.tweets = size(analytics.tweet_count);
        totals.authors = size(analytics.author_count);
        totals.likes = size(analytics.like_count);
        totals.tweets_time = analytics.tweets_stream_time.map(contracts::Timestamp::millis);
        totals.likes_time = analytics.likes_stream_time.map(contracts::Timestamp::millis);
        let top = &analytics.top["all"];
        assert!(!top.r#final && top.start.is_none() && top.end.is_none());
        totals.top =
            top.nrs.iter().map(|r| (r.tweet_id.clone(), size(r.count), r.text.clone(), r.author.clone())).collect();
    }
}
