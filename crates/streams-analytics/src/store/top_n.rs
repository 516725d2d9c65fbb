//! The best of many counts, kept up while they change.

use std::cmp::Ordering;

/// How many more than asked for are kept, so that some may leave before all counts have to be gone through again.
const SPARE: usize = 2;

/// An entry and its count.
pub type Ranked = (u32, u32);

/// The entries with the greatest counts: higher count first, then by name.
///
/// Keeps somewhat more than is asked for, and of the rest only that none of it stands before `floor`. So a change costs a
/// look at the list, and the rest is gone through only where many of the list have fallen behind that floor.
#[derive(Debug, Default)]
pub(super) struct TopN {
    /// Best first. Meaningless unless `valid`.
    list: Vec<Ranked>,
    /// What is not in the list stands behind this, or is this. `None`: all are in the list.
    floor: Option<Ranked>,
    valid: bool,
}

/// By what entries are told apart where their counts are equal.
pub(super) trait Names {
    fn name(&self, index: u32) -> &[u8];
}

fn order(a: Ranked, b: Ranked, names: &impl Names) -> Ordering {
    b.1.cmp(&a.1).then_with(|| names.name(a.0).cmp(names.name(b.0)))
}

impl TopN {
    /// Forgets the list: the counts have changed in ways that it was not told.
    pub(super) fn invalidate(&mut self) {
        self.valid = false;
    }

    /// Takes the present counts of entries that have changed, then makes sure of the best `n`. `all` are all counts.
    pub(super) fn update(
        &mut self,
        changed: impl Iterator<Item = Ranked>,
        all: impl Iterator<Item = Ranked>,
        n: usize,
        names: &impl Names,
    ) {
        if self.valid {
            for entry in changed {
                self.take(entry, names);
            }
            if self.list.len() > 2 * SPARE * n {
                self.cut(SPARE * n);
            }
        }
        if !self.reaches(n) {
            self.rebuild(all, n, names);
        }
    }

    /// The best, in order, after [`Self::update`].
    pub(super) fn list(&self) -> &[Ranked] {
        &self.list
    }

    /// Whether the best `n` are known.
    pub(super) fn reaches(&self, n: usize) -> bool {
        self.valid && (self.list.len() >= n || self.floor.is_none())
    }

    fn take(&mut self, entry: Ranked, names: &impl Names) {
        if let Some(at) = self.list.iter().position(|(index, _)| *index == entry.0) {
            self.list.remove(at);
        }
        let behind = self.floor.is_some_and(|floor| order(entry, floor, names) == Ordering::Greater);
        if entry.1 > 0 && !behind {
            let at = self.list.partition_point(|other| order(*other, entry, names) == Ordering::Less);
            self.list.insert(at, entry);
        }
    }

    fn cut(&mut self, keep: usize) {
        if self.list.len() > keep {
            self.list.truncate(keep);
            self.floor = self.list.last().copied();
        }
    }

    fn rebuild(&mut self, all: impl Iterator<Item = Ranked>, n: usize, names: &impl Names) {
        self.list.clear();
        self.list.extend(all.filter(|(_, count)| *count > 0));
        self.floor = None;
        let keep = SPARE * n;
        if self.list.len() > keep && keep > 0 {
            self.list.select_nth_unstable_by(keep - 1, |a, b| order(*a, *b, names));
            self.list.truncate(keep);
            self.list.sort_unstable_by(|a, b| order(*a, *b, names));
            self.floor = self.list.last().copied();
        } else {
            self.list.sort_unstable_by(|a, b| order(*a, *b, names));
        }
        self.list.shrink_to(2 * keep);
        self.valid = true;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    struct Letters(Vec<Vec<u8>>);

    impl Names for Letters {
        fn name(&self, index: u32) -> &[u8] {
            &self.0[index as usize]
        }
    }

    proptest! {
        #[test]
        fn the_list_is_always_that_of_sorting_everything(
            rounds in prop::collection::vec(prop::collection::vec((0_u32..40, 0_u32..6), 0..12), 0..60),
            n in 1_usize..5,
        ) {
            // Names in another order than indexes.
            let names = Letters((0..40_u32).map(|index| (index * 7 % 40).to_string().into_bytes()).collect());
            let mut top = TopN::default();
            let mut counts = BTreeMap::<u32, u32>::new();
            for round in rounds {
                counts.extend(round.iter().copied());
                let changed: Vec<Ranked> = round.iter().map(|(index, _)| (*index, counts[index])).collect();
                top.update(changed.into_iter(), counts.iter().map(|(index, count)| (*index, *count)), n, &names);
                let mut expected: Vec<Ranked> = counts.iter().map(|(i, c)| (*i, *c)).filter(|(_, c)| *c > 0).collect();
                expected.sort_by(|a, b| b.1.cmp(&a.1).then(names.name(a.0).cmp(names.name(b.0))));
                expected.truncate(n);
                prop_assert_eq!(&top.list()[..n.min(top.list().len())], &expected[..]);
            }
        }
    }
}
