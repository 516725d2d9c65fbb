//! Where a build with feature `proof` can be made to fail, and be made wrong: `scripts/prove-analytics` kills it in every
//! phase, and checks that it would notice each mutation. In every other build all of this is nothing.

use kafka_client::transaction::TransactionError;

/// A place at which the environment variable FAILPOINTS (crate `fail`) may end the process as SIGKILL does (`return`),
/// stop it as SIGSTOP does (`return(freeze)`), have a transaction aborted (`return(abort)`), or hold it up (`sleep(ms)`).
/// All but the last say so first, as nobody else does, on standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Failpoint {
    /// A transaction has begun.
    BeforeProduce,
    /// A task has sent its records.
    AmidProduce,
    /// All records are delivered.
    BeforeOffsets,
    /// The offsets are part of the transaction.
    BeforeCommit,
    /// The broker has committed, the process has not noted it.
    AfterCommit,
    /// A record was read back.
    Restoring,
    /// The group has given partitions.
    Assigned,
    /// The group takes partitions.
    Revoked,
    /// Earlier transactions are about to be ended.
    Settling,
}

/// A way to be wrong, chosen by the environment variable LIVEWALL_PROOF_MUTATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// What was aborted stays in the state as if it had been committed.
    NoUndo,
    /// Offsets are committed without saying as which member.
    NoFencing,
    /// Reading the state back goes on behind restoreTo, into what was not committed.
    PastRestoreTo,
    /// One slice is left out, which no later one of the same shards makes up for.
    SkippedSlice,
    /// Packs are applied again, after the next one.
    PackTwice,
}

#[cfg(feature = "proof")]
mod armed {
    use std::{io::Write as _, sync::LazyLock};

    use kafka_client::{KafkaError, transaction::TransactionError};
    use rustix::process::{Signal, getpid, kill_process};

    use super::{Failpoint, Mutation};

    fn name(failpoint: Failpoint) -> &'static str {
        match failpoint {
            Failpoint::BeforeProduce => "before-produce",
            Failpoint::AmidProduce => "amid-produce",
            Failpoint::BeforeOffsets => "before-offsets",
            Failpoint::BeforeCommit => "before-commit",
            Failpoint::AfterCommit => "after-commit",
            Failpoint::Restoring => "restoring",
            Failpoint::Assigned => "assigned",
            Failpoint::Revoked => "revoked",
            Failpoint::Settling => "settling",
        }
    }

    pub(crate) fn reach(failpoint: Failpoint) -> Result<(), TransactionError> {
        fail::fail_point!(name(failpoint), |what: Option<String>| {
            match what.as_deref() {
                Some("abort") => {
                    say("aborts", failpoint);
                    return Err(TransactionError::Abort(KafkaError::new("a failpoint")));
                }
                Some("freeze") => {
                    say("freezes", failpoint);
                    signal(Signal::STOP);
                }
                _ => {
                    say("dies", failpoint);
                    signal(Signal::KILL);
                }
            }
            Ok(())
        });
        Ok(())
    }

    fn say(does: &str, failpoint: Failpoint) {
        let _ = writeln!(std::io::stderr(), "failpoint: {does} at {}", name(failpoint));
    }

    fn signal(signal: Signal) {
        let _ = kill_process(getpid(), signal);
    }

    pub(crate) fn is(mutation: Mutation) -> bool {
        static CHOSEN: LazyLock<String> =
            LazyLock::new(|| std::env::var("LIVEWALL_PROOF_MUTATION").unwrap_or_default());
        let name = match mutation {
            Mutation::NoUndo => "no-undo",
            Mutation::NoFencing => "no-fencing",
            Mutation::PastRestoreTo => "past-restore-to",
            Mutation::SkippedSlice => "skipped-slice",
            Mutation::PackTwice => "pack-twice",
        };
        *CHOSEN == name
    }
}

#[cfg(not(feature = "proof"))]
mod armed {
    use kafka_client::transaction::TransactionError;

    use super::{Failpoint, Mutation};

    #[allow(clippy::unnecessary_wraps, reason = "it can fail in the other build")]
    pub(crate) fn reach(_: Failpoint) -> Result<(), TransactionError> {
        Ok(())
    }

    pub(crate) fn is(_: Mutation) -> bool {
        false
    }
}

/// In a transaction.
pub(crate) fn reach(failpoint: Failpoint) -> Result<(), TransactionError> {
    armed::reach(failpoint)
}

/// Outside of one, where there is nothing to abort.
pub(crate) fn pass(failpoint: Failpoint) {
    drop(armed::reach(failpoint));
}

/// Whether to be wrong in this way.
pub(crate) fn is(mutation: Mutation) -> bool {
    armed::is(mutation)
}
