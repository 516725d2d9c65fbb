//! The thread that everything happens on.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kafka_client::{
    KafkaConfig, PartitionBounds,
    transaction::{Change, Group, Polled, RawEnds, TransactionError, TransactionalProducer},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Status, Stop, Topics,
    decide::{check_inputs, committed_position},
    restoring::Restoring,
    task::Task,
};
use crate::{changelog::InputOffsets, config::AnalyticsConfig};

/// The longest wait for input before the thread looks whether it shall stop.
const IDLE: Duration = Duration::from_millis(100);
/// How long restoring works before the group is polled again.
const BUDGET: Duration = Duration::from_millis(20);
/// How long the broker may take for one answer. Short, because the group must be polled meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a member that may have been fenced listens for that: longer than a heartbeat takes.
const FENCE_CHECK: Duration = Duration::from_secs(3);

/// What a partition's task is doing.
pub(super) enum Phase {
    /// Its state is being read back; with the input topics' bounds as found at the assignment.
    Restoring(Restoring, Vec<PartitionBounds>),
    /// It has its state, and its input is about to be read from there.
    Starting(Task),
    /// It takes input.
    Running(Task),
}

/// Partitions for which it is not known yet where to begin.
struct Unlocated {
    partitions: Vec<i32>,
    /// Whether they are being read (and passed over) already.
    assigned: bool,
}

pub(super) struct Runner {
    kafka: KafkaConfig,
    pub(super) config: AnalyticsConfig,
    pub(super) topics: Topics,
    pub(super) group: Group,
    ends: RawEnds,
    transactional_id: String,
    pub(super) status: Arc<Status>,
    cuts: mpsc::UnboundedSender<(i32, i64)>,
    stop: CancellationToken,
    /// Ready to begin transactions.
    pub(super) producer: Option<TransactionalProducer>,
    /// On its way to that.
    connecting: Option<TransactionalProducer>,
    connect_at: Instant,
    pub(super) phases: BTreeMap<i32, Phase>,
    /// Tasks of partitions that were given up: an assignment that gives them back needs no restoring.
    parked: BTreeMap<i32, Task>,
    unlocated: Option<Unlocated>,
    /// When the first record came that is not committed.
    pub(super) ahead_since: Option<Instant>,
    /// Records since the last commit.
    pub(super) records: usize,
    /// After an abort, tasks wait so long before they start again.
    pub(super) quiet_until: Instant,
    pub(super) aborts_in_a_row: u32,
    /// Where and when the changelog was cut last.
    cut: BTreeMap<i32, (i64, Instant)>,
    measured: Instant,
}

impl Runner {
    #[allow(clippy::too_many_arguments, reason = "called once; each is a thing of its own")]
    pub(super) fn new(
        kafka: KafkaConfig,
        config: AnalyticsConfig,
        topics: Topics,
        group: Group,
        ends: RawEnds,
        transactional_id: String,
        status: Arc<Status>,
        cuts: mpsc::UnboundedSender<(i32, i64)>,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        Self {
            kafka,
            config,
            topics,
            group,
            ends,
            transactional_id,
            status,
            cuts,
            stop,
            producer: None,
            connecting: None,
            connect_at: now,
            phases: BTreeMap::new(),
            parked: BTreeMap::new(),
            unlocated: None,
            ahead_since: None,
            records: 0,
            quiet_until: now,
            aborts_in_a_row: 0,
            cut: BTreeMap::new(),
            measured: now,
        }
    }

    /// Works until told to stop; then commits and leaves the group.
    pub(super) fn run(mut self) -> Result<(), Stop> {
        while !self.stop.is_cancelled() {
            self.connect();
            self.locate()?;
            self.advance()?;
            self.take_input()?;
            if self.is_commit_due() {
                self.commit();
            }
            self.measure();
        }
        self.commit();
        Ok(())
    }

