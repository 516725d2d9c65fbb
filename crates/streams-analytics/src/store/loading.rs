//! The state shard by shard: as it is written down, and as it is put back.

use super::{Conference, Like, Store, Tweet, rank};
use crate::key::Key;

impl Store {
    /// The conferences of a shard.
    pub(crate) fn shard_conferences(&self, shard: usize) -> impl Iterator<Item = &Conference> {
        self.conferences.shard(shard).map(|(_, conference)| conference)
    }

    /// The tweets of a shard.
    pub(crate) fn shard_tweets(&self, shard: usize) -> impl Iterator<Item = &Tweet> {
        self.tweets.shard(shard).map(|(_, tweet)| tweet)
    }

    /// The authors of a shard.
    pub(crate) fn shard_authors(&self, shard: usize) -> impl Iterator<Item = Key> {
        self.authors.shard(shard).map(|(key, ())| key)
    }

    /// The likes of a shard.
    pub(crate) fn shard_likes(&self, shard: usize) -> impl Iterator<Item = (Key, &Like)> {
        self.likes.shard(shard)
    }

    /// Restoring: empties a shard.
    pub(crate) fn clear_shard(&mut self, shard: usize) {
        self.conferences.clear_shard(shard);
        self.tweets.clear_shard(shard);
        self.authors.clear_shard(shard);
        self.likes.clear_shard(shard);
    }

    /// Restoring: puts a conference in its place.
    pub(crate) fn load_conference(&mut self, key: Key, conference: Conference) {
        self.conferences.load(key, conference);
    }

    /// Restoring: puts a tweet in its place.
    pub(crate) fn load_tweet(&mut self, key: Key, tweet: Tweet) {
        self.tweets.load(key, tweet);
    }

    /// Restoring: puts an author in their place.
    pub(crate) fn load_author(&mut self, key: Key) {
        self.authors.load(key, ());
    }

    /// Restoring: puts a like in its place.
    pub(crate) fn load_like(&mut self, key: Key, like: Like) {
        self.likes.load(key, like);
    }

    /// Restoring: takes a like out.
    pub(crate) fn unload_like(&mut self, key: Key) {
        self.likes.unload(key);
    }

    /// Restoring: makes what is not written down but follows from it. Comes once, last.
    pub(crate) fn finish_loading(&mut self) {
        let rankings = &mut self.rankings;
        self.tweets.derive_all(|tweet| rank(rankings, tweet));
    }
}
