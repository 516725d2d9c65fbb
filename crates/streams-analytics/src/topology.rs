//! What a record means. Pure: the state after it follows from the state before it and the record alone.

use std::sync::Arc;

use contracts::{Timestamp, Tweet};

use crate::{
    key::Key,
    record::{Fact, Opinion, Record},
    store::{FactKey, Like, Millis, Post, Store},
};

/// How far a producer's clock may run ahead of the broker's: one that is wrong by more cannot carry a conference into
/// the future, where its windows would close before their time.
const CLOCK_AHEAD: Millis = 1_000;

/// What of a text or a name is kept, in characters. How much of that a list shows depends on its length: see
/// [`crate::results`].
const SHOWN_CHARS: usize = 500;

/// What of a hashtag counts, in characters: as many as ingest takes. What is longer was written past it.
const HASHTAG_CHARS: usize = 100;

/// What records did, apart from what they left in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Out {
    /// Records of `tweets`.
    pub tweets: Tally,
    /// Records of `tweet-likes`.
    pub likes: Tally,
    /// Windows for which a like came too late.
    pub late: u64,
    /// Windows that a like stays in although it was taken back, because they had closed.
    pub after_close: u64,
    /// Likes, also taken back ones, of tweets that take none any more.
    pub closed: u64,
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
pub fn process(store: &mut Store, record: &Record<'_>, out: &mut Out) {
    match &record.fact {
        Fact::Tweet(tweet) => out.tweets.note(process_tweet(store, tweet, record.appended)),
        Fact::Like(like) => {
            let news = process_like(store, like, record.appended, out);
            out.likes.note(news);
        }
    }
}

/// The smaller of the time that the record tells and the broker's, with some allowance; the broker's where it tells none.
fn event_time(told: Option<Timestamp>, appended: Millis) -> Millis {
    told.map_or(appended, |told| told.millis().min(appended.saturating_add(CLOCK_AHEAD)))
}

/// A tweet is a fact (conference, tweetId): the first delivery counts, a repeated one changes nothing.
fn process_tweet(store: &mut Store, tweet: &Tweet, appended: Millis) -> bool {
    let name = tweet.tag_filter.as_str();
    let conference = store.conference_or_new(name);
    let time = event_time(tweet.created_at, appended);
    let known = store.conference(conference).and_then(|known| known.totals.tweets_time);
    let stream_time = known.map_or(time, |known| known.max(time));
    if known != Some(stream_time) {
        store.change_conference(conference).0.totals.tweets_time = Some(stream_time);
    }
    let index = store.tweet_or_new(conference, &tweet.tweet_id);
    if store.tweet(index).is_some_and(|known| known.post.is_some()) {
        return false;
    }
    let post =
        Post { text: beginning(&tweet.text, SHOWN_CHARS).into(), author: beginning(&tweet.author, SHOWN_CHARS).into() };
    store.change_tweet(index).post = Some(Arc::new(post));
    let new_author = !tweet.author.is_empty() && store.add_author(Key::author(name, &tweet.author));
    let (conference, windowing) = store.change_conference(conference);
    conference.totals.authors += u32::from(new_author);
    conference.tweet(windowing, beginning(&tweet.hashtag.to_lowercase(), HASHTAG_CHARS), time, stream_time);
    true
}

/// A like is a fact (conference, tweetId, visitor) in log order: it stands since the record that made it stand, until one
/// that takes it back. It counts whether or not the tweet has been seen, and not after the tweet's time is over.
fn process_like(store: &mut Store, like: &Opinion<'_>, appended: Millis, out: &mut Out) -> bool {
    let name = &*like.conference;
    let conference = store.conference_or_new(name);
    let time = event_time(like.at, appended);
    let known = store.conference(conference).and_then(|known| known.totals.likes_time);
    let stream_time = known.map_or(time, |known| known.max(time));
    if known != Some(stream_time) {
        store.change_conference(conference).0.totals.likes_time = Some(stream_time);
    }
    let tweet = match store.find_tweet(name, &like.tweet_id) {
        Some(tweet) => tweet,
        None if like.liked => store.tweet_or_new(conference, &like.tweet_id),
        None => return false,
    };
    let like_period = store.windowing.like_period;
    let (is_first, is_closed) = store
        .tweet(tweet)
        .map_or((true, false), |tweet| (tweet.first_like.is_none(), tweet.is_closed(like_period, Some(stream_time))));
    if is_closed {
        let (conference, _) = store.change_conference(conference);
        conference.totals.closed = conference.totals.closed.saturating_add(1);
        out.closed += 1;
        return false;
    }
    let fact = FactKey::new(tweet, &like.visitor_id);
    if like.liked {
        if !store.add_like(fact, Like { since: time, accepted: stream_time }) {
            return false;
        }
        if is_first {
            store.change_tweet(tweet).first_like = Some(stream_time);
        }
        let (conference, windowing) = store.change_conference(conference);
        out.late += u64::from(conference.like(windowing, tweet, time, stream_time));
    } else {
        let Some(taken) = store.remove_like(fact) else { return false };
        let (conference, windowing) = store.change_conference(conference);
        out.after_close += u64::from(conference.unlike(windowing, tweet, taken, stream_time));
    }
    true
}

