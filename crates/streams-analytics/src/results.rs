//! What a commit tells the world.

use std::collections::BTreeMap;

use contracts::{
    ConferenceAnalytics, HashtagCount, LikeCount, MinuteCounts, RankedTweet, Timestamp, TopList, WindowResult,
};

use crate::{
    store::{Conference, Lists, Ranked, Series, Store, Totals, Tweet},
    windows::{WindowSpec, Windowing},
};

/// The window that is all time.
pub const ALL: &str = "all";

/// What is counted under `late` of tweets that no longer take likes.
const CLOSED: &str = "closed";

/// Results that changed since the last commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// Tweets with another count than at the last commit.
    pub counts: Vec<LikeCount>,
    /// Conferences of which anything changed.
    pub conferences: Vec<ConferenceAnalytics>,
    /// Windows of which anything changed, whether they are over included.
    pub windows: Vec<WindowResult>,
}

/// The results that changed since the last commit; lists have up to `entries` tweets.
pub fn results(store: &mut Store, entries: usize) -> Results {
    let windowing = std::sync::Arc::clone(&store.windowing);
    let mut results = Results::default();
    for (conference, tweets) in store.touched_conferences_mut() {
        let of = Of { windowing: &windowing, tweets, entries };
        of.counts(conference, &mut results.counts);
        results.conferences.push(of.analytics(conference));
        for (at, spec) in windowing.windows.iter().enumerate() {
            of.windows(conference, at, *spec, &mut results.windows);
        }
    }
    results
}

/// What results of a conference are made of, besides itself.
struct Of<'a> {
    windowing: &'a Windowing,
    tweets: &'a [Tweet],
    entries: usize,
}

impl Of<'_> {
    fn counts(&self, conference: &Conference, counts: &mut Vec<LikeCount>) {
        let changed = conference.liked.touched().filter(|(_, old, now)| old != now);
        counts.extend(changed.map(|(tweet, _, count)| LikeCount {
            tweet_id: self.tweets.get(tweet as usize).map(|tweet| tweet.id.to_string()).unwrap_or_default(),
            conference: conference.name.to_string(),
            count,
        }));
    }

    fn analytics(&self, conference: &mut Conference) -> ConferenceAnalytics {
        let name = conference.name.to_string();
        let lists = Lists { tweets: self.tweets, n: self.entries };
        let nrs = self.ranked(&name, lists.liked(conference));
        let mut top = BTreeMap::from([(ALL.to_owned(), TopList { start: None, end: None, r#final: false, nrs })]);
        let totals = conference.totals.clone();
        for (at, spec) in self.windowing.windows.iter().enumerate() {
            let Some(stream_time) = totals.likes_time else { continue };
            let start = spec.newest(stream_time);
            let nrs = lists.liked_in(conference, at, start);
            let list = TopList {
                start: Some(Timestamp::from_millis(start)),
                end: Some(Timestamp::from_millis(spec.end(start))),
                r#final: false,
                nrs: self.ranked(&name, nrs),
            };
            top.insert(spec.name(), list);
        }
        let hashtags = lists.tagged(conference);
        ConferenceAnalytics {
            conference: name,
            tweets_stream_time: totals.tweets_time.map(Timestamp::from_millis),
            likes_stream_time: totals.likes_time.map(Timestamp::from_millis),
            tweet_count: totals.tweets,
            author_count: totals.authors,
            like_count: totals.likes,
            top,
            late: self.late(&totals),
            after_close: self.by_size(&totals.after_close).collect(),
            per_minute: per_minute(&totals),
            hashtags: hashtag_counts(conference, hashtags),
        }
    }

    fn late(&self, totals: &Totals) -> BTreeMap<String, u32> {
        let closed = (totals.closed > 0).then(|| (CLOSED.to_owned(), totals.closed));
        self.by_size(&totals.late).chain(closed).collect()
    }

    fn by_size<'a>(&'a self, counts: &'a [u32]) -> impl Iterator<Item = (String, u32)> + 'a {
        let sizes = self.windowing.windows.iter().map(WindowSpec::name);
        sizes.zip(counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    fn windows(&self, conference: &mut Conference, at: usize, spec: WindowSpec, results: &mut Vec<WindowResult>) {
        let (before, now) = (conference.committed().clone(), conference.totals.clone());
        let closed = |start, time| spec.is_closed(start, self.windowing.grace, time);
        let flags = |start, totals: &Totals| (closed(start, totals.likes_time), closed(start, totals.tweets_time));
        let windows = conference.series.get(at).map(Series::windows).unwrap_or_default();
        let changed = windows
            .iter()
            .filter(|window| window.is_touched() || flags(window.start, &before) != flags(window.start, &now));
        let changed: Vec<_> = changed.map(|window| (window.start, window.likes, window.tweets)).collect();
        let lists = Lists { tweets: self.tweets, n: self.entries };
        for (start, likes, tweets) in changed {
            let (likes_final, tweets_final) = flags(start, &now);
            let liked = lists.liked_in(conference, at, start);
            let tagged = lists.tagged_in(conference, at, start);
            results.push(WindowResult {
                conference: conference.name.to_string(),
                size: spec.name(),
                start: Some(Timestamp::from_millis(start)),
                end: Some(Timestamp::from_millis(spec.end(start))),
                likes_final,
                tweets_final,
                r#final: likes_final && tweets_final,
                likes,
                tweets,
                nrs: self.ranked(&conference.name, liked),
                hashtags: hashtag_counts(conference, tagged),
            });
        }
    }

    fn ranked(&self, conference: &str, list: Vec<Ranked>) -> Vec<RankedTweet> {
        let ranked = list.into_iter().map(|(index, count)| {
            let tweet = self.tweets.get(index as usize);
            let post = tweet.and_then(|tweet| tweet.post.as_deref());
            RankedTweet {
                tweet_id: tweet.map(|tweet| tweet.id.to_string()).unwrap_or_default(),
                conference: conference.to_owned(),
                count,
                text: post.map(|post| post.text.to_string()).unwrap_or_default(),
                author: post.map(|post| post.author.to_string()).unwrap_or_default(),
            }
        });
        ranked.collect()
    }
}

fn hashtag_counts(conference: &Conference, list: Vec<Ranked>) -> Vec<HashtagCount> {
    let counted = |(tag, count)| HashtagCount { hashtag: conference.tag_name(tag).to_owned(), count };
    list.into_iter().map(counted).collect()
}

fn per_minute(totals: &Totals) -> Vec<MinuteCounts> {
    let shown = totals.minutes.shown(totals.tweets_time, totals.likes_time);
    let counts = shown.map(|minute| MinuteCounts {
        start: Some(Timestamp::from_millis(minute.start)),
        tweets: minute.tweets,
        likes: minute.likes,
    });
    counts.collect()
}
