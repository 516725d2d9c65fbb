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
    locating::Location,
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
/// What a partition's task is doing.
pub(super) enum Phase {
    /// Its state is being read back; with the input topics' bounds as found at the assignment.
    Restoring(Restoring, Vec<PartitionBounds>),
    /// It has its state, and its input is about to be read from there.
    Starting(Task),
    /// It takes input.
    Running(Task),
}

impl Runner {
    /// Takes what the group gives, and gives up what it takes.
    pub(super) fn change(&mut self, change: Change) -> Result<(), Stop> {
        match change {
            Change::Assigned(partitions) => {
                tracing::info!(?partitions, "assigned");
                pass(Failpoint::Assigned);
                self.status.assigned(&partitions);
                self.locating.want(partitions.iter().copied());
                self.parked.retain(|partition, _| self.locating.wants(*partition));
                self.nexts.clear();
                self.given.get_or_insert_default().extend(partitions);
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
        self.given = None;
        self.park();
        self.locating.forget_all();
        self.status.joining();
        self.unassign(&partitions);
    }

    /// Leaves these to the group; the others' tasks go on.
    fn give_up_some(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.phases.remove(partition);
            self.parked.remove(partition);
        }
        if let Some(given) = &mut self.given {
            given.retain(|partition| !partitions.contains(partition));
        }
        self.locating.forget(partitions);
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
        self.nexts.clear();
        self.locating.want_all(partitions);
    }

    /// Lets tasks begin where the group says that they are.
    pub(super) fn locate(&mut self) -> Result<(), Stop> {
        // Before that, what the group says may be taken back.
        if !self.is_settled() || self.group.is_none() {
            return Ok(());
        }
        for (partition, Location { committed, bounds }) in self.locating.located() {
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
            self.status.located(partition, next);
            self.nexts.insert(partition, next);
            self.phases.insert(partition, phase);
        }
        self.accept();
        Ok(())
    }

    /// Takes what the group has given, once it is known where all of it begins: librdkafka takes an assignment as a whole,
    /// and a place to read from that was wrong at first was not always put right by a later seek.
    fn accept(&mut self) {
        let (Some(given), Some(group)) = (&self.given, &self.group) else { return };
        let offsets = given.iter().map(|partition| {
            let next = self.nexts.get(partition)?;
            Some((*partition, vec![next.tweets, next.likes]))
        });
        let Some(offsets) = offsets.collect::<Option<Vec<_>>>() else { return };
        if let Err(error) = group.assign(&offsets) {
            // The group has moved on already, and will say so.
            tracing::warn!("cannot take the assigned partitions: {error}");
        }
        self.given = None;
        self.nexts.clear();
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
