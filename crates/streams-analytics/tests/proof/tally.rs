//! How often everything has happened.

use std::{collections::BTreeMap, fmt};

use crate::plan::{FAILPOINTS, WITHIN};

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

/// Of a process that wakes before its client has learnt what it has lost, which nothing here can bring about for sure.
const SELDOM: &str = "the group refused a member of the past";

/// Reasons, by words of them. Each but [`SELDOM`] must be met; there may be others.
const REASONS: [(&str, &[&str]); 4] = [
    ("the assignment was lost in a transaction", &["the group's assignment was lost"]),
    (SELDOM, &["generation", "Unknown member", "UnknownMember", "FencedInstanceId", "Static consumer fenced", "stale"]),
    ("records were not delivered in time", &["Message timed out"]),
    ("the coordinator has given a transaction up", &["fenced", "Fenced", "fences", "epoch", "Epoch"]),
];

/// What only happens with a broker that may be killed.
const OF_BROKER: [&str; 3] =
    ["broker killed", "records were not delivered in time", "broker killed within a transaction"];

impl Tally {
    pub(crate) fn note(&mut self, what: &str, times: u64) {
        *self.0.entry(what.to_owned()).or_default() += times;
    }

    /// Everything that a process has said in its life.
    pub(crate) fn heard(&mut self, log: &str) {
        for (what, words) in SAID {
            self.note(what, log.lines().filter(|line| words.iter().all(|words| line.contains(words))).count() as u64);
        }
        for name in WITHIN {
            let says = format!("failpoint: aborts at {name}");
            let times = log.lines().filter(|line| *line == says).count() as u64;
            self.note(&aborted_at(name), times);
        }
        for (what, words) in ABORTED {
            for said in log.split(words).skip(1) {
                let reason = said.split(['"', '\n']).next().unwrap_or_default();
                self.note(&format!("{what}: {}", reason.chars().take(90).collect::<String>()), 1);
                if let Some((name, _)) =
                    REASONS.iter().find(|(_, words)| words.iter().any(|word| reason.contains(word)))
                {
                    self.note(name, 1);
                }
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, times)| self.note(what, *times));
    }

    /// What was never met.
    pub(crate) fn missing(&self, has_broker: bool) -> Vec<String> {
        let deaths = FAILPOINTS.iter().map(|(name, _)| died_at(name));
        let within = WITHIN.iter().flat_map(|name| [aborted_at(name), replaced_at(name)]);
        let said = SAID.iter().map(|(what, _)| (*what).to_owned());
        let reasons = REASONS.iter().map(|(name, _)| (*name).to_owned()).filter(|name| name != SELDOM);
        let others = [
            "killed",
            "frozen at any time",
            "superseded by a process with its instance id",
            "a transaction outlasted its timeout",
            "broker killed",
            "broker killed within a transaction",
        ];
        let all = deaths.chain(within).chain(said).chain(reasons).chain(others.map(str::to_owned));
        all.filter(|what| self.0.get(what).is_none_or(|times| *times == 0))
            .filter(|what| has_broker || !OF_BROKER.contains(&what.as_str()))
            .collect()
    }
}

pub(crate) fn died_at(name: &str) -> String {
    format!("died at {name}")
}

fn aborted_at(name: &str) -> String {
    format!("aborted at {name}")
}

pub(crate) fn replaced_at(name: &str) -> String {
    format!("frozen at {name} until replaced")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "{times:8}  {what}"))
    }
}
