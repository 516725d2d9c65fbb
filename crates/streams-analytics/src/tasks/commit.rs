//! One transaction: the results, the state and the input offsets of all tasks that are ahead of their last commit.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use contracts::Timestamp;
use kafka_client::{
    KafkaError,
    transaction::{CommittedOffset, Group, InputRecord, Polled, TransactionError, TransactionalProducer},
};

use super::{Stop, Topics, assignment::Phase, runner::Runner, task::Task};
use crate::proof::{Failpoint, Mutation, is, reach};

/// The longest wait after aborts that follow each other.
const LONGEST_QUIET: Duration = Duration::from_secs(5);

/// Records that are taken from the client's queue while the broker takes a commit: somewhat more than the queue holds.
const EARLY: usize = 50_000;
/// Records between looks whether the broker has everything.
const LOOKS: usize = 64;

/// Records that were read while a commit waited, and what came instead of one.
#[derive(Default)]
struct Early<'a> {
    records: Vec<InputRecord<'a>>,
    ended: Option<Polled<'static>>,
}

impl Runner {
    /// Commits what was taken since the last commit. What fails is taken back, or settled by what the group says.
    pub(super) fn commit(&mut self) -> Result<(), Stop> {
        self.commit_and_read(0)
    }

    /// The same, while input is read, so that the time in which the broker has its work is not lost.
    pub(super) fn commit_in_passing(&mut self) -> Result<(), Stop> {
        self.commit_and_read(EARLY)
    }

    fn commit_and_read(&mut self, most: usize) -> Result<(), Stop> {
        (self.ahead, self.drained, self.records) = (false, false, 0);
        if !self.is_settled() || ahead(&mut self.phases).next().is_none() {
            return Ok(());
        }
        let (Some(producer), Some(group)) = (&self.producer, &self.group) else { return Ok(()) };
        let began = Instant::now();
        let mut early = Early::default();
        let mut tasks: Vec<&mut Task> = ahead(&mut self.phases).collect();
        if let Some(touched) = &mut self.touched {
            touched.extend(tasks.iter().map(|task| task.partition()));
        }
        let read = || early.read(group, producer, most);
        let outcome = transact(&mut tasks, &self.topics, self.config.entries(), producer, read, |committed| {
            if is(Mutation::NoFencing) {
                producer.send_offsets_of_nobody(&self.kafka, &self.member, committed)
            } else {
                producer.send_offsets(group, committed)
            }
        });
        self.pace.note(began, Instant::now());
        self.polled = early.ended;
        match outcome {
            Ok(()) => {
                self.aborts_in_a_row = 0;
                for task in tasks {
                    task.commit();
                    self.status.running(task.partition(), task.next());
                }
                for record in early.records {
                    if let Some(Phase::Running(task)) = self.phases.get_mut(&record.partition()) {
                        task.take(&record, &self.topics)?;
                        self.records += 1;
                        self.ahead = true;
                    }
                }
                self.cut();
                metrics::counter!("analytics_commits_total").increment(1);
                metrics::histogram!("analytics_commit_seconds").record(began.elapsed().as_secs_f64());
                Ok(())
            }
            // What was read early will be read again.
            Err(TransactionError::Abort(reason) | TransactionError::Retry(reason)) => self.abort(&reason),
            Err(TransactionError::Fatal(reason)) => self.disconnect(&reason),
            Err(TransactionError::TooLarge(reason)) => {
                // The end is the same without, but others would wait for the transaction's timeout.
                drop(producer.abort());
                Err(Stop::TooLarge(reason))
            }
        }
    }

    /// Nothing of the transaction will be seen: the tasks go back to their last commit and read from there again.
    fn abort(&mut self, reason: &KafkaError) -> Result<(), Stop> {
        metrics::counter!("analytics_aborts_total").increment(1);
        if let Some(Err(_)) = self.producer.as_ref().map(TransactionalProducer::abort) {
            return self.disconnect(reason);
        }
        self.aborts_in_a_row += 1;
        let quiet = Duration::from_millis(100 << self.aborts_in_a_row.min(6)).min(LONGEST_QUIET);
        self.quiet_until = Instant::now() + quiet;
        tracing::warn!(in_a_row = self.aborts_in_a_row, "transaction aborted: {reason}");
        for (partition, phase) in std::mem::take(&mut self.phases) {
            let phase = match phase {
                Phase::Running(mut task) => {
                    task.undo();
                    self.status.waiting(partition);
                    Phase::Starting(task)
                }
                phase => phase,
            };
            self.phases.insert(partition, phase);
        }
        Ok(())
    }
}

impl<'a> Early<'a> {
    /// Reads until the broker has everything that was sent, or has something else to say.
    fn read(&mut self, group: &'a Group, producer: &TransactionalProducer, most: usize) {
        while self.records.len() < most && self.ended.is_none() && !producer.is_delivered() {
            for _ in 0..LOOKS {
                match group.poll(Duration::from_millis(1)).record() {
                    Ok(record) => self.records.push(record),
                    Err(Polled::Nothing) => break,
                    Err(other) => {
                        self.ended = Some(other);
                        break;
                    }
                }
            }
        }
    }
}

/// Everything of one transaction. `meanwhile` is called when the broker has its work.
fn transact(
    tasks: &mut [&mut Task],
    topics: &Topics,
    entries: usize,
    producer: &TransactionalProducer,
    meanwhile: impl FnOnce(),
    send_offsets: impl FnOnce(&[(i32, Vec<CommittedOffset>)]) -> Result<(), TransactionError>,
) -> Result<(), TransactionError> {
    let now = Timestamp::from(jiff::Timestamp::now());
    producer.begin()?;
    reach(Failpoint::BeforeProduce)?;
    for task in &mut *tasks {
        task.send(producer, topics, entries, now)?;
        reach(Failpoint::AmidProduce)?;
    }
    meanwhile();
    let offsets = producer.delivered()?;
    let committed: Vec<_> = tasks.iter_mut().map(|task| task.delivered(&offsets)).collect::<Result<_, _>>()?;
    reach(Failpoint::BeforeOffsets)?;
    send_offsets(&committed)?;
    reach(Failpoint::BeforeCommit)?;
    producer.commit()?;
    reach(Failpoint::AfterCommit)
}

/// Running tasks with something to commit.
fn ahead(phases: &mut BTreeMap<i32, Phase>) -> impl Iterator<Item = &mut Task> {
    phases.values_mut().filter_map(|phase| match phase {
        Phase::Running(task) if task.is_ahead() => Some(task),
        _ => None,
    })
}
