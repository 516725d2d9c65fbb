//! The likes that stand: by far the most of the state, so 28 bytes each in a table that is kept full.

use super::Millis;
use crate::key::{Key, SHARDS};

/// The fact that a visitor likes a tweet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FactKey {
    /// The tweet's index in the store.
    pub tweet: u32,
    /// 12 bytes of the visitor's hash: two visitors of one tweet that share them are out of reach (for a million visitors
    /// one chance in 10^17), and visitor ids cannot be chosen freely.
    visitor: [u32; 3],
}

impl FactKey {
    /// The length of a visitor's hash in it.
    pub const VISITOR_BYTES: usize = 12;

    /// Of a visitor who likes a tweet.
    pub fn new(tweet: u32, visitor_id: &str) -> Self {
        let bytes = Key::visitor(visitor_id).to_bytes();
        let (visitor, _) = bytes.split_first_chunk().expect("a key is longer");
        Self::from_bytes(tweet, *visitor)
    }

    /// The visitor's part, as it is written down.
    pub fn visitor_bytes(self) -> [u8; Self::VISITOR_BYTES] {
        let [a, b, c] = self.visitor.map(u32::to_be_bytes);
        let mut bytes = [0; Self::VISITOR_BYTES];
        for (part, value) in bytes.chunks_exact_mut(4).zip([a, b, c]) {
            part.copy_from_slice(&value);
        }
        bytes
    }

    /// Reads [`Self::visitor_bytes`].
    pub fn from_bytes(tweet: u32, visitor: [u8; Self::VISITOR_BYTES]) -> Self {
        let word = |at: usize| u32::from_be_bytes([visitor[at], visitor[at + 1], visitor[at + 2], visitor[at + 3]]);
        Self { tweet, visitor: [word(0), word(4), word(8)] }
    }

    /// Uniform bits: the visitor's hash alone would send all likes of a visitor to one place.
    fn bits(self) -> u64 {
        let visitor = (u64::from(self.visitor[0]) << 32) | u64::from(self.visitor[1]);
        let mixed =
            (visitor ^ u64::from(self.tweet).wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ (mixed >> 32)
    }

    /// The shard that holds it.
    fn shard(bits: u64) -> usize {
        usize::try_from(bits % SHARDS as u64).expect("less than SHARDS")
    }
}

/// A like that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Like {
    /// The event time of the record that made it stand.
    pub since: Millis,
    /// The stream time at which it was taken, at least `since`.
    pub accepted: Millis,
}

/// A like in 28 bytes: the key, 48 bits of `since`, and in 32 bits how much later it was taken. A like that was taken
/// later than that (49 days) was closed everywhere when it came, as is one that was taken exactly that late.
#[derive(Clone, Copy)]
struct Slot {
    key: FactKey,
    since_low: u32,
    since_high: i16,
    used: bool,
    later: u32,
}

const FREE: Slot =
    Slot { key: FactKey { tweet: 0, visitor: [0; 3] }, since_low: 0, since_high: 0, used: false, later: 0 };

impl Slot {
    fn new(key: FactKey, like: Like) -> Self {
        // Event times reach from year -2500 to 6400; whatever lies beyond is as good as its end.
        let since = like.since.clamp(-(1 << 47), (1 << 47) - 1);
        let later = u32::try_from(like.accepted.saturating_sub(like.since)).unwrap_or(u32::MAX);
        let since_low = u32::try_from(since & 0xffff_ffff).expect("32 bits");
        Self { key, since_low, since_high: i16::try_from(since >> 32).expect("16 bits"), used: true, later }
    }

    fn like(&self) -> Like {
        let since = (Millis::from(self.since_high) << 32) | Millis::from(self.since_low);
        Like { since, accepted: since + Millis::from(self.later) }
    }
}

