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

/// For the environment variable FAILPOINTS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    Nothing,
    /// Dies at this failpoint.
    Die(&'static str, u64),
    /// Aborts some transactions.
    Abort(u64),
    /// Stops within a transaction, until its session is over and another has its partitions.
    Freeze(u64),
    /// Stays a member, and lets a transaction of [`SHORT`] last until the broker has given it up.
    Outlast(u64),
}

/// The `transaction.timeout.ms` that a plan to outlast it comes with.
const SHORT: &str = "1000";
/// The broker looks for transactions that have timed out every 10 s
/// (`transaction.abort.timed.out.transaction.cleanup.interval.ms`).
const OUTLASTING_MILLIS: u64 = 12_000;

impl Plan {
    /// Each in its turn, so that all are met soon; how soon in a life is random.
    pub(crate) fn next(_: usize, random: &mut Random) -> Self {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        match TURN.fetch_add(1, Ordering::Relaxed) % (FAILPOINTS.len() + 4) {
            at if at < FAILPOINTS.len() => {
                let (name, passes) = FAILPOINTS[at];
                Self::Die(name, random.below(passes))
            }
            at if at == FAILPOINTS.len() => Self::Abort(random.below(6)),
            at if at == FAILPOINTS.len() + 1 => Self::Freeze(random.below(6)),
            at if at == FAILPOINTS.len() + 2 => Self::Outlast(random.below(6)),
            _ => Self::Nothing,
        }
    }

    /// Whether it takes so long, or comes so seldom, that other trouble would mostly come first.
    pub(crate) fn wants_calm(&self) -> bool {
        matches!(self, Self::Freeze(_) | Self::Outlast(_) | Self::Die("assigned" | "revoked" | "settling", _))
    }

    /// The environment that makes it so.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let failpoints = match self {
            Self::Nothing => String::new(),
            Self::Die(name, after) => format!("{name}={after}*off->1*return"),
            Self::Abort(after) => format!("before-offsets={after}*off->2*return(abort)"),
            Self::Freeze(after) => format!("before-offsets={after}*off->1*return(freeze)"),
            Self::Outlast(after) => format!("before-offsets={after}*off->1*sleep({OUTLASTING_MILLIS})"),
        };
        let mut variables = vec![("FAILPOINTS", failpoints)];
        if let Self::Outlast(_) = self {
            variables.push(("LIVEWALL_KAFKA__PROPERTIES__transaction_timeout_ms", SHORT.to_owned()));
        }
        variables
    }
}
