//! A part of all likes: a table that is kept full.

use super::{FactKey, Like, slot::Slot};

/// A list with gaps, sorted by place: every slot stands at the home that its place gives it, or behind others of smaller
/// places. So a search ends where it meets a greater place, and growing is one pass.
///
/// It lies in pages of one size, and grows by a page, later by an eighth. So at most a quarter of it is empty, and growing
/// leaves no holes of a size that nobody has a use for.
#[derive(Default)]
#[allow(clippy::vec_box, reason = "pages stay where they are while their list grows")]
pub(super) struct Shard {
    /// With more slots than `homes`, for what belongs to the last ones.
    pages: Vec<Box<[Slot; PAGE]>>,
    homes: usize,
    used: usize,
}

/// The slots of a page: 896 bytes.
const PAGE: usize = 32;
/// The slots behind the last home. Where more are needed, another page comes.
const SPARE: usize = PAGE / 4;
/// Of eight homes, how many slots may be used.
const FULL: usize = 7;

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// All likes, by place.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.pages.iter().flat_map(|page| page.iter()).filter(|slot| slot.used)
    }

    pub(super) fn get(&self, key: FactKey, place: u32) -> Option<Like> {
        self.find(key, place).ok().and_then(|at| self.slot(at)).map(Slot::like)
    }

    /// Puts a like in its place, unless it stands already and is not to be replaced. Returns what stood.
    pub(super) fn put(&mut self, key: FactKey, place: u32, like: Like, replace: bool) -> Option<Like> {
        self.grow_if_full();
        match self.find(key, place) {
            Ok(at) => {
                let slot = self.slot_mut(at);
                let old = slot.like();
                if replace {
                    *slot = Slot::new(key, like);
                }
                Some(old)
            }
            Err(at) => {
                self.insert_at(at, Slot::new(key, like));
                None
            }
        }
    }

    /// Takes a like out.
    pub(super) fn take(&mut self, key: FactKey, place: u32) -> Option<Like> {
        let at = self.find(key, place).ok()?;
        let old = self.slot(at).map(Slot::like);
        self.remove_at(at);
        old
    }

    /// Holds these likes, which are sorted by place, in place of what it held.
    pub(super) fn fill(&mut self, sorted: &[Slot]) {
        let homes = (sorted.len() * 8).div_ceil(FULL);
        let pages = if sorted.is_empty() { 0 } else { (homes + SPARE).div_ceil(PAGE) };
        self.lay_out(pages, sorted);
    }

    /// Drops likes that are of no use any more.
    pub(super) fn drop_where(&mut self, useless: impl Fn(FactKey) -> bool) {
        let kept: Vec<Slot> = self.slots().filter(|slot| !useless(slot.key)).copied().collect();
        if kept.len() < self.used {
            self.fill(&kept);
        }
    }

    fn slot(&self, at: usize) -> Option<&Slot> {
        self.pages.get(at / PAGE).map(|page| &page[at % PAGE])
    }

    /// The slot at `at`, which is at most one behind the last.
    fn slot_mut(&mut self, at: usize) -> &mut Slot {
        if at == self.pages.len() * PAGE {
            self.pages.push(empty_page());
        }
        &mut self.pages[at / PAGE][at % PAGE]
    }

    fn home(&self, place: u32) -> usize {
        // Spread over any number of homes, in order.
        usize::try_from((u64::from(place) * self.homes as u64) >> 32).expect("less than the homes")
    }

    /// Where `key` is, or where it would go.
    fn find(&self, key: FactKey, place: u32) -> Result<usize, usize> {
        let mut at = self.home(place);
        while let Some(slot) = self.slot(at).filter(|slot| slot.used) {
            if slot.key == key {
                return Ok(at);
            }
            if slot.key.home().place > place {
                break;
            }
            at += 1;
        }
        Err(at)
    }

    /// Puts a slot before others, which move on up to the next gap.
    fn insert_at(&mut self, at: usize, mut slot: Slot) {
        let (first, mut from) = (at / PAGE, at % PAGE);
        for page in self.pages.iter_mut().skip(first) {
            let run = &mut page[from..];
            // To its gap, or to its last slot, which goes on to the next page.
            let end = run.iter().position(|slot| !slot.used).unwrap_or(run.len() - 1);
            let moved_out = run[end];
            run.copy_within(..end, 1);
            run[0] = slot;
            slot = moved_out;
            if !slot.used {
                break;
            }
            from = 0;
        }
        if slot.used {
            *self.slot_mut(self.pages.len() * PAGE) = slot;
        }
        self.used += 1;
    }

    /// Takes a slot from before others, which move back up to a gap or to what is at home.
    fn remove_at(&mut self, mut at: usize) {
        while let Some(next) = self.away(at + 1) {
            *self.slot_mut(at) = next;
            at += 1;
        }
        *self.slot_mut(at) = Slot::FREE;
        self.used -= 1;
    }

    /// What stands there, unless it is at home.
    fn away(&self, at: usize) -> Option<Slot> {
        self.slot(at).copied().filter(|slot| slot.used && self.home(slot.key.home().place) < at)
    }

    fn grow_if_full(&mut self) {
        if (self.used + 1) * 8 <= self.homes * FULL {
            return;
        }
        let mut slots = Vec::with_capacity(self.used);
        slots.extend(self.slots().copied());
        let pages = (self.homes + SPARE) / PAGE;
        self.lay_out(pages + (pages / 8).max(1), &slots);
    }

    /// Puts all likes to their homes in so many pages.
    fn lay_out(&mut self, pages: usize, sorted: &[Slot]) {
        self.pages.iter_mut().for_each(|page| page.fill(Slot::FREE));
        self.pages.resize_with(pages, empty_page);
        self.homes = (pages * PAGE).saturating_sub(SPARE);
        self.used = sorted.len();
        let mut next = 0;
        for slot in sorted {
            let at = self.home(slot.key.home().place).max(next);
            *self.slot_mut(at) = *slot;
            next = at + 1;
        }
    }
}

