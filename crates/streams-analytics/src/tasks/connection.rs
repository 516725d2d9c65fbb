//! The producer and the membership: made, and made anew.
//!
//! With an instance id, both are the process's alone, and a newer process with the same id takes both, the producer first.
//! A lost producer or membership alone is no sign of that: a coordinator that fails over can forget either. So the proof
//! of another process is a producer that was superseded outside of a long transaction, or one that was lost within one
//! together with the membership, and nothing else.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use kafka_client::{
    KafkaError,
    transaction::{Group, Open, TransactionError, TransactionalProducer},
};

use super::{Stop, runner::Runner};
use crate::proof::{Failpoint, pass};

/// How long making a producer may hold up the thread, and how long after a failure it is tried again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the group has, after a producer was lost that may have been taken over, to tell of another process: some
/// heartbeats (`heartbeat.interval.ms`, 1 s unless configured).
const CONTEST: Duration = Duration::from_secs(4);
/// How long a partition or the group's offsets may wait for a transaction that is just ending.
const STABLE: Duration = Duration::from_secs(3);
/// Between looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
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
        if self.producer.as_ref().is_some_and(TransactionalProducer::is_in_doubt) {
            // Nothing can be committed until then, so nothing is taken.
            if !self.phases.is_empty() {
                self.relocate();
            }
            self.settle()?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Stop> {
        let Some(producer) = &self.producer else { return Ok(()) };
        pass(Failpoint::Settling);
        // Transactional calls wait for the broker, so they begin when it is there.
        let outcome = match self.open() {
            Ok(Some(open)) => self.end_open(producer, open),
            Ok(None) => {
                producer.settled();
                tracing::info!("earlier transactions are settled");
                Ok(())
            }
            Err(error) => {
                tracing::debug!("the broker's return: {error}");
                return Ok(());
            }
        };
        match outcome {
            Ok(()) => {
                self.touched = Some(BTreeSet::new());
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

    /// Outputs that hold a transaction open, this producer's or another's, for longer than it takes to end one; `None`
    /// where nothing does, nor the group's offsets.
    fn open(&self) -> Result<Option<Vec<(&str, i32)>>, KafkaError> {
        let until = Instant::now() + STABLE;
        let outputs = self.topics.outputs();
        let mut open = Vec::new();
        for (topic, partition) in
            outputs.iter().flat_map(|topic| (0..self.topics.partitions).map(move |at| (*topic, at)))
        {
            // What was written by now; what comes later is not what is looked for.
            let end = self.ends.end(topic, partition, PATIENCE)?;
            while self.observer.committed_end(topic, partition, PATIENCE)? < end {
                if Instant::now() >= until {
                    open.push((topic, partition));
                    break;
                }
                std::thread::sleep(LOOK);
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        Ok((!open.is_empty() || !self.observer.is_stable(self.touched(), left)).then_some(open))
    }

    fn end_open(&self, producer: &TransactionalProducer, partitions: Vec<(&str, i32)>) -> Result<(), TransactionError> {
        let dead_letters = self.topics.dead_letters.as_str();
        let unread = (dead_letters, self.ends.end(dead_letters, 0, PATIENCE).map_err(TransactionError::Abort)?);
        let open = Open { partitions, group: &self.member, unread };
        producer.end_hanging(&self.kafka, &open, || {
            let stable = self.observer.is_stable(self.touched(), STABLE);
            tracing::info!(stable, "earlier transactions are settled, by one that spans what was open");
            stable
        })
    }

    /// Partitions whose offsets an earlier transaction of this producer may hold.
    fn touched(&self) -> Vec<i32> {
        let all = || (0..self.topics.partitions).collect();
        self.touched.as_ref().map_or_else(all, |touched| touched.iter().copied().collect())
    }

    /// The producer is of no use any more: a new one, and tasks begin where the group says that they are.
    pub(super) fn disconnect(&mut self, reason: &KafkaError) -> Result<(), Stop> {
        // Without an instance id the transactional id is random, and nobody else's.
        if let Some(producer) = self.producer.take().filter(|_| !self.kafka.instance_id.is_empty()) {
            if producer.is_superseded() {
                return Err(Stop::Fenced);
            }
            if producer.may_be_superseded() {
                // Making a producer would fence the other process's. If there is one, it has this member's id, too, and
                // the next heartbeat tells.
                self.contested_until = Instant::now() + CONTEST;
                self.connect_at = self.contested_until;
            }
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
        if self.fenced.len() >= most || Instant::now() < self.contested_until {
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
        self.locating.forget_all();
        self.given = None;
        self.status.joining();
        self.group = None;
        self.polled = None;
    }
}
