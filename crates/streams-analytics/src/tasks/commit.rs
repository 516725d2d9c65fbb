//! One transaction: the results, the state and the input offsets of all tasks that are ahead of their last commit.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use contracts::Timestamp;
use kafka_client::{
    KafkaError,
    transaction::{TransactionError, TransactionalProducer},
};

use super::{Stop, assignment::Phase, runner::Runner, task::Task};
use crate::proof::{Failpoint, Mutation, is, reach};

/// The longest wait after aborts that follow each other.
const LONGEST_QUIET: Duration = Duration::from_secs(5);

impl Runner {
    /// Commits what was taken since the last commit. What fails is taken back, or settled by what the group says.
    pub(super) fn commit(&mut self) -> Result<(), Stop> {
        (self.ahead, self.drained, self.records) = (false, false, 0);
        if !self.is_settled() || ahead(&mut self.phases).next().is_none() {
            return Ok(());
        }
        let began = Instant::now();
        let outcome = self.transact();
        self.pace.note(began, Instant::now());
        match outcome {
            Ok(()) => {
                self.aborts_in_a_row = 0;
                for task in ahead(&mut self.phases) {
                    task.commit();
                    self.status.running(task.partition(), task.next());
                }
                self.cut();
                metrics::counter!("analytics_commits_total").increment(1);
                metrics::histogram!("analytics_commit_seconds").record(began.elapsed().as_secs_f64());
                Ok(())
            }
            Err(TransactionError::Abort(reason) | TransactionError::Retry(reason)) => self.abort(&reason),
            Err(TransactionError::Fatal(reason)) => self.disconnect(&reason),
        }
    }

    fn transact(&mut self) -> Result<(), TransactionError> {
        let (Some(producer), Some(group)) = (&self.producer, &self.group) else { return Ok(()) };
        let now = Timestamp::from(jiff::Timestamp::now());
        let mut tasks: Vec<&mut Task> = ahead(&mut self.phases).collect();
        producer.begin()?;
        reach(Failpoint::BeforeProduce)?;
        for task in &mut tasks {
            task.send(producer, &self.topics, self.config.entries(), now)?;
            reach(Failpoint::AmidProduce)?;
        }
        let offsets = producer.delivered()?;
        let committed: Vec<_> = tasks.iter_mut().filter_map(|task| task.delivered(&offsets)).collect();
        reach(Failpoint::BeforeOffsets)?;
        if is(Mutation::NoFencing) {
            producer.send_offsets_of_nobody(&self.kafka, &self.member, &committed)?;
        } else {
            producer.send_offsets(group, &committed)?;
        }
        reach(Failpoint::BeforeCommit)?;
        producer.commit()?;
        reach(Failpoint::AfterCommit)
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

/// Running tasks with something to commit.
fn ahead(phases: &mut BTreeMap<i32, Phase>) -> impl Iterator<Item = &mut Task> {
    phases.values_mut().filter_map(|phase| match phase {
        Phase::Running(task) if task.is_ahead() => Some(task),
        _ => None,
    })
}
