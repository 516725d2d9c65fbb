//! The partitions that the group gives: where each begins, and how its task comes to run.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kafka_client::{
    PartitionBounds,
    transaction::{Change, Group},
};

use super::{
    Stop,
    decide::{check_inputs, committed_position},
    restoring::Restoring,
    runner::Runner,
    task::Task,
};
use crate::{
    changelog::InputOffsets,
    proof::{Failpoint, pass},
};

/// How long restoring works before the group is polled again.
const BUDGET: Duration = Duration::from_millis(20);
/// How long the broker may take for one answer. Short, because the group must be polled meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// A dead member's transaction is ended by the broker after 10 s (`transaction.timeout.ms`), which it looks for every
/// 10 s (`transaction.abort.timed.out.transaction.cleanup.interval.ms`). What lasts longer than both needs somebody.
pub(super) const OVERDUE: Duration = Duration::from_secs(30);

/// What to do about it.
pub(super) const HANGING: &str = "a transaction may be hanging, see kafka-transactions.sh find-hanging";

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
pub(super) struct Unlocated {
    partitions: Vec<i32>,
    /// Those of them that the group has given, and that are not being read (and passed over) yet. `None`: the group waits
    /// for no answer.
    given: Option<Vec<i32>>,
    /// When it was asked for, or last said to be overdue.
    told: Instant,
}

impl Unlocated {
    /// None of this member's are known any more, and perhaps some more are given, too.
    pub(super) fn new(partitions: Vec<i32>) -> Self {
        Self { partitions, given: None, told: Instant::now() }
    }

    fn add(&mut self, partitions: impl IntoIterator<Item = i32>) {
        self.partitions.extend(partitions);
        self.partitions.sort_unstable();
        self.partitions.dedup();
    }

    /// The group has given these, too.
    fn give(&mut self, partitions: Vec<i32>) {
        self.add(partitions.iter().copied());
        self.given = Some(partitions);
    }

    fn remove(&mut self, partitions: &[i32]) {
        self.partitions.retain(|partition| !partitions.contains(partition));
        if let Some(given) = &mut self.given {
            given.retain(|partition| !partitions.contains(partition));
        }
    }
}

impl Runner {
    /// Takes what the group gives, and gives up what it takes.
    pub(super) fn change(&mut self, change: Change) -> Result<(), Stop> {
        match change {
            Change::Assigned(partitions) => {
                tracing::info!(?partitions, "assigned");
                pass(Failpoint::Assigned);
                self.status.assigned(&partitions);
                self.unlocated.get_or_insert_with(|| Unlocated::new(Vec::new())).give(partitions);
            }
            Change::Revoked { partitions, rejoins, lost } => {
                tracing::info!(?partitions, lost, "revoked");
                pass(Failpoint::Revoked);
                if !lost {
                    self.commit()?;
                }
                if rejoins {
                    self.give_up();
                } else {
                    self.give_up_some(&partitions);
                }
            }
            // Somebody has given one topic more partitions than the others. The check of the topics says so, too.
            Change::Torn(assignment) => {
                self.commit()?;
                if self.group.as_ref().is_some_and(Group::is_cooperative) {
                    // There is no giving back a part of what was given.
                    return Err(Stop::Torn(assignment));
                }
                tracing::error!("{}", Stop::Torn(assignment));
                self.give_up();
            }
        }
        Ok(())
    }

    /// Leaves all partitions to the group.
    fn give_up(&mut self) {
        let partitions: Vec<i32> = self.phases.keys().copied().collect();
        self.park();
        self.unlocated = None;
        self.status.joining();
        self.unassign(&partitions);
    }

    /// Leaves these to the group; the others' tasks go on.
    fn give_up_some(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.phases.remove(partition);
            self.parked.remove(partition);
        }
        if let Some(unlocated) = &mut self.unlocated {
            unlocated.remove(partitions);
        }
        self.status.revoked(partitions);
        self.unassign(partitions);
    }

    fn unassign(&self, partitions: &[i32]) {
        if let Some(Err(error)) = self.group.as_ref().map(|group| group.unassign(partitions)) {
            tracing::debug!("giving up the partitions: {error}");
        }
    }

    /// Tasks begin anew where the group says that they are.
    pub(super) fn relocate(&mut self) {
        let partitions: Vec<i32> = self.phases.keys().copied().collect();
        self.park();
        if !partitions.is_empty() {
            self.unlocated.get_or_insert_with(|| Unlocated::new(Vec::new())).add(partitions);
        }
    }

    /// Finds out where new partitions begin, and takes them.
    pub(super) fn locate(&mut self) -> Result<(), Stop> {
        if !self.is_settled() {
            return Ok(());
        }
        let (Some(unlocated), Some(group)) = (&mut self.unlocated, &self.group) else { return Ok(()) };
        let mut found = Vec::new();
        for &partition in &unlocated.partitions {
            let committed = group.committed(partition, PATIENCE);
            match committed.and_then(|committed| Ok((committed, group.bounds(partition, PATIENCE)?))) {
                Ok((committed, bounds)) => found.push((partition, committed, bounds)),
                Err(error) => {
                    // Such as a dead member's transaction that has not timed out yet.
                    tracing::debug!(partition, "where to begin: {error}");
                    if unlocated.told.elapsed() >= OVERDUE {
                        unlocated.told = Instant::now();
                        tracing::warn!(partition, "the group does not tell where to begin: {error}; {HANGING}");
                    }
                    return Ok(());
                }
            }
        }
        let given = self.unlocated.take().and_then(|unlocated| unlocated.given);
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
                    let windowing = Arc::clone(&self.windowing);
                    let restoring =
                        Restoring::new(&self.kafka, &self.topics.changelog, partition, position, windowing)?;
                    (next, Phase::Restoring(restoring, bounds))
                }
            };
            if given.as_ref().is_some_and(|given| given.contains(&partition)) {
                offsets.push((partition, vec![next.tweets, next.likes]));
            }
            self.status.located(partition, next);
            self.phases.insert(partition, phase);
        }
        self.parked.clear();
        if given.is_some()
            && let Err(error) = group.assign(&offsets)
        {
            // The group has moved on already, and will say so.
            tracing::warn!("cannot take the assigned partitions: {error}");
        }
        Ok(())
    }

    /// Brings tasks that do not run nearer to it.
    pub(super) fn advance(&mut self) -> Result<(), Stop> {
        let Some(group) = &self.group else { return Ok(()) };
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
                    match group.read_from(partition, &[next.tweets, next.likes]) {
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

    /// Puts all tasks aside, as they were at their last commit or before a commit whose outcome is unknown.
    pub(super) fn park(&mut self) {
        (self.ahead, self.drained, self.records) = (false, false, 0);
        for (partition, phase) in std::mem::take(&mut self.phases) {
            self.status.waiting(partition);
            if let Phase::Starting(task) | Phase::Running(task) = phase {
                self.parked.insert(partition, task);
            }
        }
    }
}

fn starts(bounds: &[PartitionBounds]) -> InputOffsets {
    let start = |topic: usize| bounds.get(topic).map_or(0, |bounds| bounds.start);
    InputOffsets { tweets: start(0), likes: start(1) }
}
