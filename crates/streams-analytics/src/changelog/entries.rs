//! Entries of the state as they are written down.

use std::sync::Arc;

use contracts::{ConferenceState, Entries, Post as PostState, TweetState};

use super::Unrestorable;
use crate::{
    key::Key,
    store::{Conference, Like, Post, Store, Tweet},
};

/// A like as it is written: its key and since when.
const LIKE_BYTES: usize = Key::BYTES + 8;

/// What protobuf adds to the texts of a conference or a tweet, at most.
const FRAMING: usize = 64;

/// Entries on their way into a record, with about as many bytes as they will take.
#[derive(Default)]
pub(super) struct Written {
    pub(super) entries: Entries,
    pub(super) removed_likes: Vec<u8>,
    pub(super) bytes: usize,
}

impl Written {
    pub(super) fn conference(&mut self, conference: &Conference) {
        self.bytes += conference.name.len() + FRAMING;
        self.entries.conferences.push(ConferenceState {
            conference: conference.name.to_string(),
            tweet_count: conference.tweets,
            author_count: conference.authors,
            like_count: conference.likes,
            tweets_stream_time: conference.tweets_stream_time,
            likes_stream_time: conference.likes_stream_time,
        });
    }

    pub(super) fn tweet(&mut self, tweet: &Tweet, store: &Store) {
        let conference = store.conference(tweet.conference).map(|c| c.name.to_string()).unwrap_or_default();
        let post = tweet.post.as_ref();
        self.bytes += conference.len() + tweet.id.len() + FRAMING;
        self.bytes += post.map_or(0, |post| post.text.len() + post.author.len());
        self.entries.tweets.push(TweetState {
            conference,
            tweet_id: tweet.id.to_string(),
            count: tweet.count,
            post: post.map(|post| PostState { text: post.text.to_string(), author: post.author.to_string() }),
        });
    }

    pub(super) fn author(&mut self, author: Key) {
        self.bytes += Key::BYTES;
        self.entries.authors.extend_from_slice(&author.to_bytes());
    }

    pub(super) fn like(&mut self, key: Key, like: Like) {
        self.bytes += LIKE_BYTES;
        self.entries.likes.extend_from_slice(&key.to_bytes());
        self.entries.likes.extend_from_slice(&like.since.to_be_bytes());
    }

    pub(super) fn removed_like(&mut self, key: Key) {
        self.bytes += Key::BYTES;
        self.removed_likes.extend_from_slice(&key.to_bytes());
    }
}

/// Puts what was written back into the store.
pub(super) fn load(store: &mut Store, entries: Entries) -> Result<(), Unrestorable> {
    for conference in entries.conferences {
        let key = Key::conference(&conference.conference);
        let conference = Conference {
            name: conference.conference.into(),
            tweets: conference.tweet_count,
            authors: conference.author_count,
            likes: conference.like_count,
            tweets_stream_time: conference.tweets_stream_time,
            likes_stream_time: conference.likes_stream_time,
        };
        store.load_conference(key, conference);
    }
    for tweet in entries.tweets {
        let key = Key::tweet(&tweet.conference, &tweet.tweet_id);
        let post = tweet.post.map(|post| Arc::new(Post { text: post.text.into(), author: post.author.into() }));
        let conference = Key::conference(&tweet.conference);
        store.load_tweet(key, Tweet::new(conference, tweet.tweet_id.into(), post, tweet.count));
    }
    for key in keys(&entries.authors)? {
        store.load_author(key);
    }
    let (likes, rest) = entries.likes.as_chunks::<LIKE_BYTES>();
    if !rest.is_empty() {
        return Err(Unrestorable::Torn);
    }
    for like in likes {
        let (key, since) = like.split_first_chunk::<{ Key::BYTES }>().ok_or(Unrestorable::Torn)?;
        let since = i64::from_be_bytes(since.try_into().map_err(|_| Unrestorable::Torn)?);
        store.load_like(Key::from_bytes(*key), Like { since });
    }
    Ok(())
}

/// Reads keys that stand one after the other.
pub(super) fn keys(bytes: &[u8]) -> Result<impl Iterator<Item = Key>, Unrestorable> {
    let (keys, rest) = bytes.as_chunks::<{ Key::BYTES }>();
    if !rest.is_empty() {
        return Err(Unrestorable::Torn);
    }
    Ok(keys.iter().map(|key| Key::from_bytes(*key)))
}
