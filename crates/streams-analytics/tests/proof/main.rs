//! Exactly once, against everything that a bad day brings: processes that are killed in every phase, frozen past their
//! session, and made to abort, while two of them share the partitions. What is committed in the end must be what the oracle
//! says, and everything ever committed must have been true of the input that it names.
//!
//! PROOF_SECONDS is how long the fight lasts, PROOF_SEED repeats one. PROOF_KAFKA is the name of a broker of scripts/kafka
//! that may be killed, too; PROOF_LONG=1 requires that every failpoint and every way of an abort was met.
#![allow(clippy::unwrap_used, reason = "tests")]

mod broker;
mod ends;
mod fight;
mod fighter;
mod frozen;
mod input;
mod judge;
#[path = "../meaning/logs.rs"]
#[allow(dead_code, reason = "shared with tests/meaning, which uses more of it")]
mod logs;
mod mutations;
#[path = "../meaning/oracle.rs"]
#[allow(dead_code, reason = "shared with tests/meaning, which uses more of it")]
mod oracle;
mod plan;
mod progress;
#[path = "../meaning/published.rs"]
#[allow(dead_code, reason = "shared with tests/meaning, which uses more of it")]
mod published;
#[path = "../tasks/service.rs"]
#[allow(dead_code, reason = "shared with tests/tasks, which uses more of it")]
mod service;
mod tally;
#[path = "../tasks/truth.rs"]
#[allow(dead_code, reason = "shared with tests/tasks, which uses more of it")]
mod truth;
#[path = "../tasks/wall.rs"]
#[allow(dead_code, reason = "shared with tests/tasks, which uses more of it")]
mod wall;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{broker::Broker, fight::Fight, tally::Tally};

/// The binary that [`service`] starts.
const BINARY: &str = env!("CARGO_BIN_EXE_streams-analytics-in-proof");

/// Entries of a list on the topic, with the default configuration.
const LISTED: usize = 30;

/// Fights of the long form at the same time, on one broker: what one does to it happens to all.
const AT_ONCE: usize = 4;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn whatever_is_killed_frozen_or_aborted_the_results_are_those_of_the_oracle() {
    let (seconds, seed) = (number("PROOF_SECONDS", 40), number("PROOF_SEED", 1));
    let long = number("PROOF_LONG", 0) > 0;
    // Most plans last longer than a short fight.
    let time = Duration::from_secs(if long { 30 } else { 8 });
    let broker = Broker::of_proof();
    let began = Instant::now();
    let (tally, rounds) = (Mutex::new(Tally::default()), AtomicU64::new(0));
    let wrong = Mutex::new(None);
    let missing = |tally: &Tally| if long { tally.missing(broker.is_some()) } else { Vec::new() };
    // How much fits into a time is the machine's to say, so what was never met is waited for.
    let is_late = |now: Instant| now >= began + Duration::from_secs(3 * seconds);
    let goes_on = |until: Instant, is_last: bool| {
        let now = Instant::now();
        now < until || (is_last && !is_late(now) && !missing(&tally.lock().unwrap()).is_empty())
    };
    let fight = |until: Instant, broker: Option<&Broker>, is_last: bool| {
        let least = rounds.load(Ordering::Relaxed) + 2;
        while wrong.lock().unwrap().is_none() && (rounds.load(Ordering::Relaxed) < least || goes_on(until, is_last)) {
            let round = rounds.fetch_add(1, Ordering::Relaxed);
            println!("round {round}, seed {seed}");
            let mut met = Tally::default();
            let mut fight = Fight::new(seed, round, &[], broker.cloned());
            if let Err(found) = fight.go_on_for(time).and_then(|()| fight.balance(&mut met)) {
                *wrong.lock().unwrap() = Some(format!("round {round}, seed {seed}: {found}"));
                return;
            }
            let mut tally = tally.lock().unwrap();
            tally.add(&met);
            // A long fight that fails later has told what it met.
            println!("{tally}");
        }
    };
    // Most of a fight is waiting, for sessions and transactions to end.
    let fights = |until: Instant, broker: Option<&Broker>, is_last: bool| {
        std::thread::scope(|scope| {
            for _ in 0..if long { AT_ONCE } else { 1 } {
                scope.spawn(move || fight(until, broker, is_last));
            }
        });
    };
    let time_of = |part: u32| began + Duration::from_secs(seconds) * part / 3;
    if broker.is_some() {
        fights(time_of(1), None, false);
    }
    fights(time_of(3), broker.as_ref(), true);
    if let Some(wrong) = wrong.into_inner().unwrap() {
        panic!("{wrong}");
    }
    let tally = tally.into_inner().unwrap();
    let never = missing(&tally);
    assert!(never.is_empty(), "never met: {}; a longer time or another seed is needed", never.join(", "));
}
