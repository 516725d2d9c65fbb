//! The pure core against a brute-force oracle that was written from the meaning alone.
#![allow(clippy::unwrap_used, reason = "tests")]

mod logs;
mod oracle;
mod published;
mod run;

use proptest::prelude::*;

use crate::{logs::Log, run::Step};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn results_are_those_of_the_oracle(log in logs::any_log()) {
        prop_assert_eq!(run::straight_through(&log), oracle::answer(&log.lines, run::LISTED));
    }

    #[test]
    fn results_do_not_depend_on_how_the_two_topics_interleave(log in logs::any_log(), seed: u64) {
        let other = Log { lines: logs::interleaved_anew(&log.lines, seed) };
        prop_assert_eq!(run::straight_through(&other), run::straight_through(&log));
    }

    #[test]
    fn commits_aborts_and_restarts_change_no_result(log in logs::any_log(), steps in run::any_steps()) {
        prop_assert_eq!(run::in_steps(&log, &steps), oracle::answer(&log.lines, run::LISTED));
    }
}

#[test]
fn a_state_of_many_shards_and_records_survives_every_restart() {
    let log = logs::large_log(20_000);
    let steps: Vec<Step> = (0..40)
        .flat_map(|_| [Step::Process(700), Step::Abort, Step::Process(700), Step::Commit, Step::Restart, Step::Cut])
        .collect();
    assert_eq!(run::in_steps(&log, &steps), oracle::answer(&log.lines, run::LISTED));
}
