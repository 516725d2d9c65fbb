//! The proof, proved: a service that is wrong in one of these ways does not pass.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::{
    fight::{Choose, Fight},
    number,
    plan::{Plan, Random},
    tally::Tally,
};

/// Rounds until a mutation must have been noticed. Each would do nearly always.
const ROUNDS: u64 = 4;

/// Fights of a service with this mutation must fail, and one of a service without it must not.
fn expect_caught(mutation: &str, variables: &[(&'static str, &str)], time: Duration, choose: Choose) {
    let seed = number("PROOF_SEED", 1);
    let fight = |round, mutation: &str, patience| {
        let variables: Vec<_> = [("LIVEWALL_PROOF_MUTATION", mutation)]
            .iter()
            .chain(variables)
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let mut fight = Fight::new(Random::new(seed, round), &variables).planned_by(choose);
        fight.go_on_for(time);
        fight.balance(patience, &mut Tally::default());
    };
    fight(0, "", Duration::from_mins(1));
    let caught = (0..ROUNDS)
        .find(|round| catch_unwind(AssertUnwindSafe(|| fight(*round, mutation, Duration::from_secs(20)))).is_err());
    println!("{mutation} was caught in round {caught:?}");
    assert!(caught.is_some(), "{mutation} was not noticed");
}

#[test]
fn a_service_that_takes_nothing_back_after_an_abort_is_caught() {
    expect_caught("no-undo", &[], Duration::from_secs(5), |_, random| Plan::Abort(random.below(10)));
}

#[test]
fn a_service_that_does_not_say_as_which_member_it_commits_is_caught() {
    // Longer than anybody is frozen, so that the broker does not take the transaction back.
    let patient = ("LIVEWALL_KAFKA__PROPERTIES__transaction_timeout_ms", "60000");
    expect_caught("no-fencing", &[patient], Duration::from_secs(5), |at, random| match at {
        0 => Plan::Freeze(random.below(10)),
        // Takes the other's partitions.
        _ => Plan::Nothing,
    });
}

#[test]
fn a_service_that_reads_state_that_was_not_committed_is_caught() {
    expect_caught("past-restore-to", &[], Duration::from_secs(6), |_, random| {
        Plan::Die("before-commit", random.below(20))
    });
}

#[test]
fn a_service_that_leaves_out_slices_is_caught() {
    expect_caught("skipped-slice", &[], Duration::from_secs(6), |_, random| {
        Plan::Die("after-commit", random.below(40))
    });
}

#[test]
fn a_service_that_applies_a_pack_again_is_caught() {
    expect_caught("pack-twice", &[], Duration::from_secs(6), |_, random| Plan::Die("after-commit", random.below(40)));
}
