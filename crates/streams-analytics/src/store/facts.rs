//! The likes that stand.

use std::ops::Range;

use super::{FactKey, Like, shard::Shard, slot::Slot};
use crate::key::SHARDS;

/// Likes that stand, in shards, with what is needed to take back all changes since the last commit.
pub(super) struct Facts {
    shards: Box<[Shard]>,
    /// Every change since the last commit.
    log: Vec<Change>,
}

/// A like that came or went, which tells both what was before and what is after.
#[derive(Clone, Copy)]
struct Change {
    slot: Slot,
    came: bool,
}

/// The changes for which room is kept from commit to commit.
const USUAL: usize = 4 * 1024;

impl Default for Facts {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), log: Vec::new() }
    }
}

impl Facts {
    pub(super) fn get(&self, key: FactKey) -> Option<Like> {
        let home = key.home();
        self.shards[home.shard as usize].get(key, home.place)
    }

    /// Adds a like; false where it stands already.
    pub(super) fn add(&mut self, key: FactKey, like: Like) -> bool {
        let added = self.put(key, like, false).is_none();
        if added {
            self.log.push(Change { slot: Slot::new(key, like), came: true });
        }
        added
    }

    /// Takes a like out.
    pub(super) fn remove(&mut self, key: FactKey) -> Option<Like> {
        let old = self.take(key)?;
        self.log.push(Change { slot: Slot::new(key, old), came: false });
        Some(old)
    }

    fn put(&mut self, key: FactKey, like: Like, replace: bool) -> Option<Like> {
        let home = key.home();
        self.shards[home.shard as usize].put(key, home.place, like, replace)
    }

    fn take(&mut self, key: FactKey) -> Option<Like> {
        let home = key.home();
        self.shards[home.shard as usize].take(key, home.place)
    }

    /// Likes that came (as they are) or went since the last commit, in their order.
    pub(super) fn changes(&self) -> impl Iterator<Item = (FactKey, Option<Like>)> {
        self.log.iter().map(|change| (change.slot.key, change.came.then(|| change.slot.like())))
    }

    pub(super) fn commit(&mut self) {
        self.log.clear();
        self.log.shrink_to(USUAL);
    }

    pub(super) fn undo(&mut self) {
        while let Some(Change { slot, came }) = self.log.pop() {
            if came {
                self.unload(slot.key);
            } else {
                self.load(slot.key, slot.like());
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// The likes of one shard, in an order that [`Self::fill`] has little work with.
    pub(super) fn shard(&self, shard: usize) -> impl Iterator<Item = (FactKey, Like)> {
        self.shards[shard].slots().map(|slot| (slot.key, slot.like()))
    }

    /// Drops, unrecorded, likes of one shard that are of no use any more.
    pub(super) fn drop_where(&mut self, shard: usize, useless: impl Fn(FactKey) -> bool) {
        self.shards[shard].drop_where(useless);
    }

    /// Restoring: puts likes into these shards, which they belong to, in place of what those hold or beside it.
    pub(super) fn fill(&mut self, shards: Range<usize>, replace: bool, likes: impl Iterator<Item = (FactKey, Like)>) {
        let held = self.shards[shards.clone()].iter().filter(|_| !replace).flat_map(Shard::slots).copied();
        let mut slots: Vec<Slot> = held.chain(likes.map(|(key, like)| Slot::new(key, like))).collect();
        slots.sort_by_key(|slot| slot.key.home());
        let mut rest = &slots[..];
        for shard in shards {
            let end = rest.partition_point(|slot| slot.key.home().shard as usize <= shard);
            let (sorted, further) = rest.split_at(end);
            self.shards[shard].fill(sorted);
            rest = further;
        }
    }

    /// Restoring: puts a like in its place, unrecorded.
    pub(super) fn load(&mut self, key: FactKey, like: Like) {
        self.put(key, like, true);
    }

    /// Restoring: takes a like out, unrecorded.
    pub(super) fn unload(&mut self, key: FactKey) {
        self.take(key);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::store::Millis;

    fn like(since: Millis) -> Like {
        Like { since, accepted: since + 5 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn undo_goes_back_to_the_last_commit(steps in prop::collection::vec((0_u8..12, 0_u32..90, 0_i64..9), 0..300)) {
            let (mut facts, mut now, mut committed) = (Facts::default(), BTreeMap::new(), BTreeMap::new());
            for (what, visitor, since) in steps {
                let key = FactKey::new(visitor % 5, &visitor.to_string());
                match what {
                    0..=5 => {
                        prop_assert_eq!(facts.add(key, like(since)), !now.contains_key(&key));
                        now.entry(key).or_insert_with(|| like(since));
                    }
                    6..=9 => prop_assert_eq!(facts.remove(key), now.remove(&key)),
                    10 => {
                        facts.commit();
                        committed = now.clone();
                    }
                    _ => {
                        facts.undo();
                        now = committed.clone();
                    }
                }
                prop_assert_eq!(facts.get(key), now.get(&key).copied());
            }
            prop_assert_eq!((0..SHARDS).flat_map(|shard| facts.shard(shard)).collect::<BTreeMap<_, _>>(), now);
        }
    }

    #[test]
    fn shards_are_filled_in_place_of_what_they_hold_or_beside_it() {
        let likes: Vec<(FactKey, Like)> =
            (0..5_000).map(|n| (FactKey::new(n % 3, &n.to_string()), like(n.into()))).collect();
        let mut facts = Facts::default();
        let all = |facts: &Facts| (0..SHARDS).flat_map(|shard| facts.shard(shard)).collect::<BTreeMap<_, _>>();
        let (first, rest) = likes.split_at(2_000);
        facts.fill(0..SHARDS, true, first.iter().copied());
        facts.fill(0..SHARDS, false, rest.iter().copied());
        assert_eq!(all(&facts), likes.iter().copied().collect());
        facts.fill(0..SHARDS, true, rest.iter().copied());
        assert_eq!(all(&facts), rest.iter().copied().collect());
        assert!(rest.iter().all(|(key, like)| facts.get(*key) == Some(*like)));
    }
}
