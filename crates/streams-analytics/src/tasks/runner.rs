//! The thread that everything happens on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use kafka_client::{
    KafkaConfig,
    transaction::{Group, GroupObserver, GroupOptions, Polled, RawEnds, TransactionalProducer},
};
use tokio_util::sync::CancellationToken;

use super::{Status, Stop, Topics, assignment::Phase, cutting::Cutting, locating::Locating, pace::Pace, task::Task};
use crate::{changelog::InputOffsets, config::AnalyticsConfig, store::Sizes, windows::Windowing};

/// The longest wait for input before the thread looks whether it shall stop.
const IDLE: Duration = Duration::from_millis(100);
/// Records between looks at the clock, while there is input.
const LOOKS: u32 = 64;
/// How often sizes are measured.
const BETWEEN_MEASURES: Duration = Duration::from_secs(5);

pub(super) struct Runner {
    pub(super) kafka: KafkaConfig,
    pub(super) windowing: Arc<Windowing>,
    pub(super) config: AnalyticsConfig,
    pub(super) topics: Topics,
    /// Who it is in the group.
    pub(super) member: GroupOptions,
    /// A member, once there is a producer.
    pub(super) group: Option<Group>,
    /// When another member with this instance id was met, lately.
    pub(super) fenced: Vec<Instant>,
    pub(super) ends: RawEnds,
    pub(super) transactional_id: String,
    pub(super) status: Arc<Status>,
    cutting: Cutting,
    stop: CancellationToken,
    /// Ready to begin transactions.
    pub(super) producer: Option<TransactionalProducer>,
    /// On its way to that.
    pub(super) connecting: Option<TransactionalProducer>,
    pub(super) connect_at: Instant,
    /// A producer was lost that another process may have taken over: until then, losing the membership is the proof.
    pub(super) contested_until: Instant,
    pub(super) phases: BTreeMap<i32, Phase>,
    /// Tasks of partitions that were given up: an assignment that gives them back needs no restoring.
    pub(super) parked: BTreeMap<i32, Task>,
    /// Given by the group, and not taken yet: the group waits for that.
    pub(super) given: Option<Vec<i32>>,
    /// Where partitions begin that were located since then.
    pub(super) nexts: BTreeMap<i32, InputOffsets>,
    pub(super) locating: Locating,
    /// What its partitions' offsets wait for, if anything. Blocks, so only while nothing can be done meanwhile.
    pub(super) observer: Arc<GroupObserver>,
    /// Partitions whose offsets were part of a transaction since earlier ones were settled; `None`: any may have been.
    pub(super) touched: Option<BTreeSet<i32>>,
    pub(super) pace: Pace,
    /// What the group said during the last commit, besides records.
    pub(super) polled: Option<Polled<'static>>,
    /// Whether there is a record that is not committed.
    pub(super) ahead: bool,
    /// Whether there was no input for a moment when a commit was due.
    pub(super) drained: bool,
    /// Records since the last commit.
    pub(super) records: usize,
    /// After an abort, tasks wait so long before they start again.
    pub(super) quiet_until: Instant,
    pub(super) aborts_in_a_row: u32,
    measured: Instant,
}

impl Runner {
    #[allow(clippy::too_many_arguments, reason = "called once; each is a thing of its own")]
    pub(super) fn new(
        kafka: KafkaConfig,
        config: AnalyticsConfig,
        topics: Topics,
        member: GroupOptions,
        ends: RawEnds,
        observer: Arc<GroupObserver>,
        transactional_id: String,
        status: Arc<Status>,
        cutting: Cutting,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        Self {
            member,
            group: None,
            fenced: Vec::new(),
            kafka,
            windowing: Arc::new(config.windowing()),
            config,
            topics,
            ends,
            transactional_id,
            status,
            cutting,
            stop,
            producer: None,
            connecting: None,
            connect_at: now,
            contested_until: now,
            phases: BTreeMap::new(),
            parked: BTreeMap::new(),
            given: None,
            nexts: BTreeMap::new(),
            locating: Locating::new(Arc::clone(&observer)),
            observer,
            touched: None,
            pace: Pace::new(now),
            polled: None,
            ahead: false,
            drained: false,
            records: 0,
            quiet_until: now,
            aborts_in_a_row: 0,
            measured: now,
        }
    }