/// A list with gaps, sorted by hash: every slot stands at the home that its hash gives it, or behind others of smaller
/// hashes. So a search ends where it meets a greater hash, and growing is one pass. It grows by a quarter, not by doubling,
/// so that at most a third is empty.
#[derive(Default)]
struct Shard {
    /// Longer than `homes` where what belongs to the last ones needs it.
    slots: Vec<Slot>,
    homes: usize,
    used: usize,
}

/// The 32 bits of a hash that slots are sorted by. The lowest ones choose the shard.
fn place(bits: u64) -> u64 {
    (bits >> 10) & 0xffff_ffff
}

/// A prime that is greater than any number of slots, so that steps of it meet all of them once.
const STRIDE: usize = 2_654_435_761;

/// Of eight homes, how many slots may be used.
const FULL: usize = 7;

impl Shard {
    fn home(&self, bits: u64) -> usize {
        // Spread over any number of homes, in order.
        usize::try_from((place(bits) * self.homes as u64) >> 32).expect("less than the homes")
    }

    /// Where `key` is, or where it would go.
    fn find(&self, key: FactKey, bits: u64) -> Result<usize, usize> {
        let run = self.slots.iter().enumerate().skip(self.home(bits));
        for (at, slot) in run {
            if slot.used && slot.key == key {
                return Ok(at);
            }
            if !slot.used || place(slot.key.bits()) > place(bits) {
                return Err(at);
            }
        }
        Err(self.slots.len())
    }

    fn insert_at(&mut self, at: usize, slot: Slot) {
        match self.slots[at..].iter().position(|slot| !slot.used) {
            Some(gap) => {
                self.slots.copy_within(at..at + gap, at + 1);
                self.slots[at] = slot;
            }
            None => self.slots.insert(at, slot),
        }
        self.used += 1;
    }

    fn remove_at(&mut self, at: usize) {
        // What follows moves back, up to a gap or to what is at home.
        let stays = |at: usize, slot: &Slot| !slot.used || self.home(slot.key.bits()) == at;
        let mut end = at + 1;
        while end < self.slots.len() && !stays(end, &self.slots[end]) {
            end += 1;
        }
        self.slots.copy_within(at + 1..end, at);
        self.slots[end - 1] = FREE;
        self.used -= 1;
    }

    fn grow_if_full(&mut self) {
        if (self.used + 1) * 8 <= self.homes * FULL {
            return;
        }
        self.homes = (self.homes + self.homes / 4).max(8);
        let mut slots = Vec::with_capacity(self.homes + self.homes / 64 + 4);
        for slot in self.slots.iter().filter(|slot| slot.used) {
            let home = self.home(slot.key.bits());
            if slots.len() < home {
                slots.resize(home, FREE);
            }
            slots.push(*slot);
        }
        if slots.len() < self.homes {
            slots.resize(self.homes, FREE);
        }
        self.slots = slots;
    }
}

/// Likes that stand, in shards, with what is needed to take back all changes since the last commit.
pub(super) struct Facts {
    shards: Box<[Shard]>,
    /// Every change since the last commit: what came or went.
    log: Vec<Change>,
}

/// A like that came or went, which tells both what was before and what is after.
#[derive(Clone, Copy)]
struct Change {
    key: FactKey,
    like: Like,
    came: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), log: Vec::new() }
    }
}

impl Facts {
    pub(super) fn get(&self, key: FactKey) -> Option<Like> {
        let bits = key.bits();
        let shard = &self.shards[FactKey::shard(bits)];
        if shard.used == 0 {
            return None;
        }
        shard.find(key, bits).ok().map(|at| shard.slots[at].like())
    }

    /// Adds a like; false where it stands already.
    pub(super) fn add(&mut self, key: FactKey, like: Like) -> bool {
        let added = self.put(key, like, false).is_none();
        if added {
            self.log.push(Change { key, like, came: true });
        }
        added
    }

    /// Takes a like out.
    pub(super) fn remove(&mut self, key: FactKey) -> Option<Like> {
        let old = self.take(key)?;
        self.log.push(Change { key, like: old, came: false });
        Some(old)
    }

