//! The pure core against a brute-force oracle that was written from the meaning alone.
#![allow(clippy::unwrap_used, reason = "tests")]

mod by_hand;
mod logs;
mod oracle;
mod published;
mod run;

use std::collections::BTreeMap;

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use crate::{
    logs::Log,
    oracle::{Answer, Totals},
    run::{LISTED, Step},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn results_are_those_of_the_oracle(log in logs::any_log()) {
        prop_assert_eq!(run::straight_through(&log), oracle::answer(&log.setting, &log.lines, LISTED));
    }

    #[test]
    fn results_do_not_depend_on_how_the_two_topics_interleave(log in logs::any_log(), seed: u64) {
        let other = Log { lines: logs::interleaved_anew(&log.lines, seed), ..log.clone() };
        prop_assert_eq!(run::straight_through(&other), run::straight_through(&log));
    }

    #[test]
    fn after_every_commit_whatever_was_aborted_and_restarted_results_are_those_of_the_oracle(
        log in logs::any_log(),
        steps in run::any_steps(),
    ) {
        for commit in run::in_steps(&log, &steps) {
            let truth = oracle::answer(&log.setting, &log.lines[..commit.taken], LISTED);
            prop_assert_eq!(commit.published, truth, "after {} records", commit.taken);
        }
    }
}

#[test]
fn a_state_of_many_shards_and_records_survives_every_restart() {
    let log = logs::large_log(20_000);
    let steps: Vec<Step> = (0..40)
        .flat_map(|_| [Step::Process(700), Step::Abort, Step::Process(700), Step::Commit, Step::Restart, Step::Cut])
        .collect();
    let last = run::in_steps(&log, &steps).pop().unwrap();
    assert_eq!(last.published, oracle::answer(&log.setting, &log.lines, LISTED));
}

#[test]
fn more_conferences_than_there_are_shards_survive_every_restart() {
    let log = logs::log_of(9_000, 2_500);
    let steps =
        [Step::Process(300), Step::Abort, Step::Process(600), Step::Commit, Step::Restart, Step::Cut].repeat(15);
    let last = run::in_steps(&log, &steps).pop().unwrap();
    let expected = oracle::answer(&log.setting, &log.lines, LISTED);
    assert!(expected.len() > 2 * 1024, "two in many a shard");
    assert_eq!(last.published, expected);
}

#[test]
fn the_changelog_can_be_cut_though_no_life_lasts_for_a_round() {
    let log = logs::large_log(3_000);
    // Some hundred bytes of slices in each, of a state of some ten thousand.
    let steps = [Step::Process(3), Step::Commit, Step::Restart].repeat(600);
    assert!(run::needed_from(&log, &steps) > 0);
}

/// Without this, a change of the logs could make the properties true of nothing.
#[test]
fn the_random_logs_meet_every_case_often() {
    let mut runner = TestRunner::deterministic();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..300 {
        let log = logs::any_log().new_tree(&mut runner).unwrap().current();
        let answer = oracle::answer(&log.setting, &log.lines, LISTED);
        for (case, is_met) in cases(&answer) {
            *met.entry(case).or_default() += usize::from(is_met);
        }
    }
    assert!(met.values().all(|times| *times >= 30), "of 300 logs: {met:#?}");
}

fn cases(answer: &Answer) -> [(&'static str, bool); 17] {
    let totals = |is_met: fn(&Totals) -> bool| answer.values().any(is_met);
    let window = |is_met: fn(&oracle::Window) -> bool| answer.values().flat_map(|t| t.windows.values()).any(is_met);
    let tie = |list: &oracle::Ranked| list.windows(2).any(|pair| pair[0].1 == pair[1].1);
    [
        ("two conferences", answer.len() > 1),
        ("many conferences", answer.len() > 8),
        ("a like too late for a window", totals(|t| t.late.keys().any(|size| size != "closed"))),
        ("a like taken back after its window's close", totals(|t| !t.after_close.is_empty())),
        ("a tweet that takes no likes any more", totals(|t| t.late.contains_key("closed"))),
        ("minutes behind the last hour", totals(|t| span(t) > 3_600_000)),
        ("a minute with posts and likes", totals(|t| t.per_minute.iter().any(|minute| minute.1 > 0 && minute.2 > 0))),
        ("a newest window with likes", totals(|t| t.newest.values().any(|newest| !newest.top.is_empty()))),
        ("a newest window without likes", totals(|t| t.newest.values().any(|newest| newest.top.is_empty()))),
        ("a full list of all time", totals(|t| t.counts.len() > LISTED)),
        ("a tie", answer.values().any(|t| tie(&t.top))),
        ("a full list of hashtags", totals(|t| t.hashtags.len() == LISTED)),
        (
            "a full list of a window, with a tie",
            answer.values().flat_map(|t| t.windows.values()).any(|w| w.top.len() == LISTED && tie(&w.top)),
        ),
        ("a window of likes alone that were taken back", window(|w| w.likes == 0 && w.tweets == 0)),
        ("a window over", window(|w| w.likes_final && w.tweets_final && w.likes > 0 && w.tweets > 0)),
        ("a window over for likes alone", window(|w| w.likes_final && !w.tweets_final)),
        ("a window over for tweets alone", window(|w| !w.likes_final && w.tweets_final)),
    ]
}

/// From the first window's start to the last one's end.
fn span(totals: &Totals) -> i64 {
    let first = totals.windows.keys().map(|(_, start)| *start).min();
    let last = totals.windows.values().map(|window| window.end).max();
    last.zip(first).map_or(0, |(last, first)| last - first)
}