    /// Gets a producer where there is none, a little in every turn.
    fn connect(&mut self) {
        if self.producer.is_some() || Instant::now() < self.connect_at {
            return;
        }
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

    /// Finds out where new partitions begin, and takes them.
    fn locate(&mut self) -> Result<(), Stop> {
        // Not before the producer is there: making it ends the transactions of its former life.
        let (Some(unlocated), Some(_)) = (&self.unlocated, &self.producer) else { return Ok(()) };
        let mut found = Vec::new();
        for &partition in &unlocated.partitions {
            let looked = self.group.committed(partition, PATIENCE).and_then(|committed| {
                let bounds = self.group.bounds(partition, PATIENCE)?;
                Ok((committed, bounds))
            });
            match looked {
                Ok((committed, bounds)) => found.push((partition, committed, bounds)),
                Err(error) => {
                    // Such as a dead member's transaction that has not timed out yet.
                    tracing::debug!(partition, "where to begin: {error}");
                    return Ok(());
                }
            }
        }
        let assigned = self.unlocated.take().is_some_and(|unlocated| unlocated.assigned);
        let mut offsets = Vec::new();
        for (partition, committed, bounds) in found {
            let reset = |reason| Stop::Reset { partition, reason };
            let position = committed_position(&committed).map_err(reset)?;
            let starts = starts(&bounds);
            let next = position.map_or(starts, |position| position.inputs);
            check_inputs(&self.topics.inputs, next, &bounds).map_err(reset)?;
            let settled = self.parked.remove(&partition).and_then(|mut task| task.settle(position).then_some(task));
            let (next, phase) = match settled {
                Some(task) => (task.next(), Phase::Starting(task)),
                None => {
                    let restoring = Restoring::new(&self.kafka, &self.topics.changelog, partition, position)?;
                    (next, Phase::Restoring(restoring, bounds))
                }
            };
            offsets.push((partition, vec![next.tweets, next.likes]));
            self.phases.insert(partition, phase);
        }
        self.parked.clear();
        if !assigned && let Err(error) = self.group.assign(&offsets) {
            // The group has moved on already, and will say so.
            tracing::warn!("cannot take the assigned partitions: {error}");
        }
        Ok(())
    }

    /// Brings tasks that do not run nearer to it.
    fn advance(&mut self) -> Result<(), Stop> {
        let waiting = self.phases.iter().filter(|(_, phase)| !matches!(phase, Phase::Running(_)));
        let waiting: Vec<i32> = waiting.map(|(partition, _)| *partition).collect();
        for partition in waiting {
            let Some(phase) = self.phases.remove(&partition) else { continue };
            let phase = match phase {
                Phase::Restoring(mut restoring, bounds) => match restoring.advance(&self.ends, BUDGET)? {
                    Some(restored) => {
                        let task = Task::new(partition, restored, starts(&bounds), self.config.poison_ratio);
                        check_inputs(&self.topics.inputs, task.next(), &bounds)
                            .map_err(|reason| Stop::Reset { partition, reason })?;
                        Phase::Starting(task)
                    }
                    None => Phase::Restoring(restoring, bounds),
                },
                Phase::Starting(task) if Instant::now() >= self.quiet_until => {
                    let next = task.next();
                    match self.group.read_from(partition, &[next.tweets, next.likes]) {
                        Ok(()) => {
                            self.status.running(partition, next);
                            Phase::Running(task)
                        }
                        Err(error) => {
                            tracing::debug!(partition, "not reading yet: {error}");
                            Phase::Starting(task)
                        }
                    }
                }
                phase => phase,
            };
            self.phases.insert(partition, phase);
        }
        Ok(())
    }

    /// Takes what comes, until a commit is due or other work waits.
    fn take_input(&mut self) -> Result<(), Stop> {
        let waiting = self.unlocated.is_some() || self.phases.values().any(|phase| !matches!(phase, Phase::Running(_)));
        let patience = if waiting || self.producer.is_none() { IDLE / 10 } else { IDLE };
        let mut until = Instant::now() + patience;
        loop {
            if let Some(since) = self.ahead_since {
                until = until.min(since + self.config.commit_interval);
            }
            let now = Instant::now();
            match self.group.poll(until.saturating_duration_since(now)) {
                Polled::Record(record) => {
                    // A task that does not run yet will read this again from its own place.
                    if let Some(Phase::Running(task)) = self.phases.get_mut(&record.partition()) {
                        task.take(&record, &self.topics)?;
                        self.records += 1;
                        self.ahead_since.get_or_insert(now);
                    }
                }
                Polled::Change(change) => {
                    self.change(change)?;
                    return Ok(());
                }
                Polled::Nothing => {}
                Polled::Fenced => return Err(Stop::Fenced),
                Polled::PositionLost => return Err(Stop::PositionLost),
                Polled::Broken(error) => return Err(error.into()),
            }
            if now >= until || self.records >= self.config.commit_records {
                return Ok(());
            }
        }
    }

    fn change(&mut self, change: Change) -> Result<(), Stop> {
        match change {
            Change::Assigned(partitions) => {
                tracing::info!(?partitions, "assigned");
                self.status.assigned(&partitions);
                self.unlocated = Some(Unlocated { partitions, assigned: false });
            }
            Change::Revoked { lost } => {
                tracing::info!(lost, "revoked");
                if !lost {
                    self.commit();
                }
                self.park();
                self.unlocated = None;
                self.status.revoked();
                if let Err(error) = self.group.unassign() {
                    tracing::debug!("giving up the partitions: {error}");
                }
            }
            Change::Torn(assignment) => return Err(Stop::Torn(assignment)),
        }
        Ok(())
    }

    fn is_commit_due(&self) -> bool {
        self.records >= self.config.commit_records
            || self.ahead_since.is_some_and(|since| since.elapsed() >= self.config.commit_interval)
    }

    /// Puts all tasks aside, as they were at their last commit or before a commit whose outcome is unknown.
    pub(super) fn park(&mut self) {
        (self.ahead_since, self.records) = (None, 0);
        for (partition, phase) in std::mem::take(&mut self.phases) {
            self.status.waiting(partition);
            if let Phase::Starting(task) | Phase::Running(task) = phase {
                self.parked.insert(partition, task);
            }
        }
    }

    /// The producer is of no use any more: a new one, and tasks begin where the group says that they are.
    pub(super) fn disconnect(&mut self) {
        self.producer = None;
        let partitions = self.phases.keys().copied().collect();
        self.park();
        self.unlocated.get_or_insert(Unlocated { partitions, assigned: true });
        // The group tells whether it was another process with this instance id: that must be heard before a new
        // producer fences the other's in turn.
        let listen = if self.kafka.instance_id.is_empty() { Duration::ZERO } else { FENCE_CHECK };
        self.connect_at = Instant::now() + listen;
    }

    /// Has what lies before the last commit's state deleted, at most once a second.
    pub(super) fn cut(&mut self) {
        for (partition, phase) in &self.phases {
            let Phase::Running(task) = phase else { continue };
            let Some(before) = task.cut_before() else { continue };
            let due = self.cut.get(partition).is_none_or(|(last, at)| before > *last && at.elapsed() >= PATIENCE);
            if due {
                self.cut.insert(*partition, (before, Instant::now()));
                let _ = self.cuts.send((*partition, before));
            }
        }
    }

    fn measure(&mut self) {
        if self.measured.elapsed() < Duration::from_secs(5) {
            return;
        }
        self.measured = Instant::now();
        let (mut conferences, mut tweets, mut authors, mut likes) = (0, 0, 0, 0);
        for phase in self.phases.values() {
            let (Phase::Starting(task) | Phase::Running(task)) = phase else { continue };
            let sizes = task.sizes();
            conferences += sizes.conferences;
            tweets += sizes.tweets;
            authors += sizes.authors;
            likes += sizes.likes;
        }
        for (kind, entries) in [("conferences", conferences), ("tweets", tweets), ("authors", authors), ("likes", likes)] {
            metrics::gauge!("analytics_state_entries", "kind" => kind).set(entries as f64);
        }
    }
}

fn starts(bounds: &[PartitionBounds]) -> InputOffsets {
    let start = |topic: usize| bounds.get(topic).map_or(0, |bounds| bounds.start);
    InputOffsets { tweets: start(0), likes: start(1) }
}
