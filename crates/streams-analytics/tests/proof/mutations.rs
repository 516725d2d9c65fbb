//! The proof, proved: a service that is wrong in one of these ways does not pass.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::{
    fight::Fight,
    number,
    plan::{Plan, Random},
    tally::Tally,
};

/// Rounds until a mutation must have been noticed.
const ROUNDS: u64 = 6;

/// Whether fights of a service with this mutation fail.
fn is_caught(mutation: &str, time: Duration, choose: fn(&mut Random) -> Plan) -> bool {
    let seed = number("PROOF_SEED", 1);
    (0..ROUNDS).any(|round| {
        let variables = [("LIVEWALL_PROOF_MUTATION", mutation.to_owned())];
        let mut fight = Fight::new(Random::new(seed, round), &variables).planned_by(choose);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            fight.go_on_for(time);
            fight.balance(Duration::from_secs(20), &mut Tally::default());
        }));
        if caught.is_err() {
            println!("{mutation} was caught in round {round}");
        }
        caught.is_err()
    })
}

#[test]
fn a_service_that_takes_nothing_back_after_an_abort_is_caught() {
    assert!(is_caught("no-undo", Duration::from_secs(5), |random| Plan::Abort(random.below(10))));
}

#[test]
fn a_service_that_does_not_say_as_which_member_it_commits_is_caught() {
    assert!(is_caught("no-fencing", Duration::from_secs(14), |random| Plan::Freeze(random.below(10))));
}

#[test]
fn a_service_that_reads_state_that_was_not_committed_is_caught() {
    assert!(is_caught("past-restore-to", Duration::from_secs(6), |random| Plan::Die(
        "before-commit",
        random.below(20)
    )));
}

#[test]
fn a_service_that_leaves_out_slices_is_caught() {
    assert!(is_caught("skipped-slice", Duration::from_secs(6), |random| Plan::Die("after-commit", random.below(40))));
}

#[test]
fn a_service_that_applies_a_pack_again_is_caught() {
    assert!(is_caught("pack-twice", Duration::from_secs(6), |random| Plan::Die("after-commit", random.below(40))));
}