    /// What stands already, which stays unless it is to be replaced.
    fn put(&mut self, key: FactKey, like: Like, replace: bool) -> Option<Like> {
        let bits = key.bits();
        let shard = &mut self.shards[FactKey::shard(bits)];
        shard.grow_if_full();
        match shard.find(key, bits) {
            Ok(at) => {
                let old = shard.slots[at].like();
                if replace {
                    shard.slots[at] = Slot::new(key, like);
                }
                Some(old)
            }
            Err(at) => {
                shard.insert_at(at, Slot::new(key, like));
                None
            }
        }
    }

    fn take(&mut self, key: FactKey) -> Option<Like> {
        let bits = key.bits();
        let shard = &mut self.shards[FactKey::shard(bits)];
        if shard.used == 0 {
            return None;
        }
        let at = shard.find(key, bits).ok()?;
        let old = shard.slots[at].like();
        shard.remove_at(at);
        Some(old)
    }

    /// Likes that came (as they are) or went since the last commit, in their order.
    pub(super) fn changes(&self) -> impl Iterator<Item = (FactKey, Option<Like>)> {
        self.log.iter().map(|change| (change.key, change.came.then_some(change.like)))
    }

    pub(super) fn commit(&mut self) {
        self.log.clear();
        self.log.shrink_to(16 * 1024);
    }

    pub(super) fn undo(&mut self) {
        while let Some(Change { key, like, came }) = self.log.pop() {
            if came { self.unload(key) } else { self.load(key, like) }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.used).sum()
    }

    /// The likes of one shard, in an order that has nothing to do with their places: a shard that is filled in the order of
    /// its places would be all one run until it is full.
    pub(super) fn shard(&self, shard: usize) -> impl Iterator<Item = (FactKey, Like)> {
        let slots = &self.shards[shard].slots;
        let slots = (0..slots.len()).map(move |turn| &slots[(turn * STRIDE) % slots.len()]);
        slots.filter(|slot| slot.used).map(|slot| (slot.key, slot.like()))
    }

    /// Drops, unrecorded, likes of one shard that are of no use any more.
    pub(super) fn drop_where(&mut self, shard: usize, useless: impl Fn(FactKey) -> bool) {
        let keys: Vec<FactKey> = self.shard(shard).map(|(key, _)| key).filter(|key| useless(*key)).collect();
        for key in keys {
            self.unload(key);
        }
    }

    /// Restoring: empties a shard.
    pub(super) fn clear_shard(&mut self, shard: usize) {
        let shard = &mut self.shards[shard];
        shard.slots.fill(FREE);
        shard.used = 0;
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

    fn like(since: Millis) -> Like {
        Like { since, accepted: since + 5 }
    }

    #[test]
    fn a_like_takes_28_bytes() {
        assert_eq!(size_of::<Slot>(), 28);
    }

    #[test]
    fn times_come_back_as_they_were_put() {
        for (since, accepted) in [(0, 0), (-1, 7), (1_795_359_840_123, 1_795_359_999_999), (-5_000_000_000, 4)] {
            let like = Like { since, accepted };
            let later = accepted - since;
            let back = Slot::new(FactKey::new(1, "v"), like).like();
            assert_eq!((back.since, back.accepted - back.since), (since, later.min(i64::from(u32::MAX))));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_a_map_with_undo(steps in prop::collection::vec((0_u8..12, 0_u32..6, 0_u32..60, 0_i64..9), 0..300)) {
            let (mut facts, mut now, mut committed) = (Facts::default(), BTreeMap::new(), BTreeMap::new());
            for (what, tweet, visitor, since) in steps {
                // All in one shard, so that runs are long and wrap around.
                let mut keys = (0..100_000).map(|n| FactKey::new(tweet, &format!("{visitor} {n}")));
                let key = keys.find(|key| FactKey::shard(key.bits()) == 7).expect("one in 1,024");
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
            prop_assert_eq!(facts.shard(7).collect::<BTreeMap<_, _>>(), now);
        }
    }
}
