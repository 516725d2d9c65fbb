//! What a record means. Pure: the state after it follows from the state before it and the record alone.

use std::sync::Arc;

use contracts::{Timestamp, Tweet, TweetLike};

use crate::{
    key::Key,
    record::{Fact, Record},
    store::{Millis, Post, Store},
};

/// How far a producer's clock may run ahead of the broker's: one that is wrong by more cannot carry a conference into
/// the future, where its windows would close before their time.
const CLOCK_AHEAD: Millis = 1_000;

/// What of a text or a name is kept, in characters: up to 120 of each stand in one record, which has to stay below 1 MB
/// even where JSON needs 6 bytes for each of them.
const SHOWN_CHARS: usize = 500;

/// What records did, apart from what they left in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Out {
    /// Records of `tweets`.
    pub tweets: Tally,
    /// Records of `tweet-likes`.
    pub likes: Tally,
}

/// Records by whether they were news.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// They changed a fact.
    pub news: u64,
    /// They repeated what was known already.
    pub repeats: u64,
}

impl Tally {
    fn note(&mut self, news: bool) {
        if news {
            self.news += 1;
        } else {
            self.repeats += 1;
        }
    }
}

/// Takes one record into the store.
pub fn process(store: &mut Store, record: &Record, out: &mut Out) {
    match &record.fact {
        Fact::Tweet(tweet) => out.tweets.note(process_tweet(store, tweet, record.appended)),
        Fact::Like(like) => out.likes.note(process_like(store, like, record.appended)),
    }
}

/// The smaller of the time that the record tells and the broker's, with some allowance; the broker's where it tells none.
fn event_time(told: Option<Timestamp>, appended: Millis) -> Millis {
    told.map_or(appended, |told| told.millis().min(appended.saturating_add(CLOCK_AHEAD)))
}

/// A tweet is a fact (conference, tweetId): the first delivery counts, a repeated one changes nothing.
fn process_tweet(store: &mut Store, tweet: &Tweet, appended: Millis) -> bool {
    let name = tweet.tag_filter.as_str();
    let conference = Key::conference(name);
    let key = Key::tweet(name, &tweet.tweet_id);
    let time = event_time(tweet.created_at, appended);
    let news = store.tweet(key).is_none_or(|known| known.post.is_none());
    let mut new_author = false;
    if news {
        let post = Post { text: shown(&tweet.text).into(), author: shown(&tweet.author).into() };
        store.change_tweet(key, conference, &tweet.tweet_id).post = Some(Arc::new(post));
        new_author = !tweet.author.is_empty() && store.add_author(Key::author(name, &tweet.author));
    }
    let stream_time = store.conference(conference).and_then(|known| known.tweets_stream_time);
    if news || stream_time.is_none_or(|stream_time| stream_time < time) {
        let totals = store.change_conference(conference, name);
        totals.tweets_stream_time = stream_time.max(Some(time));
        totals.tweets += u32::from(news);
        totals.authors += u32::from(new_author);
    }
    news
}

/// A like is a fact (conference, tweetId, visitor) in log order: it stands since the record that made it stand, until one
/// that takes it back. It counts whether or not the tweet has been seen.
fn process_like(store: &mut Store, like: &TweetLike, appended: Millis) -> bool {
    let name = like.conference.as_str();
    let conference = Key::conference(name);
    let fact = Key::like(name, &like.tweet_id, &like.visitor_id);
    let time = event_time(like.at, appended);
    let news = if like.liked { store.add_like(fact, time) } else { store.remove_like(fact) };
    if news {
        let tweet = store.change_tweet(Key::tweet(name, &like.tweet_id), conference, &like.tweet_id);
        step(&mut tweet.count, like.liked);
    }
    let stream_time = store.conference(conference).and_then(|known| known.likes_stream_time);
    if news || stream_time.is_none_or(|stream_time| stream_time < time) {
        let totals = store.change_conference(conference, name);
        totals.likes_stream_time = stream_time.max(Some(time));
        if news {
            step(&mut totals.likes, like.liked);
        }
    }
    news
}

/// The beginning of a text, as much as is kept for lists.
fn shown(text: &str) -> &str {
    text.char_indices().nth(SHOWN_CHARS).map_or(text, |(end, _)| &text[..end])
}

fn step(count: &mut u32, up: bool) {
    *count = if up { count.saturating_add(1) } else { count.saturating_sub(1) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(liked: bool, at: Millis) -> Record {
        let like = TweetLike {
            tweet_id: "1".into(),
            conference: "rustconf".into(),
            visitor_id: "v".into(),
            liked,
            at: Some(Timestamp::from_millis(at)),
        };
        Record { appended: at, fact: Fact::Like(like) }
    }

    #[test]
    fn a_like_stands_since_the_record_that_made_it_stand() {
        let (mut store, mut out) = (Store::default(), Out::default());
        let fact = Key::like("rustconf", "1", "v");
        for (record, since) in [
            (like(true, 5_000), Some(5_000)),
            (like(true, 4_000), Some(5_000)),
            (like(false, 3_000), None),
            (like(true, 2_000), Some(2_000)),
        ] {
            process(&mut store, &record, &mut out);
            assert_eq!(store.like(fact).map(|like| like.since), since);
        }
        assert_eq!(out.likes, Tally { news: 3, repeats: 1 });
    }

    #[test]
    fn of_a_long_text_the_beginning_is_kept() {
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"é".repeat(501)), "é".repeat(500));
    }

    #[test]
    fn a_clock_that_runs_ahead_counts_for_one_second_at_most() {
        assert_eq!(event_time(Some(Timestamp::from_millis(10_000)), 5_000), 6_000);
        assert_eq!(event_time(Some(Timestamp::from_millis(4_000)), 5_000), 4_000);
        assert_eq!(event_time(None, 5_000), 5_000);
    }

    #[test]
    fn a_repeat_that_does_not_advance_time_touches_nothing() {
        let (mut store, mut out) = (Store::default(), Out::default());
        process(&mut store, &like(true, 5_000), &mut out);
        store.commit();
        process(&mut store, &like(true, 4_000), &mut out);
        assert!(store.is_clean());
        process(&mut store, &like(true, 6_000), &mut out);
        assert!(!store.is_clean(), "stream time is part of the results");
    }
}
