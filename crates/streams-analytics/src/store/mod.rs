//! The state of one task: everything that results follow from.
//!
//! Knows what is kept and how it is taken back, not what a record means (that is [`crate::topology`]) and not how it is
//! written down (that is [`crate::changelog`]).

mod loading;
mod ranking;
mod table;

use std::sync::Arc;

use self::{ranking::Rankings, table::Table};
use crate::key::Key;

/// Milliseconds since the epoch, in event time.
pub type Millis = i64;

/// Running totals and stream times of a conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conference {
    /// As on the topics.
    pub name: Arc<str>,
    /// Distinct tweets.
    pub tweets: u32,
    /// Distinct authors.
    pub authors: u32,
    /// Likes that stand now.
    pub likes: u32,
    /// The greatest event time on `tweets`.
    pub tweets_stream_time: Option<Millis>,
    /// The greatest event time on `tweet-likes`.
    pub likes_stream_time: Option<Millis>,
}

/// How a tweet is shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Post {
    /// Plain text.
    pub text: Box<str>,
    /// Plain text.
    pub author: Box<str>,
}

/// A tweet, known from itself or from likes that came before it.
#[derive(Debug, Clone)]
pub struct Tweet {
    /// Its conference.
    pub conference: Key,
    /// As on the topics.
    pub id: Arc<str>,
    /// `None`: only liked so far.
    pub post: Option<Arc<Post>>,
    /// How many visitors like it now.
    pub count: u32,
    /// The count under which it stands in its conference's ranking: follows `count` when the ranking is read.
    ranked: u32,
}

/// A like that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Like {
    /// The event time of the record that made it stand.
    pub since: Millis,
}

/// The number of entries of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Conferences.
    pub conferences: usize,
    /// Tweets.
    pub tweets: usize,
    /// Authors, per conference.
    pub authors: usize,
    /// Likes that stand.
    pub likes: usize,
}

/// A touched entry: its key, its value at the last commit and its value now.
pub type Touched<'a, V> = (Key, Option<&'a V>, Option<&'a V>);

/// The state. Every change since the last [`Store::commit`] can be taken back by [`Store::undo`].
#[derive(Default)]
pub struct Store {
    conferences: Table<Conference>,
    tweets: Table<Tweet>,
    authors: Table<()>,
    likes: Table<Like>,
    rankings: Rankings,
}

impl Tweet {
    /// A tweet that stands in no ranking yet.
    pub(crate) fn new(conference: Key, id: Arc<str>, post: Option<Arc<Post>>, count: u32) -> Self {
        Self { conference, id, post, count, ranked: 0 }
    }
}

impl Store {
    /// A conference that is known.
    pub fn conference(&self, key: Key) -> Option<&Conference> {
        self.conferences.get(key)
    }

    /// The conference to change, new where it is not known.
    pub(crate) fn change_conference(&mut self, key: Key, name: &str) -> &mut Conference {
        self.conferences.change(key, || Conference {
            name: name.into(),
            tweets: 0,
            authors: 0,
            likes: 0,
            tweets_stream_time: None,
            likes_stream_time: None,
        })
    }

    /// A tweet that was seen or liked.
    pub fn tweet(&self, key: Key) -> Option<&Tweet> {
        self.tweets.get(key)
    }

    /// The tweet to change, new and unseen where it is not known.
    pub(crate) fn change_tweet(&mut self, key: Key, conference: Key, id: &str) -> &mut Tweet {
        self.tweets.change(key, || Tweet::new(conference, id.into(), None, 0))
    }

    /// Adds an author; false where they are known already.
    pub(crate) fn add_author(&mut self, key: Key) -> bool {
        self.authors.add(key, ())
    }

    /// A like that stands.
    pub fn like(&self, key: Key) -> Option<&Like> {
        self.likes.get(key)
    }

    /// Adds a like; false where it stands already.
    pub(crate) fn add_like(&mut self, key: Key, since: Millis) -> bool {
        self.likes.add(key, Like { since })
    }

    /// Takes a like back; false where it does not stand.
    pub(crate) fn remove_like(&mut self, key: Key) -> bool {
        self.likes.remove(key)
    }

    /// The most liked tweets of a conference, best first: their ids and counts.
    pub fn top(&mut self, conference: Key) -> impl Iterator<Item = (&Arc<str>, u32)> {
        // Counts move far more often than rankings are read, so a tweet is ranked anew once per reading.
        let rankings = &mut self.rankings;
        self.tweets.derive_touched(|tweet| rank(rankings, tweet));
        self.rankings.top(conference)
    }

    /// Conferences touched since the last commit.
    pub fn touched_conferences(&self) -> impl Iterator<Item = Touched<'_, Conference>> {
        self.conferences.touched()
    }

    /// Tweets touched since the last commit.
    pub fn touched_tweets(&self) -> impl Iterator<Item = Touched<'_, Tweet>> {
        self.tweets.touched()
    }

    /// Authors touched since the last commit.
    pub fn touched_authors(&self) -> impl Iterator<Item = Touched<'_, ()>> {
        self.authors.touched()
    }

    /// Likes touched since the last commit.
    pub fn touched_likes(&self) -> impl Iterator<Item = Touched<'_, Like>> {
        self.likes.touched()
    }

    /// Whether nothing was touched since the last commit.
    pub fn is_clean(&self) -> bool {
        self.conferences.is_clean() && self.tweets.is_clean() && self.authors.is_clean() && self.likes.is_clean()
    }

    /// Makes all changes stay.
    pub fn commit(&mut self) {
        let rankings = &mut self.rankings;
        self.tweets.derive_touched(|tweet| rank(rankings, tweet));
        self.conferences.commit();
        self.tweets.commit();
        self.authors.commit();
        self.likes.commit();
    }

    /// Takes back all changes since the last commit.
    pub fn undo(&mut self) {
        self.conferences.undo(|_, _| {});
        self.authors.undo(|_, _| {});
        self.likes.undo(|_, _| {});
        let rankings = &mut self.rankings;
        self.tweets.undo(|now, old| {
            let Some(now) = now else { return };
            rankings.shift(now.conference, &now.id, now.ranked, old.as_ref().map_or(0, |old| old.count));
            if let Some(old) = old {
                old.ranked = old.count;
            }
        });
    }

    /// How much is kept.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            conferences: self.conferences.len(),
            tweets: self.tweets.len(),
            authors: self.authors.len(),
            likes: self.likes.len(),
        }
    }
}

fn rank(rankings: &mut Rankings, tweet: &mut Tweet) {
    rankings.shift(tweet.conference, &tweet.id, tweet.ranked, tweet.count);
    tweet.ranked = tweet.count;
}
