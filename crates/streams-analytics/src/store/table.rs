//! Entries of one kind, in shards, with what is needed to take back all changes since the last commit.

use std::collections::{HashMap, hash_map::Entry};

use foldhash::fast::RandomState;

use crate::key::{Key, SHARDS};

type Map<V> = HashMap<Key, V, RandomState>;

/// A sharded map with an undo log: the first touch of a key since the last commit saves its old value, so the keys of
/// the undo log are also those that changed.
pub(super) struct Table<V> {
    shards: Box<[Map<V>]>,
    /// `None`: was not there.
    undo: Map<Option<V>>,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        let hasher = RandomState::default();
        Self { shards: (0..SHARDS).map(|_| Map::with_hasher(hasher.clone())).collect(), undo: Map::with_hasher(hasher) }
    }
}

impl<V: Clone> Table<V> {
    pub(super) fn get(&self, key: Key) -> Option<&V> {
        self.shards[key.shard()].get(&key)
    }

    /// Adds an entry; false where there is one already.
    pub(super) fn add(&mut self, key: Key, value: V) -> bool {
        match self.shards[key.shard()].entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(value);
                self.undo.entry(key).or_insert(None);
                true
            }
        }
    }

    /// Removes an entry; false where there is none.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        let Some(old) = self.shards[key.shard()].remove(&key) else { return false };
        self.undo.entry(key).or_insert(Some(old));
        true
    }

    /// The entry to change, made where there is none.
    pub(super) fn change(&mut self, key: Key, make: impl FnOnce() -> V) -> &mut V {
        match self.shards[key.shard()].entry(key) {
            Entry::Occupied(occupied) => {
                self.undo.entry(key).or_insert_with(|| Some(occupied.get().clone()));
                occupied.into_mut()
            }
            Entry::Vacant(vacant) => {
                self.undo.entry(key).or_insert(None);
                vacant.insert(make())
            }
        }
    }

    /// Keys touched since the last commit, with the value then and now.
    pub(super) fn touched(&self) -> impl Iterator<Item = (Key, Option<&V>, Option<&V>)> {
        self.undo.iter().map(|(key, old)| (*key, old.as_ref(), self.get(*key)))
    }

    /// Calls `each` for the present value of every touched key. What it changes is not recorded: for fields that follow
    /// from the others.
    pub(super) fn derive_touched(&mut self, mut each: impl FnMut(&mut V)) {
        for key in self.undo.keys() {
            if let Some(value) = self.shards[key.shard()].get_mut(key) {
                each(value);
            }
        }
    }

    /// As [`Self::derive_touched`], for every entry.
    pub(super) fn derive_all(&mut self, each: impl FnMut(&mut V)) {
        self.shards.iter_mut().flat_map(HashMap::values_mut).for_each(each);
    }

    pub(super) fn commit(&mut self) {
        self.undo.clear();
    }

    /// Brings back the values of the last commit. `each` sees every present value and what is about to take its place.
    pub(super) fn undo(&mut self, mut each: impl FnMut(Option<&V>, &mut Option<V>)) {
        for (key, mut old) in self.undo.drain() {
            let shard = &mut self.shards[key.shard()];
            each(shard.get(&key), &mut old);
            match old {
                Some(old) => shard.insert(key, old),
                None => shard.remove(&key),
            };
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.undo.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(HashMap::len).sum()
    }

    /// The entries of one shard.
    pub(super) fn shard(&self, shard: usize) -> impl Iterator<Item = (Key, &V)> {
        self.shards[shard].iter().map(|(key, value)| (*key, value))
    }

    /// Restoring: empties a shard.
    pub(super) fn clear_shard(&mut self, shard: usize) {
        self.shards[shard].clear();
    }

    /// Restoring: puts an entry in its place, unrecorded.
    pub(super) fn load(&mut self, key: Key, value: V) {
        self.shards[key.shard()].insert(key, value);
    }

    /// Restoring: takes an entry out, unrecorded.
    pub(super) fn unload(&mut self, key: Key) {
        self.shards[key.shard()].remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::conference(name)
    }

    fn undo(table: &mut Table<u32>) {
        table.undo(|_, _| {});
    }

    #[test]
    fn undo_brings_back_the_value_of_the_last_commit_however_often_it_changed() {
        let mut table = Table::<u32>::default();
        *table.change(key("a"), || 0) += 1;
        table.commit();
        *table.change(key("a"), || 0) += 1;
        *table.change(key("a"), || 0) += 1;
        assert!(table.remove(key("a")));
        assert!(table.add(key("a"), 9));
        assert!(table.add(key("b"), 1));
        undo(&mut table);
        assert_eq!((table.get(key("a")), table.get(key("b"))), (Some(&1), None));
        assert!(table.is_clean());
    }

    #[test]
    fn what_changes_nothing_touches_nothing() {
        let mut table = Table::<u32>::default();
        table.add(key("a"), 1);
        table.commit();
        assert!(!table.add(key("a"), 2));
        assert!(!table.remove(key("b")));
        assert!(table.is_clean());
    }

    #[test]
    fn touched_tells_old_and_present_values() {
        let mut table = Table::<u32>::default();
        table.add(key("a"), 1);
        table.commit();
        table.remove(key("a"));
        table.add(key("b"), 2);
        let mut touched: Vec<_> = table.touched().map(|(_, old, now)| (old.copied(), now.copied())).collect();
        touched.sort_unstable();
        assert_eq!(touched, [(None, Some(2)), (Some(1), None)]);
    }
}
