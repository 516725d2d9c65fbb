//! The state shard by shard: as it is written down, and as it is put back.

use std::{ops::Range, sync::Arc};

use super::{Conference, FactKey, LISTED, Like, Millis, Post, Store, Tweet, position, tweet::Ids};
use crate::{
    key::{Key, SHARDS},
    windows::Windowing,
};

impl Store {
    /// The conferences of a shard.
    pub(crate) fn shard_conferences(&self, shard: usize) -> impl Iterator<Item = (u32, &Conference)> {
        (shard..self.conferences.len()).step_by(SHARDS).map(|index| (position(index), &self.conferences[index]))
    }

    /// The tweets of a shard.
    pub(crate) fn shard_tweets(&self, shard: usize) -> impl Iterator<Item = (u32, &Tweet)> {
        (shard..self.tweets.len()).step_by(SHARDS).map(|index| (position(index), &self.tweets[index]))
    }

    /// The authors of a shard.
    pub(crate) fn shard_authors(&self, shard: usize) -> impl Iterator<Item = Key> {
        self.authors.shard(shard)
    }

    /// The likes of a shard.
    pub(crate) fn shard_likes(&self, shard: usize) -> impl Iterator<Item = (FactKey, Like)> {
        self.facts.shard(shard)
    }

    /// Drops likes of a shard whose tweets take none any more: nobody will ask for them. By what was committed, so that
    /// undoing never needs them.
    pub(crate) fn drop_closed(&mut self, shard: usize) {
        let (tweets, conferences, period) = (&self.tweets, &self.conferences, self.windowing.like_period);
        let any = conferences.iter().any(|conference| {
            matches!((conference.first_like, conference.committed().likes_time),
                (Some(first), Some(now)) if now >= first.saturating_add(period))
        });
        if any {
            self.facts.drop_where(shard, |key| {
                tweets.get(key.tweet as usize).is_some_and(|tweet| {
                    let now = conferences.get(tweet.conference as usize).and_then(|c| c.committed().likes_time);
                    tweet.is_closed(period, now)
                })
            });
        }
    }

    /// Restoring: empties a shard, but for its likes, which [`Self::fill_likes`] replaces.
    pub(crate) fn clear_shard(&mut self, shard: usize) {
        for index in (shard..self.conferences.len()).step_by(SHARDS) {
            self.conferences[index] = Conference::new("", &self.windowing);
        }
        self.authors.clear_shard(shard);
    }

    /// Restoring: a conference's place. Without its name until that is read.
    pub(crate) fn load_conference(&mut self, index: u32) -> Option<&mut Conference> {
        let windowing = &self.windowing;
        place(&mut self.conferences, index, || Conference::new("", windowing))
    }

    /// Restoring: puts a tweet in its place.
    pub(crate) fn load_tweet(
        &mut self,
        index: u32,
        conference: u32,
        id: &str,
        post: Option<Arc<Post>>,
        first_like: Option<Millis>,
    ) -> Option<()> {
        let tweet = place(&mut self.tweets, index, || Tweet::new(0, ""))?;
        *tweet = Tweet { conference, id: id.into(), post, first_like };
        Some(())
    }

    /// Restoring: puts an author in their place.
    pub(crate) fn load_author(&mut self, key: Key) {
        self.authors.load(key);
    }

    /// Restoring: puts likes into these shards, which they belong to, in place of what those hold or beside it.
    pub(crate) fn fill_likes(
        &mut self,
        shards: Range<usize>,
        replace: bool,
        likes: impl Iterator<Item = (FactKey, Like)>,
    ) {
        self.facts.fill(shards, replace, likes);
    }

    /// Restoring: puts a like in its place.
    pub(crate) fn load_like(&mut self, key: FactKey, like: Like) {
        self.facts.load(key, like);
    }

    /// Restoring: takes a like out.
    pub(crate) fn unload_like(&mut self, key: FactKey) {
        self.facts.unload(key);
    }

    /// Restoring: makes what is not written down but follows from it. Comes once, last. `None`: something is missing.
    pub(crate) fn finish_loading(&mut self) -> Option<()> {
        for (index, conference) in self.conferences.iter_mut().enumerate() {
            if conference.name.is_empty() {
                return None;
            }
            self.conference_index.insert(Key::conference(&conference.name), position(index));
        }
        for (index, tweet) in self.tweets.iter().enumerate() {
            let conference = self.conferences.get_mut(tweet.conference as usize)?;
            if tweet.id.is_empty() {
                return None;
            }
            conference.first_like = [conference.first_like, tweet.first_like].into_iter().flatten().min();
            self.tweet_index.insert(Key::tweet(&conference.name, &tweet.id), position(index));
        }
        let windowing: &Windowing = &self.windowing;
        for conference in &mut self.conferences {
            conference.finish_loading(windowing, LISTED, &Ids(&self.tweets));
        }
        self.committed_conferences = self.conferences.len();
        self.committed_tweets = self.tweets.len();
        Some(())
    }
}

/// The most entries that a torn index may make room for.
const FAR: usize = 1 << 24;

/// The place of an index, made where there is none yet. `None`: so far away that the index cannot be meant.
fn place<T>(entries: &mut Vec<T>, index: u32, make: impl FnMut() -> T) -> Option<&mut T> {
    let index = index as usize;
    if index >= entries.len().saturating_add(FAR) {
        return None;
    }
    if index >= entries.len() {
        entries.resize_with(index + 1, make);
    }
    entries.get_mut(index)
}