    /// Works until told to stop; then commits and leaves the group.
    pub(super) fn run(mut self) -> Result<(), Stop> {
        while !self.stop.is_cancelled() {
            self.connect()?;
            self.settle_doubt()?;
            self.locate()?;
            self.advance()?;
            self.take_input()?;
            if self.is_commit_due() {
                self.commit_in_passing()?;
            }
            self.measure();
        }
        self.commit()
    }

    /// Takes what comes, until a commit is due or other work waits.
    fn take_input(&mut self) -> Result<(), Stop> {
        let any = |is: fn(&Phase) -> bool| self.phases.values().any(is);
        let waiting = self.locating.is_waiting() || any(|phase| !matches!(phase, Phase::Running(_)));
        let reading = any(|phase| matches!(phase, Phase::Restoring(restoring, _) if restoring.is_reading()));
        let patience = if waiting || self.producer.is_none() { IDLE / 10 } else { IDLE };
        let mut now = Instant::now();
        let until = now + patience;
        // A look at the clock costs as much as a tenth of a like. So while input is there, it is taken without.
        let mut input = false;
        for turn in 1_u32.. {
            if turn.is_multiple_of(LOOKS) {
                now = Instant::now();
            }
            let interval = self.config.commit_interval;
            let (due, overdue) = (self.pace.due(interval), self.pace.overdue(interval));
            let wait = if self.ahead { until.min(due) } else { until };
            let Some(group) = &self.group else {
                std::thread::sleep(wait.saturating_duration_since(now));
                return Ok(());
            };
            // Restoring waits by itself, for what it reads.
            let patience = if input || reading { Duration::ZERO } else { wait.saturating_duration_since(now) };
            match self.polled.take().unwrap_or_else(|| group.poll(patience)) {
                Polled::Record(record) => {
                    input = true;
                    // A task that does not run yet will read this again from its own place.
                    if let Some(Phase::Running(task)) = self.phases.get_mut(&record.partition()) {
                        task.take(&record, &self.topics)?;
                        self.records += 1;
                        self.ahead = true;
                    }
                }
                Polled::Change(change) => {
                    self.change(change)?;
                    return Ok(());
                }
                Polled::Nothing => {
                    (now, input) = (Instant::now(), false);
                    self.drained = self.ahead && now >= due;
                    if self.drained || reading {
                        return Ok(());
                    }
                }
                Polled::Fenced => return self.rejoin(),
                Polled::Unreleased => {
                    self.await_release();
                    return Ok(());
                }
                Polled::PositionLost => return Err(Stop::PositionLost),
                Polled::Broken(error) => return Err(error.into()),
            }
            let enough = now >= until || (self.ahead && now >= overdue);
            if enough || self.records >= self.config.commit_records {
                return Ok(());
            }
        }
        Ok(())
    }

    fn is_commit_due(&self) -> bool {
        self.records >= self.config.commit_records
            || self.ahead && (self.drained || Instant::now() >= self.pace.overdue(self.config.commit_interval))
    }

    /// Has what no commit needs any more deleted.
    pub(super) fn cut(&mut self) {
        for (partition, phase) in &self.phases {
            if let Phase::Running(task) = phase
                && let Some(before) = task.cut_before()
            {
                self.cutting.note(*partition, before);
            }
        }
    }

    fn measure(&mut self) {
        if self.measured.elapsed() < BETWEEN_MEASURES {
            return;
        }
        self.measured = Instant::now();
        for partition in 0..self.topics.partitions {
            // What another member has is not in this one's memory.
            let sizes = match self.phases.get(&partition) {
                Some(Phase::Starting(task) | Phase::Running(task)) => task.sizes(),
                _ => Sizes::default(),
            };
            for (kind, entries) in [
                ("conferences", sizes.conferences),
                ("tweets", sizes.tweets),
                ("authors", sizes.authors),
                ("likes", sizes.likes),
                ("windows", sizes.windows),
            ] {
                let partition = partition.to_string();
                metrics::gauge!("analytics_state_entries", "partition" => partition, "kind" => kind)
                    .set(entries as f64);
            }
        }
    }
}
