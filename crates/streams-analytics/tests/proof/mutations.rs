//! The proof, proved: a service that is wrong in one of these ways does not pass.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::{
    fight::{Choose, Fight},
    judge::Wrong,
    number,
    plan::Plan,
    tally::Tally,
};

/// Rounds until a mutation must have been noticed. Each would do nearly always.
const ROUNDS: u64 = 4;

/// Fights of a service with this mutation must come to a wrong result or state, and one of a service without it must not.
/// One that only takes too long, or ends for another reason, has shown nothing.
fn expect_caught(mutation: &str, variables: &[(&'static str, &str)], time: Duration, choose: Choose) {
    let seed = number("PROOF_SEED", 1);
    let fight = |round, mutation: &str| -> Result<(), Wrong> {
        let variables: Vec<_> = [("LIVEWALL_PROOF_MUTATION", mutation)]
            .iter()
            .chain(variables)
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let mut fight = Fight::new(seed, round, &variables, None).planned_by(choose);
        fight.go_on_for(time)?;
        fight.balance(&mut Tally::default())
    };
    if let Err(wrong) = fight(0, "") {
        panic!("without {mutation}: {wrong}");
    }
    let caught = (0..ROUNDS).find_map(|round| match catch_unwind(AssertUnwindSafe(|| fight(round, mutation))) {
        Ok(Err(wrong)) => Some((round, wrong)),
        Ok(Ok(())) | Err(_) => None,
    });
    let Some((round, wrong)) = caught else { panic!("{mutation} was not noticed") };
    println!("{mutation} was caught in round {round}: {}", wrong.to_string().chars().take(400).collect::<String>());
}

#[test]
fn a_service_that_takes_nothing_back_after_an_abort_is_caught() {
    expect_caught("no-undo", &[], Duration::from_secs(5), |_, random, _| {
        Plan::Abort(("before-offsets", random.below(10)))
    });
}

#[test]
fn a_service_that_does_not_say_as_which_member_it_commits_is_caught() {
    // Longer than anybody is frozen, so that the broker does not take the transaction back.
    let patient = ("LIVEWALL_KAFKA__PROPERTIES__transaction_timeout_ms", "60000");
    expect_caught("no-fencing", &[patient], Duration::from_secs(5), |at, random, _| match at {
        0 => Plan::Freeze(("before-offsets", random.below(10))),
        // Takes the other's partitions.
        _ => Plan::Nothing,
    });
}

#[test]
fn a_service_that_reads_state_that_was_not_committed_is_caught() {
    expect_caught("past-restore-to", &[], Duration::from_secs(6), |_, random, _| {
        Plan::Die(("before-commit", random.below(20)))
    });
}

#[test]
fn a_service_that_leaves_out_a_slice_is_caught() {
    expect_caught("skipped-slice", &[], Duration::from_secs(6), |_, random, _| {
        Plan::Die(("after-commit", random.below(40)))
    });
}

#[test]
fn a_service_that_applies_a_pack_again_is_caught() {
    expect_caught("pack-twice", &[], Duration::from_secs(6), |_, random, _| {
        Plan::Die(("after-commit", random.below(40)))
    });
}
