//! The state of one task: everything that results follow from.
//!
//! Knows what is kept and how it is taken back, not what a record means (that is [`crate::topology`]) and not how it is
//! written down (that is [`crate::changelog`]).
//!
//! Entries have indexes in the order in which they came, so that counts and likes name a tweet by four bytes. Everything
//! remembers its value of the last commit at its first change since, which is what [`Store::undo`] goes back to, and at
//! the same time what a commit has to write down.

mod authors;
mod conference;
mod counts;
mod facts;
mod like;
mod lists;
mod loading;
mod minutes;
mod series;
mod shard;
mod slot;
mod top_n;
mod tweet;

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

pub(crate) use self::lists::Lists;
use self::{authors::Authors, facts::Facts, tweet::Ids};
pub use self::{
    conference::{Conference, Totals},
    counts::Counts,
    like::{FactKey, Like},
    minutes::{Minute, Minutes},
    series::{Series, Window},
    top_n::Ranked,
    tweet::{Post, Tweet},
};
use crate::{key::Key, windows::Windowing};

/// Milliseconds since the epoch, in event time.
pub type Millis = i64;

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
    /// Windows that are not over.
    pub windows: usize,
}

/// The state. Every change since the last [`Store::commit`] can be taken back by [`Store::undo`].
pub struct Store {
    pub(crate) windowing: Arc<Windowing>,
    conferences: Vec<Conference>,
    conference_index: HashMap<Key, u32, RandomState>,
    /// How many there were at the last commit.
    committed_conferences: usize,
    /// Those that have changed since.
    touched_conferences: Vec<u32>,
    /// The one that was asked for last, which is most often the next one, too.
    last_conference: u32,
    tweets: Vec<Tweet>,
    tweet_index: HashMap<Key, u32, RandomState>,
    /// How many there were at the last commit.
    committed_tweets: usize,
    /// Those of them that have changed since, with what they were.
    changed_tweets: Vec<(u32, Option<Arc<Post>>, Option<Millis>)>,
    authors: Authors,
    facts: Facts,
}

/// How many entries are kept of a window that is over for likes and waits for tweets, or the other way round.
const LISTED: usize = 120;

impl Store {
    /// An empty state.
    pub fn new(windowing: Arc<Windowing>) -> Self {
        Self {
            windowing,
            conferences: Vec::new(),
            conference_index: HashMap::default(),
            committed_conferences: 0,
            touched_conferences: Vec::new(),
            last_conference: 0,
            tweets: Vec::new(),
            tweet_index: HashMap::default(),
            committed_tweets: 0,
            changed_tweets: Vec::new(),
            authors: Authors::default(),
            facts: Facts::default(),
        }
    }

    /// A conference by its index.
    pub fn conference(&self, index: u32) -> Option<&Conference> {
        self.conferences.get(index as usize)
    }

    /// The index of a conference, new where it is not known.
    pub(crate) fn conference_or_new(&mut self, name: &str) -> u32 {
        if self.conference(self.last_conference).is_some_and(|last| &*last.name == name) {
            return self.last_conference;
        }
        let (conferences, windowing) = (&mut self.conferences, &self.windowing);
        self.last_conference = *self.conference_index.entry(Key::conference(name)).or_insert_with(|| {
            conferences.push(Conference::new(name, windowing));
            position(conferences.len() - 1)
        });
        self.last_conference
    }

    /// The conference to change, and by which windows.
    pub(crate) fn change_conference(&mut self, index: u32) -> (&mut Conference, &Windowing) {
        let conference = &mut self.conferences[index as usize];
        if conference.touch() {
            self.touched_conferences.push(index);
        }
        (conference, &self.windowing)
    }

    /// A tweet by its index.
    pub fn tweet(&self, index: u32) -> Option<&Tweet> {
        self.tweets.get(index as usize)
    }

    /// The index of a tweet that was seen or liked.
    pub fn find_tweet(&self, conference: &str, tweet_id: &str) -> Option<u32> {
        self.tweet_index.get(&Key::tweet(conference, tweet_id)).copied()
    }

    /// The index of a tweet, new and unseen where it is not known.
    pub(crate) fn tweet_or_new(&mut self, conference: u32, tweet_id: &str) -> u32 {
        let (tweets, name) = (&mut self.tweets, &self.conferences[conference as usize].name);
        *self.tweet_index.entry(Key::tweet(name, tweet_id)).or_insert_with(|| {
            tweets.push(Tweet::new(conference, tweet_id));
            position(tweets.len() - 1)
        })
    }

