//! What goes wrong, and when: drawn from a seed.

use std::{fmt, time::Duration};

/// The longest calm between two faults.
const LONGEST_CALM: Duration = Duration::from_secs(2);
/// How long a fault lasts, where it lasts: at least, and at most so much longer, which is rare. Sessions of the consumer
/// group and of the broker end within.
const LASTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(14));
/// By how many seconds a clock may be wrong.
const JUMPS: [i64; 6] = [-86_400, -3_600, -90, 90, 3_600, 86_400];

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ServiceKilled,
    ServiceEnded,
    ServiceStopped,
    BrokerKilled,
    BrokerPaused,
    BrokerRestarted,
    KafkaCut,
    KafkaStalled,
    KafkaSlow,
    KafkaHalfOpen,
    ViewersCut,
    ViewersStalled,
    ViewersSlow,
    ViewersHalfOpen,
    DiskFull,
    ClockJumps,
}

impl Kind {
    pub(super) const ALL: [Self; 16] = [
        Self::ServiceKilled,
        Self::ServiceEnded,
        Self::ServiceStopped,
        Self::BrokerKilled,
        Self::BrokerPaused,
        Self::BrokerRestarted,
        Self::KafkaCut,
        Self::KafkaStalled,
        Self::KafkaSlow,
        Self::KafkaHalfOpen,
        Self::ViewersCut,
        Self::ViewersStalled,
        Self::ViewersSlow,
        Self::ViewersHalfOpen,
        Self::DiskFull,
        Self::ClockJumps,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ServiceKilled => "service: SIGKILL",
            Self::ServiceEnded => "service: SIGTERM",
            Self::ServiceStopped => "service: SIGSTOP, SIGCONT",
            Self::BrokerKilled => "broker: SIGKILL",
            Self::BrokerPaused => "broker: SIGSTOP, SIGCONT",
            Self::BrokerRestarted => "broker: SIGTERM, restart",
            Self::KafkaCut => "service to broker: cut",
            Self::KafkaStalled => "service to broker: stalled",
            Self::KafkaSlow => "service to broker: slow",
            Self::KafkaHalfOpen => "service to broker: half-open",
            Self::ViewersCut => "viewers to tweet-listener: cut",
            Self::ViewersStalled => "viewers to tweet-listener: stalled",
            Self::ViewersSlow => "viewers to tweet-listener: slow",
            Self::ViewersHalfOpen => "viewers to tweet-listener: half-open",
            Self::DiskFull => "broker: disk full",
            Self::ClockJumps => "service: clock jumps",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// Whom it meets; to be taken modulo how many there are.
    pub(super) target: usize,
    /// How long there is calm before it.
    pub(super) after: Duration,
    pub(super) lasts: Duration,
    /// By how many seconds, where a clock jumps.
    pub(super) jump: i64,
    /// Which process is killed meanwhile, and comes back before it is over; as `target`.
    pub(super) meanwhile: Option<usize>,
}

/// Faults without end, the same ones for the same seed.
#[derive(Debug)]
pub(super) struct Faults {
    random: fastrand::Rng,
    possible: Vec<Kind>,
    deck: Vec<Kind>,
}

impl Faults {
    /// Of the kinds that are `possible` here.
    pub(super) fn new(seed: u64, possible: Vec<Kind>) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), possible, deck: Vec::new() }
    }
}

impl Iterator for Faults {
    type Item = Fault;

    /// Kinds come as from a shuffled deck, so that a short run meets most and a long one all equally often.
    fn next(&mut self) -> Option<Fault> {
        if self.deck.is_empty() {
            self.deck.clone_from(&self.possible);
            self.random.shuffle(&mut self.deck);
        }
        let kind = self.deck.pop()?;
        let after = LONGEST_CALM.mul_f64(self.random.f64());
        let lasts = LASTS.0 + LASTS.1.mul_f64(self.random.f64().powi(4));
        let target = self.random.usize(..);
        let jump = *self.random.choice(&JUMPS)?;
        let meanwhile = (self.random.u8(..3) == 0).then(|| self.random.usize(..));
        Some(Fault { kind, target, after, lasts, jump, meanwhile })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_again_and_all_kinds_equally_often() {
        let faults = |seed| Faults::new(seed, Kind::ALL.to_vec()).take(64).collect::<Vec<_>>();
        assert_eq!(faults(7), faults(7));
        assert_ne!(faults(7), faults(8));
        for kind in Kind::ALL {
            assert_eq!(faults(7).iter().filter(|fault| fault.kind == kind).count(), 4, "{kind}");
        }
    }
}
