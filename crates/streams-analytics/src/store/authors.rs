//! The authors seen, per conference.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use crate::key::{Key, SHARDS};

/// Authors are only ever added, so what was added since the last commit is all there is to take back.
pub(super) struct Authors {
    shards: Box<[HashSet<Key, RandomState>]>,
    added: Vec<Key>,
}

impl Default for Authors {
    fn default() -> Self {
        let hasher = RandomState::default();
        let shards = (0..SHARDS).map(|_| HashSet::with_hasher(hasher.clone())).collect();
        Self { shards, added: Vec::new() }
    }
}

impl Authors {
    /// Adds an author; false where they are known already.
    pub(super) fn add(&mut self, key: Key) -> bool {
        let added = self.load(key);
        if added {
            self.added.push(key);
        }
        added
    }

    pub(super) fn added(&self) -> &[Key] {
        &self.added
    }

    pub(super) fn commit(&mut self) {
        self.added.clear();
    }

    pub(super) fn undo(&mut self) {
        for key in self.added.drain(..) {
            self.shards[key.shard()].remove(&key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(HashSet::len).sum()
    }

    /// The authors of one shard.
    pub(super) fn shard(&self, shard: usize) -> impl Iterator<Item = Key> {
        self.shards[shard].iter().copied()
    }

    /// Restoring: empties a shard.
    pub(super) fn clear_shard(&mut self, shard: usize) {
        self.shards[shard].clear();
    }

    /// Restoring: puts an author in their place, unrecorded.
    pub(super) fn load(&mut self, key: Key) -> bool {
        self.shards[key.shard()].insert(key)
    }
}