    /// The tweet to change.
    pub(crate) fn change_tweet(&mut self, index: u32) -> &mut Tweet {
        let tweet = &mut self.tweets[index as usize];
        if (index as usize) < self.committed_tweets {
            self.changed_tweets.push((index, tweet.post.clone(), tweet.first_like));
        }
        tweet
    }

    /// Adds an author; false where they are known already.
    pub(crate) fn add_author(&mut self, key: Key) -> bool {
        self.authors.add(key)
    }

    /// A like that stands.
    pub fn like(&self, key: FactKey) -> Option<Like> {
        self.facts.get(key)
    }

    /// Adds a like; false where it stands already.
    pub(crate) fn add_like(&mut self, key: FactKey, like: Like) -> bool {
        self.facts.add(key, like)
    }

    /// Takes a like back.
    pub(crate) fn remove_like(&mut self, key: FactKey) -> Option<Like> {
        self.facts.remove(key)
    }

    /// Conferences that have changed since the last commit.
    pub fn touched_conferences(&self) -> impl Iterator<Item = (u32, &Conference)> {
        self.touched_conferences.iter().map(|index| (*index, &self.conferences[*index as usize]))
    }

    /// The same, to read their lists, with all tweets.
    pub(crate) fn touched_conferences_mut(&mut self) -> impl Iterator<Item = (&mut Conference, &[Tweet])> {
        // In the order of their indexes, which is what lets each be borrowed once.
        self.touched_conferences.sort_unstable();
        let (touched, tweets) = (&self.touched_conferences, &self.tweets[..]);
        let touched = |index: usize| touched.binary_search(&position(index)).is_ok();
        let conferences = self.conferences.iter_mut().enumerate().filter(move |(index, _)| touched(*index));
        conferences.map(move |(_, conference)| (conference, tweets))
    }

    /// Indexes of tweets that are new or have changed since the last commit; one may come twice.
    pub fn touched_tweets(&self) -> impl Iterator<Item = u32> {
        let new = position(self.committed_tweets)..position(self.tweets.len());
        self.changed_tweets.iter().map(|(index, ..)| *index).chain(new)
    }

    /// Authors that came since the last commit.
    pub fn new_authors(&self) -> &[Key] {
        self.authors.added()
    }

    /// Likes that came (as they are) or went since the last commit, in their order.
    pub fn changed_likes(&self) -> impl Iterator<Item = (FactKey, Option<Like>)> {
        self.facts.changes()
    }

    /// Whether nothing has changed since the last commit. Whatever changes, a conference does.
    pub fn is_clean(&self) -> bool {
        self.touched_conferences.is_empty()
    }

    /// Makes all changes stay.
    pub fn commit(&mut self) {
        let tweets = &self.tweets;
        for index in self.touched_conferences.drain(..) {
            self.conferences[index as usize].commit(&self.windowing, LISTED, &Ids(tweets));
        }
        self.committed_conferences = self.conferences.len();
        self.committed_tweets = self.tweets.len();
        self.changed_tweets.clear();
        self.authors.commit();
        self.facts.commit();
    }

    /// Takes back all changes since the last commit.
    pub fn undo(&mut self) {
        for index in self.touched_conferences.drain(..) {
            self.conferences[index as usize].undo();
        }
        while let Some((index, post, first_like)) = self.changed_tweets.pop() {
            let tweet = &mut self.tweets[index as usize];
            (tweet.post, tweet.first_like) = (post, first_like);
        }
        for tweet in self.tweets.drain(self.committed_tweets..) {
            let conference = &self.conferences[tweet.conference as usize];
            self.tweet_index.remove(&Key::tweet(&conference.name, &tweet.id));
        }
        for conference in self.conferences.drain(self.committed_conferences..) {
            self.conference_index.remove(&Key::conference(&conference.name));
        }
        self.authors.undo();
        self.facts.undo();
    }

    /// How much is kept.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            conferences: self.conferences.len(),
            tweets: self.tweets.len(),
            authors: self.authors.len(),
            likes: self.facts.len(),
            windows: self.conferences.iter().flat_map(|c| &c.series).map(|series| series.windows().len()).sum(),
        }
    }
}

/// An index as it is kept: four bytes, because memory ends before they do.
fn position(index: usize) -> u32 {
    u32::try_from(index).expect("fewer entries than fit into memory")
}
