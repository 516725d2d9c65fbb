//! What a commit tells the world.

use std::collections::BTreeMap;

use contracts::{ConferenceAnalytics, LikeCount, RankedTweet, Timestamp, TopList};

use crate::{
    key::Key,
    store::{Conference, Store},
};

/// The window that is all time.
pub const ALL: &str = "all";

/// Results that changed since the last commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// Tweets with another count than at the last commit.
    pub counts: Vec<LikeCount>,
    /// Conferences of which anything changed.
    pub conferences: Vec<ConferenceAnalytics>,
}

/// The results that changed since the last commit; lists have up to `entries` tweets.
pub fn results(store: &mut Store, entries: usize) -> Results {
    let counts = store
        .touched_tweets()
        .filter_map(|(_, old, now)| {
            let now = now?;
            let changed = old.map_or(0, |old| old.count) != now.count;
            changed.then(|| LikeCount {
                tweet_id: now.id.to_string(),
                conference: store.conference(now.conference).map(|c| c.name.to_string()).unwrap_or_default(),
                count: now.count,
            })
        })
        .collect();
    let touched: Vec<(Key, Conference)> =
        store.touched_conferences().filter_map(|(key, _, now)| Some((key, now?.clone()))).collect();
    let conferences = touched.into_iter().map(|(key, totals)| analytics(store, key, &totals, entries)).collect();
    Results { counts, conferences }
}

fn analytics(store: &mut Store, key: Key, totals: &Conference, entries: usize) -> ConferenceAnalytics {
    let ranked: Vec<_> = store.top(key).take(entries).map(|(id, count)| (id.clone(), count)).collect();
    let nrs = ranked.into_iter().map(|(id, count)| {
        let post = store.tweet(Key::tweet(&totals.name, &id)).and_then(|tweet| tweet.post.clone());
        RankedTweet {
            tweet_id: id.to_string(),
            conference: totals.name.to_string(),
            count,
            text: post.as_ref().map(|post| post.text.to_string()).unwrap_or_default(),
            author: post.as_ref().map(|post| post.author.to_string()).unwrap_or_default(),
        }
    });
    let all = TopList { start: None, end: None, r#final: false, nrs: nrs.collect() };
    ConferenceAnalytics {
        conference: totals.name.to_string(),
        tweets_stream_time: totals.tweets_stream_time.map(Timestamp::from_millis),
        likes_stream_time: totals.likes_stream_time.map(Timestamp::from_millis),
        tweet_count: totals.tweets,
        author_count: totals.authors,
        like_count: totals.likes,
        top: BTreeMap::from([(ALL.to_owned(), all)]),
    }
}
