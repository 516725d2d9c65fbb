//! What shall happen to a process.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Xorshift: a seed and a round give the same plans again.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, round: u64) -> Self {
        let mut random = Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(2 * round + 1) | 1);
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// Every failpoint, with how often it may be passed first: some are passed once in a life, some at every commit.
pub(crate) const FAILPOINTS: [(&str, u64); 9] = [
    ("before-produce", 12),
    ("amid-produce", 25),
    ("before-offsets", 12),
    ("before-commit", 12),
    ("after-commit", 12),
    ("restoring", 8),
    ("assigned", 1),
    ("revoked", 1),
    ("settling", 2),
];

/// Those of them within a transaction, in which it can be aborted.
pub(crate) const WITHIN: [&str; 4] = ["before-produce", "amid-produce", "before-offsets", "before-commit"];

/// A place within a transaction, after it was passed so often.
pub(crate) type Place = (&'static str, u64);

/// For the environment variable FAILPOINTS, and what is done to a process that has stopped there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    Nothing,
    /// Dies at this failpoint.
    Die(Place),
    /// Aborts some transactions.
    Abort(Place),
    /// Stops within a transaction, until its session is over and another has its partitions.
    Freeze(Place),
    /// Stops within a transaction, until another process has its instance id.
    Supersede(Place),
    /// Stops within a transaction, in which the broker is killed.
    Interrupt(Place),
    /// Stops within a transaction, and goes on while the broker is silent for longer than a record may be on its way.
    Stall(u64),
    /// Stays a member, and lets a transaction of [`SHORT`] last until the broker has given it up.
    Outlast(u64),
    /// Is busy within a transaction until the group takes it for dead.
    Dawdle(u64),
}

/// The `transaction.timeout.ms` that a plan to outlast it comes with, and so the longest that records are on their way.
const SHORT: &str = "1000";
/// The broker looks for transactions that have timed out every 10 s
/// (`transaction.abort.timed.out.transaction.cleanup.interval.ms`).
const OUTLASTING_MILLIS: u64 = 12_000;
/// The least that librdkafka allows with the session of [`crate::service::Service`].
const MOST_BETWEEN_POLLS: &str = "6000";
const DAWDLING_MILLIS: u64 = 8_000;
/// Longer than whatever else happens meanwhile.
const LONG: &str = "60000";

const TRANSACTION: &str = "LIVEWALL_KAFKA__PROPERTIES__transaction_timeout_ms";

/// Turns of plans that are no deaths.
const OTHERS: usize = 11;

/// What there is to plan with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Means {
    /// Instance ids.
    pub(crate) is_static: bool,
    pub(crate) is_cooperative: bool,
    /// Whether the broker may be killed.
    pub(crate) has_broker: bool,
}

impl Plan {
    /// Each in its turn, so that all are met soon; how soon in a life is random.
    pub(crate) fn next(random: &mut Random, means: Means) -> Self {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let turns = FAILPOINTS.len() + OTHERS;
        if let Some((name, passes)) = FAILPOINTS.get(turn % turns) {
            return Self::Die((name, random.below(*passes)));
        }
        // Twice in a cycle, or once: other places in the next one.
        let cycle = turn / turns;
        let mut within = |at: usize| (WITHIN[at % WITHIN.len()], random.below(6));
        let plan = match turn % turns - FAILPOINTS.len() {
            0 => Self::Freeze(within(2 * cycle)),
            1 => Self::Supersede(within(cycle)),
            2 => Self::Interrupt(within(2 * cycle)),
            3 => Self::Abort(within(2 * cycle)),
            4 => Self::Outlast(within(0).1),
            5 => Self::Freeze(within(2 * cycle + 1)),
            6 => Self::Stall(within(0).1),
            7 => Self::Interrupt(within(2 * cycle + 1)),
            8 => Self::Abort(within(2 * cycle + 1)),
            9 => Self::Dawdle(within(0).1),
            _ => Self::Nothing,
        };
        if plan.is_possible(means) { plan } else { Self::Abort(within(cycle)) }
    }

    fn is_possible(&self, means: Means) -> bool {
        match self {
            Self::Supersede(_) => means.is_static,
            Self::Interrupt(_) | Self::Stall(_) => means.has_broker,
            // Of cooperative members the broker says how long they may be silent.
            Self::Dawdle(_) => !means.is_cooperative,
            _ => true,
        }
    }

    /// Whether it takes so long, or comes so seldom, that other trouble would mostly come first.
    pub(crate) fn wants_calm(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Abort(_) | Self::Die(_))
            || matches!(self, Self::Die(("assigned" | "revoked" | "settling", _)))
    }

    /// The environment that makes it so.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let failpoints = match self {
            Self::Nothing => String::new(),
            Self::Die((name, after)) => format!("{name}={after}*off->1*return"),
            Self::Abort((name, after)) => format!("{name}={after}*off->2*return(abort)"),
            Self::Freeze((name, after)) | Self::Supersede((name, after)) | Self::Interrupt((name, after)) => {
                format!("{name}={after}*off->1*return(freeze)")
            }
            Self::Stall(after) => format!("before-produce={after}*off->1*return(freeze)"),
            Self::Outlast(after) => format!("before-offsets={after}*off->1*sleep({OUTLASTING_MILLIS})"),
            Self::Dawdle(after) => format!("before-offsets={after}*off->1*sleep({DAWDLING_MILLIS})"),
        };
        let mut variables = vec![("FAILPOINTS", failpoints)];
        match self {
            Self::Outlast(_) | Self::Stall(_) => variables.push((TRANSACTION, SHORT.to_owned())),
            Self::Supersede(_) => variables.push((TRANSACTION, LONG.to_owned())),
            Self::Dawdle(_) => variables.extend([
                (TRANSACTION, LONG.to_owned()),
                ("LIVEWALL_KAFKA__PROPERTIES__max_poll_interval_ms", MOST_BETWEEN_POLLS.to_owned()),
            ]),
            _ => {}
        }
        variables
    }
}
