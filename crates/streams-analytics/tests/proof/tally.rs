//! How often everything has happened.

use std::{collections::BTreeMap, fmt};

use crate::plan::{FAILPOINTS, Plan};

#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, u64>);

/// What a process says, by words of a line.
const SAID: [(&str, [&str; 2]); 3] = [
    ("revoked, and another's already", ["\"revoked\"", "\"lost\":true"]),
    ("earlier transactions settled", ["earlier transactions are settled", ""]),
    ("state read back", ["\"restored\"", ""]),
];

/// What it says when its producer is lost.
pub(crate) const MADE_ANEW: &str = "must be made anew: kafka: ";

/// What it says before the reason for which a transaction ended early.
const ABORTED: [(&str, &str); 2] = [("aborted", "transaction aborted: kafka: "), ("producer made anew", MADE_ANEW)];

impl Tally {
    pub(crate) fn note(&mut self, what: &str, times: u64) {
        *self.0.entry(what.to_owned()).or_default() += times;
    }

    pub(crate) fn ended(&mut self, plan: &Plan, by_itself: bool, log: &str) {
        match plan {
            Plan::Die(name, _) if by_itself => self.note(&format!("died at {name}"), 1),
            Plan::Outlast(_) if log.contains(MADE_ANEW) => self.note("a transaction outlasted its timeout", 1),
            _ if by_itself => self.note("ended by itself", 1),
            _ => {}
        }
        for (what, words) in SAID {
            self.note(what, log.lines().filter(|line| words.iter().all(|words| line.contains(words))).count() as u64);
        }
        for (what, words) in ABORTED {
            for said in log.split(words).skip(1) {
                let reason = said.split(['"', '\n']).next().unwrap_or_default();
                self.note(&format!("{what}: {}", reason.chars().take(90).collect::<String>()), 1);
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, times)| self.note(what, *times));
    }

    /// Fails where something was never met.
    pub(crate) fn require_all(&self) {
        let deaths = FAILPOINTS.iter().map(|(name, _)| format!("died at {name}"));
        let said = SAID.iter().map(|(what, _)| (*what).to_owned());
        let others = [
            "killed",
            "frozen until replaced",
            "frozen at any time",
            "a transaction outlasted its timeout",
            "broker killed",
        ]
        .map(str::to_owned);
        let all = deaths.chain(said).chain(others);
        let aborts = ABORTED.iter().map(|(what, _)| format!("{what}: "));
        let met = |what: &str| self.0.iter().any(|(met, times)| met.starts_with(what) && *times > 0);
        let never: Vec<String> = all.chain(aborts).filter(|what| !met(what)).collect();
        assert!(never.is_empty(), "never met: {}; a longer time or another seed is needed", never.join(", "));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "{times:8}  {what}"))
    }
}
