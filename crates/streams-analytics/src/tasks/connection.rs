//! The producer and the membership: made, and made anew.
//!
//! With an instance id, both are the process's alone, and a newer process with the same id takes both, the producer first.
//! A lost producer or membership alone is no sign of that: a coordinator that fails over can forget either. So the proof
//! of another process is a producer that was superseded outside of a long transaction, and nothing else.

use std::time::{Duration, Instant};

use kafka_client::{
    KafkaError,
    transaction::{Group, Outputs, TransactionError, TransactionalProducer},
};

use super::{Stop, runner::Runner};
use crate::proof::{Failpoint, pass};

/// How long making a producer may hold up the thread, and how long after a failure it is tried again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often, within how long, this member's id may be taken before that too is a sign of another process.
const FENCES: (usize, Duration) = (4, Duration::from_mins(1));

impl Runner {
    /// Gets a producer where there is none, a little in every turn; then joins the group.
    pub(super) fn connect(&mut self) -> Result<(), Stop> {
        if self.producer.is_none() && Instant::now() >= self.connect_at {
            self.connect_producer();
        }
        // In this order: whoever loses the membership to a newer process has then lost the producer too.
        if self.producer.is_some() && self.group.is_none() && Instant::now() >= self.connect_at {
            self.group = Some(Group::join(&self.kafka, self.member.clone())?);
        }
        Ok(())
    }

    /// Whether transactions may begin, and what the group tells is final.
    pub(super) fn is_settled(&self) -> bool {
        self.producer.as_ref().is_some_and(|producer| !producer.is_in_doubt())
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

    /// After trouble on the way to the broker, and at the beginning: ends what is left of earlier transactions, then has
    /// every task begin where the group says that it is. What was told committed may be so or not.
    pub(super) fn settle_doubt(&mut self) -> Result<(), Stop> {
        if self.producer.as_ref().is_some_and(TransactionalProducer::is_in_doubt) { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<(), Stop> {
        let Some(producer) = &self.producer else { return Ok(()) };
        // Transactional calls wait for the broker, so they begin when it is there.
        if let Err(error) = self.ends.end(&self.topics.changelog, 0, PATIENCE) {
            tracing::debug!("the broker's return: {error}");
            return Ok(());
        }
        let outputs =
            Outputs { topics: self.topics.outputs().to_vec(), partitions: self.topics.partitions, group: &self.member };
        pass(Failpoint::Settling);
        match producer.end_hanging(&self.kafka, &outputs) {
            Ok(()) => {
                tracing::info!("earlier transactions are settled");
                self.relocate();
                Ok(())
            }
            Err(
                TransactionError::Fatal(reason)
                | TransactionError::Abort(reason)
                | TransactionError::Retry(reason)
                | TransactionError::TooLarge(reason),
            ) => {
                self.connect_at = Instant::now() + PATIENCE;
                self.disconnect(&reason)
            }
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
        self.relocate();
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
        // A producer that another process has taken over learns it here.
        self.settle()?;
        tracing::warn!("this member was fenced by no other process, and joins again");
        self.leave();
        Ok(())
    }

    /// A former life of this member is still in the group (cooperative groups only: their coordinator does not let a new
    /// one take its place). It cannot come back, since its producer is fenced; its session ends by itself.
    pub(super) fn await_release(&mut self) {
        tracing::info!("waits until the session of this instance's former life has ended");
        self.leave();
        self.connect_at = Instant::now() + PATIENCE;
    }

    fn leave(&mut self) {
        self.park();
        self.unlocated = None;
        self.status.joining();
        self.group = None;
        self.polled = None;
    }
}