/// The first characters of a text.
fn beginning(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Windowing;

    fn like(liked: bool, at: Millis) -> Record<'static> {
        let like = Opinion {
            tweet_id: "1".into(),
            conference: "rustconf".into(),
            visitor_id: "v".into(),
            liked,
            at: Some(Timestamp::from_millis(at)),
        };
        Record { appended: at, fact: Fact::Like(like) }
    }

    fn store(windows: &[&str]) -> Store {
        let windows = windows.iter().map(|text| text.parse().expect("a window")).collect();
        Store::new(Arc::new(Windowing { windows, grace: 2_000, like_period: 100_000 }))
    }

    #[test]
    fn a_like_stands_since_the_record_that_made_it_stand() {
        let (mut store, mut out) = (store(&[]), Out::default());
        for (record, since) in [
            (like(true, 5_000), Some(5_000)),
            (like(true, 4_000), Some(5_000)),
            (like(false, 3_000), None),
            (like(true, 2_000), Some(2_000)),
        ] {
            process(&mut store, &record, &mut out);
            let fact = FactKey::new(store.find_tweet("rustconf", "1").expect("liked"), "v");
            assert_eq!(store.like(fact).map(|like| like.since), since);
        }
        assert_eq!(out.likes, Tally { news: 3, repeats: 1 });
    }

    #[test]
    fn a_like_counts_in_its_windows_until_they_close() {
        let (mut store, mut out) = (store(&["10s"]), Out::default());
        let likes = |store: &Store| {
            let conference = store.conference(0).expect("liked");
            let windows = conference.series[0].windows().iter().map(|window| (window.start, window.likes)).collect();
            (windows, conference.totals.late[0], conference.totals.after_close[0])
        };
        process(&mut store, &like(true, 5_000), &mut out);
        assert_eq!(likes(&store), (vec![(0, 1)], 0, 0));
        process(&mut store, &like(false, 11_999), &mut out);
        assert_eq!(likes(&store), (vec![(0, 0)], 0, 0), "taken back within the grace");
        process(&mut store, &like(true, 5_000), &mut out);
        process(&mut store, &like(false, 12_000), &mut out);
        assert_eq!(likes(&store), (vec![(0, 1)], 0, 1), "taken back after the close");
        process(&mut store, &like(true, 5_000), &mut out);
        assert_eq!(likes(&store), (vec![(0, 1)], 1, 1), "late");
        process(&mut store, &like(false, 12_000), &mut out);
        assert_eq!(likes(&store), (vec![(0, 1)], 1, 1), "what was late never counted");
    }

    #[test]
    fn a_tweet_takes_likes_for_its_period_from_the_first_on() {
        let (mut store, mut out) = (store(&[]), Out::default());
        process(&mut store, &like(true, 5_000), &mut out);
        process(&mut store, &like(false, 104_999), &mut out);
        assert_eq!(store.conference(0).map(|c| (c.totals.likes, c.totals.closed)), Some((0, 0)));
        process(&mut store, &like(true, 105_000), &mut out);
        assert_eq!(store.conference(0).map(|c| (c.totals.likes, c.totals.closed)), Some((0, 1)));
    }

    #[test]
    fn of_a_long_text_the_beginning_is_kept() {
        assert_eq!(beginning("short", SHOWN_CHARS), "short");
        assert_eq!(beginning(&"é".repeat(501), SHOWN_CHARS), "é".repeat(500));
    }

    #[test]
    fn a_clock_that_runs_ahead_counts_for_one_second_at_most() {
        assert_eq!(event_time(Some(Timestamp::from_millis(10_000)), 5_000), 6_000);
        assert_eq!(event_time(Some(Timestamp::from_millis(4_000)), 5_000), 4_000);
        assert_eq!(event_time(None, 5_000), 5_000);
    }

    #[test]
    fn a_repeat_that_does_not_advance_time_touches_nothing() {
        let (mut store, mut out) = (store(&["10s"]), Out::default());
        process(&mut store, &like(true, 5_000), &mut out);
        store.commit();
        process(&mut store, &like(true, 4_000), &mut out);
        assert!(store.is_clean());
        process(&mut store, &like(true, 6_000), &mut out);
        assert!(!store.is_clean(), "stream time is part of the results");
    }
}
