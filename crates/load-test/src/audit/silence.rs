//! How long viewers were without new data, and after which fault.

use std::{collections::BTreeMap, time::Instant};

use crate::audit::{account::Silence, fault::Kind};

/// From when to when there was a fault.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) kind: Kind,
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

/// The longest silence by kind. `viewers` has, for each, when posts came, up to the end of what is looked at; `faults` are
/// in order.
///
/// A silence belongs to the fault that was there when it began, or else to the first that began in it, or else to the last
/// one before it.
pub(super) fn longest(viewers: &[Vec<Instant>], faults: &[Span]) -> Vec<Silence> {
    let mut found: BTreeMap<Kind, (u64, f64)> = BTreeMap::new();
    for fault in faults {
        found.entry(fault.kind).or_default().0 += 1;
    }
    for times in viewers {
        for pair in times.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let there = faults.iter().find(|fault| (fault.began..fault.ended).contains(&from));
            let within = || faults.iter().find(|fault| (from..to).contains(&fault.began));
            let before = || faults.iter().rfind(|fault| fault.began < from);
            let Some(fault) = there.or_else(within).or_else(before) else { continue };
            let longest = &mut found.entry(fault.kind).or_default().1;
            *longest = longest.max((to - from).as_secs_f64());
        }
    }
    found.into_iter().map(|(kind, (faults, longest))| Silence { after: kind.name(), faults, longest }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_silence_belongs_to_the_fault_in_which_it_began_or_else_to_the_first_in_it_or_else_to_the_last_before() {
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        let span = |kind, from, to| Span { kind, began: at(from), ended: at(to) };
        let faults = [
            span(Kind::BrokerKilled, 2, 4),
            span(Kind::KafkaCut, 5, 6),
            span(Kind::BrokerKilled, 20, 30),
            span(Kind::ClockJumps, 31, 32),
        ];
        let viewers = [vec![at(0), at(1), at(11), at(12), at(15)], vec![at(3), at(4), at(21), at(35), at(36)]];
        let found: Vec<_> = longest(&viewers, &faults).into_iter().map(|s| (s.after, s.faults, s.longest)).collect();
        let expected = [(Kind::BrokerKilled, 2, 14.0), (Kind::KafkaCut, 1, 17.0), (Kind::ClockJumps, 1, 1.0)];
        assert_eq!(found, expected.map(|(kind, faults, longest)| (kind.name(), faults, longest)));
    }
}