fn empty_page() -> Box<[Slot; PAGE]> {
    Box::new([Slot::FREE; PAGE])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(n: u32) -> FactKey {
        FactKey::new(n % 7, &n.to_string())
    }

    fn like(since: i64) -> Like {
        Like { since, accepted: since + 5 }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0_u8..64, 0_u32..500, 0_i64..9), 0..1500)) {
            let (mut shard, mut map) = (Shard::default(), BTreeMap::new());
            for (what, n, since) in steps {
                let (key, place) = (key(n), key(n).home().place);
                match what {
                    0..=40 => {
                        prop_assert_eq!(shard.put(key, place, like(since), false), map.get(&key).copied());
                        map.entry(key).or_insert(like(since));
                    }
                    41..=45 => prop_assert_eq!(shard.put(key, place, like(since), true), map.insert(key, like(since))),
                    46..=61 => prop_assert_eq!(shard.take(key, place), map.remove(&key)),
                    62 => {
                        let sorted: Vec<Slot> = shard.slots().copied().collect();
                        shard.fill(&sorted);
                    }
                    _ => {
                        shard.drop_where(|key| key.tweet == n % 7);
                        map.retain(|key, _| key.tweet != n % 7);
                    }
                }
                prop_assert_eq!(shard.get(key, place), map.get(&key).copied());
                prop_assert_eq!(shard.len(), map.len());
            }
            prop_assert!(shard.slots().is_sorted_by_key(|slot| slot.key.home().place));
            prop_assert_eq!(shard.slots().map(|slot| (slot.key, slot.like())).collect::<BTreeMap<_, _>>(), map);
        }
    }

    #[test]
    fn at_most_a_quarter_is_empty() {
        let mut shard = Shard::default();
        for n in 0..20_000 {
            shard.put(key(n), key(n).home().place, like(0), false);
            let slots = shard.pages.len() * PAGE;
            assert!(n < 256 || slots * 3 <= shard.len() * 4, "{} of {slots}", shard.len());
        }
    }
}
