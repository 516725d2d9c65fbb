//! What a reader of the output topics ends up with.

use std::collections::BTreeMap;

use contracts::{ConferenceAnalytics, HashtagCount, LikeCount, RankedTweet, TopList, WindowResult};
use streams_analytics::results::Results;

use crate::{
    logs::{Line, Says},
    oracle::{Answer, Newest, Ranked, Window},
};

/// Takes the results of each commit as a reader of compacted topics does: the last value of each key stays.
pub(crate) struct Published {
    pub(crate) answer: Answer,
    /// Text and author beside the tweets of the lists of all time, by conference and id.
    pub(crate) shown: BTreeMap<(String, String), (String, String)>,
    /// Text and author in the first delivery, wherever in the log that is.
    first: BTreeMap<(String, String), (String, String)>,
}

impl Published {
    pub(crate) fn new(lines: &[Line]) -> Self {
        let mut first = BTreeMap::new();
        for line in lines {
            if let Says::Posted { author, text, .. } = &line.says {
                let tweet = (line.conference.clone(), line.tweet.clone());
                first.entry(tweet).or_insert_with(|| (text.clone(), author.clone()));
            }
        }
        Self { answer: Answer::default(), shown: BTreeMap::new(), first }
    }

    pub(crate) fn take(&mut self, results: Results) {
        results.counts.into_iter().for_each(|count| self.count(count));
        results.conferences.into_iter().for_each(|analytics| self.conference(analytics));
        results.windows.into_iter().for_each(|window| self.window(window));
    }

    fn count(&mut self, count: LikeCount) {
        let counts = &mut self.answer.entry(count.conference).or_default().counts;
        if count.count == 0 {
            assert!(counts.remove(&count.tweet_id).is_some(), "a count of zero that was zero before is no change");
        } else {
            counts.insert(count.tweet_id, size(count.count));
        }
    }

    fn conference(&mut self, mut analytics: ConferenceAnalytics) {
        let name = analytics.conference;
        let all = analytics.top.remove("all").expect("the list of all time");
        assert!(!all.r#final && all.start.is_none() && all.end.is_none());
        let top = self.ranked(&name, &all.nrs);
        self.shown.retain(|(conference, _), _| *conference != name);
        for entry in all.nrs {
            self.shown.insert((name.clone(), entry.tweet_id), (entry.text, entry.author));
        }
        let newest = analytics.top.into_iter().map(|(size, list)| (size, self.newest(&name, &list))).collect();
        let sizes =
            |counts: BTreeMap<String, u32>| counts.into_iter().map(|(name, count)| (name, size(count))).collect();
        let totals = self.answer.entry(name).or_default();
        totals.tweets = size(analytics.tweet_count);
        totals.authors = size(analytics.author_count);
        totals.likes = size(analytics.like_count);
        totals.tweets_time = analytics.tweets_stream_time.map(contracts::Timestamp::millis);
        totals.likes_time = analytics.likes_stream_time.map(contracts::Timestamp::millis);
        totals.top = top;
        totals.newest = newest;
        totals.late = sizes(analytics.late);
        totals.after_close = sizes(analytics.after_close);
        totals.per_minute = analytics
            .per_minute
            .iter()
            .map(|minute| (minute.start.expect("a start").millis(), size(minute.tweets), size(minute.likes)))
            .collect();
        totals.hashtags = hashtags(&analytics.hashtags);
    }

    fn newest(&self, conference: &str, list: &TopList) -> Newest {
        assert!(!list.r#final, "the window that the stream time is in is open");
        Newest {
            start: list.start.expect("a start").millis(),
            end: list.end.expect("an end").millis(),
            top: self.ranked(conference, &list.nrs),
        }
    }

    fn window(&mut self, result: WindowResult) {
        assert_eq!(result.r#final, result.likes_final && result.tweets_final);
        let window = Window {
            end: result.end.expect("an end").millis(),
            likes_final: result.likes_final,
            tweets_final: result.tweets_final,
            likes: size(result.likes),
            tweets: size(result.tweets),
            top: self.ranked(&result.conference, &result.nrs),
            hashtags: hashtags(&result.hashtags),
        };
        let key = (result.size, result.start.expect("a start").millis());
        let windows = &mut self.answer.entry(result.conference).or_default().windows;
        if let Some(before) = windows.insert(key.clone(), window.clone()) {
            let likes = |window: &Window| (window.likes_final, window.likes, window.top.clone());
            let tweets = |window: &Window| (window.tweets_final, window.tweets, window.hashtags.clone());
            let likes_kept = !before.likes_final || likes(&before) == likes(&window);
            let tweets_kept = !before.tweets_final || tweets(&before) == tweets(&window);
            assert!(likes_kept && tweets_kept, "what was final changed: {key:?} from {before:?} to {window:?}");
        }
    }

    /// Text and author are filled in when the tweet is known: until then they may be missing, but never wrong.
    fn ranked(&self, conference: &str, entries: &[RankedTweet]) -> Ranked {
        for entry in entries {
            assert_eq!(entry.conference, conference);
            let told = (entry.text.clone(), entry.author.clone());
            let first = self.first.get(&(conference.to_owned(), entry.tweet_id.clone()));
            assert!(told == Default::default() || Some(&told) == first, "{entry:?} was first told as {first:?}");
        }
        entries.iter().map(|entry| (entry.tweet_id.clone(), size(entry.count))).collect()
    }
}

fn hashtags(entries: &[HashtagCount]) -> Ranked {
    entries.iter().map(|entry| (entry.hashtag.clone(), size(entry.count))).collect()
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap()
}
