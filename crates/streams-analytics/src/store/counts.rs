//! How often each of many things was counted, and which most.

use std::collections::{HashMap, hash_map::Entry};

use foldhash::fast::RandomState;

use super::top_n::{Names, Ranked, TopN};

/// Counts by index, with what is needed to take back all changes since the last commit.
#[derive(Debug, Default)]
pub struct Counts {
    entries: HashMap<u32, Counted, RandomState>,
    /// Touched since the last commit, with the count that each had then.
    touched: Vec<Ranked>,
    top: TopN,
    /// Whether `top` knows of all that was touched.
    ranked: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    count: u32,
    touched: bool,
}

impl Counts {
    /// Counts one more, or one less.
    pub(super) fn step(&mut self, index: u32, up: bool) {
        let counted = self.entries.entry(index).or_default();
        if !counted.touched {
            counted.touched = true;
            self.touched.push((index, counted.count));
        }
        counted.count = if up { counted.count.saturating_add(1) } else { counted.count.saturating_sub(1) };
        self.ranked = false;
    }

    /// The present count.
    pub fn get(&self, index: u32) -> u32 {
        self.entries.get(&index).map_or(0, |counted| counted.count)
    }

    /// Indexes touched since the last commit, with the counts then and now.
    pub fn touched(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        self.touched.iter().map(|(index, old)| (*index, *old, self.get(*index)))
    }

    /// All counts that are not 0.
    pub fn all(&self) -> impl Iterator<Item = Ranked> {
        self.entries.iter().map(|(index, counted)| (*index, counted.count)).filter(|(_, count)| *count > 0)
    }

    /// The `n` greatest, best first.
    pub(super) fn top(&mut self, n: usize, names: &impl Names) -> &[Ranked] {
        if !self.ranked || !self.top.reaches(n) {
            let entries = &self.entries;
            let now = |index: u32| entries.get(&index).map_or(0, |counted| counted.count);
            let changed = self.touched.iter().map(|(index, _)| (*index, now(*index)));
            self.top.update(changed, entries.iter().map(|(index, counted)| (*index, counted.count)), n, names);
            self.ranked = true;
        }
        let list = self.top.list();
        &list[..n.min(list.len())]
    }

    pub(super) fn commit(&mut self) {
        self.settle(|_| None);
        if !self.ranked {
            self.top.invalidate();
        }
    }

    pub(super) fn undo(&mut self) {
        self.settle(Some);
        self.top.invalidate();
        self.ranked = false;
    }

    /// Ends the time since the last commit; `restored` gives the count to go back to.
    fn settle(&mut self, restored: impl Fn(u32) -> Option<u32>) {
        for (index, old) in self.touched.drain(..) {
            let Entry::Occupied(mut entry) = self.entries.entry(index) else { continue };
            let counted = entry.get_mut();
            counted.touched = false;
            if let Some(count) = restored(old) {
                counted.count = count;
            }
            if counted.count == 0 {
                entry.remove();
            }
        }
        // After a replay at full speed, little is touched by a commit again.
        self.touched.shrink_to(1024);
    }

    /// Restoring: puts a count in its place, unrecorded.
    pub(crate) fn load(&mut self, index: u32, count: u32) {
        if count == 0 {
            self.entries.remove(&index);
        } else {
            self.entries.insert(index, Counted { count, touched: false });
        }
    }
}
