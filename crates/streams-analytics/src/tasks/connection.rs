//! The producer and the membership: made, and made anew.
//!
//! With an instance id, both are the process's alone, and a newer process with the same id takes both, the producer first.
//! A lost producer or membership alone is no sign of that: a coordinator that fails over can forget either. So the proof
//! of another process is a producer that was superseded outside of a long transaction, and nothing else.

use std::time::{Duration, Instant};

use kafka_client::{
    KafkaError,
    transaction::{Group, TransactionError, TransactionalProducer},
};

use super::{
    Stop,
    assignment::{Phase, Unlocated},
    runner::Runner,
};

/// How long making a producer may hold up the thread, and how long after a failure it is tried again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often, within how long, this member's id may be taken before that too is a sign of another process.
const FENCES: (usize, Duration) = (4, Duration::from_mins(1));

/// How long a partition waits for a transaction's end before this process ends what it may have left open itself.
const LEFTOVER: Duration = Duration::from_secs(5);

impl Runner {
    /// Gets a producer where there is none, a little in every turn; then joins the group.
    pub(super) fn connect(&mut self) -> Result<(), Stop> {
        if self.producer.is_none() && Instant::now() >= self.connect_at {
            self.connect_producer();
        }
        // In this order: whoever loses the membership to a newer process has then lost the producer too.
        if self.producer.is_some() && self.group.is_none() {
            self.group = Some(Group::join(&self.kafka, self.member.clone())?);
        }
        Ok(())
    }

    fn connect_producer(&mut self) {
        let producer = match self.connecting.take() {
            Some(producer) => Ok(producer),
            None => TransactionalProducer::new(&self.kafka, &self.transactional_id),
        };
        match producer.map_err(TransactionError::Fatal).and_then(|producer| match producer.init(PATIENCE) {
            Err(TransactionError::Retry(reason)) => {
                self.connecting = Some(producer);
                Err(TransactionError::Retry(reason))
            }
            outcome => outcome.map(|()| producer),
        }) {
            Ok(producer) => {
                self.producer = Some(producer);
                self.status.unconnected(None);
            }
            Err(error) => {
                self.status.unconnected(Some(format!("no transactional producer: {error}")));
                if !matches!(error, TransactionError::Retry(_)) {
                    tracing::warn!("cannot begin transactions: {error}");
                    self.connect_at = Instant::now() + PATIENCE;
                }
            }
        }
    }

    /// An abort that a broker's restart swallowed leaves a transaction open that this process believes ended, and its
    /// partitions wait for it. A producer made anew with the same transactional id ends it.
    pub(super) fn end_leftovers(&mut self) {
        let waiting = self.unlocated.is_some()
            || self
                .phases
                .values()
                .any(|phase| matches!(phase, Phase::Restoring(restoring, _) if restoring.is_waiting()));
        if !waiting || self.producer.is_none() {
            self.waiting_since = None;
            return;
        }
        if self.waiting_since.get_or_insert_with(Instant::now).elapsed() >= LEFTOVER {
            tracing::warn!(
                "partitions wait for a transaction's end: making the transactional producer anew, which ends its own"
            );
            (self.producer, self.waiting_since) = (None, None);
        }
    }

    /// The producer is of no use any more: a new one, and tasks begin where the group says that they are.
    pub(super) fn disconnect(&mut self, reason: &KafkaError) -> Result<(), Stop> {
        let superseded = self.producer.take().is_some_and(|producer| producer.is_superseded());
        // Without an instance id the transactional id is random, and nobody else's.
        if superseded && !self.kafka.instance_id.is_empty() {
            return Err(Stop::Fenced);
        }
        tracing::warn!("the transactional producer must be made anew: {reason}");
        let partitions = self.phases.keys().copied().collect();
        self.park();
        self.unlocated.get_or_insert(Unlocated::new(partitions, true));
        Ok(())
    }

    /// This member's instance id is another member's now: of another process, or of this one, whose last request to join
    /// was granted without its hearing of it.
    pub(super) fn rejoin(&mut self) -> Result<(), Stop> {
        let (most, within) = FENCES;
        self.fenced.retain(|at| at.elapsed() < within);
        self.fenced.push(Instant::now());
        if self.fenced.len() >= most {
            return Err(Stop::Fenced);
        }
        let probed = self.producer.as_ref().map(|producer| producer.probe(&self.topics.dead_letters, 0));
        if let Some(Err(TransactionError::Fatal(reason))) = probed {
            self.disconnect(&reason)?;
        }
        tracing::warn!("this member was fenced by no other process, and joins again");
        self.park();
        self.unlocated = None;
        self.status.revoked();
        self.group = None;
        Ok(())
    }
}
