//! Reading a task's state back from the changelog.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kafka_client::{
    Isolation, KafkaConfig, KafkaError,
    transaction::{PartitionEvent, PartitionReader, RawEnds},
};

use super::{
    locating::{HANGING, OVERDUE},
    progress::Progress,
    stop::{Stop, Unrecoverable},
};
use crate::{
    changelog::{Applied, Position, Restore, Rounds, Unrestorable},
    proof::{Failpoint, Mutation, is, pass},
    store::Store,
    windows::Windowing,
};

/// How long the broker may take for one answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest wait for one partition's records, while other partitions may have some.
const PAUSE: Duration = Duration::from_millis(1);

/// A state that is on its way.
pub(super) struct Restoring {
    partition: i32,
    changelog: String,
    reader: PartitionReader,
    restore: Restore,
    windowing: Arc<Windowing>,
    /// The commit to end with; `None`: the last one that there is, because the group has forgotten which it was.
    goal: Option<Position>,
    /// The changelog's first offset, once reading has begun.
    reading_from: Option<i64>,
    /// The offset up to which there is something to read.
    end: i64,
    /// What a mutation does otherwise.
    mutated: Mutated,
    progress: Progress,
    logged: Instant,
}

#[derive(Default)]
struct Mutated {
    /// A slice was left out.
    skipped: bool,
    /// A pack that is applied once more.
    again: Option<Vec<u8>>,
}

/// A state that is there.
pub(super) struct Restored {
    pub(super) store: Store,
    /// The commit that it is of; `None`: there never was one.
    pub(super) position: Option<Position>,
    /// How far the changelog's round has come.
    pub(super) rounds: Rounds,
}

/// Whether reading has begun.
enum Begun {
    /// From here.
    Reading(i64),
    /// There is nothing to read; the changelog begins and ends here.
    Empty(i64),
    /// What is looked for is not committed yet, or the broker did not answer.
    NotYet,
}

impl Restoring {
    pub(super) fn new(
        kafka: &KafkaConfig,
        changelog: &str,
        partition: i32,
        goal: Option<Position>,
        windowing: Arc<Windowing>,
    ) -> Result<Self, KafkaError> {
        let (goal, isolation) = match goal {
            Some(_) if is(Mutation::PastRestoreTo) => (None, Isolation::Uncommitted),
            goal => (goal, Isolation::Committed),
        };
        let reader = PartitionReader::seeing(kafka, changelog, partition, isolation)?;
        let now = Instant::now();
        Ok(Self {
            partition,
            changelog: changelog.to_owned(),
            reader,
            restore: Restore::new(Arc::clone(&windowing)),
            windowing,
            goal,
            reading_from: None,
            end: 0,
            mutated: Mutated::default(),
            progress: Progress::new(partition, now),
            logged: now,
        })
    }

    /// Works for about `budget`. `None`: not there yet.
    pub(super) fn advance(&mut self, ends: &RawEnds, budget: Duration) -> Result<Option<Restored>, Stop> {
        let start = match self.reading_from {
            Some(start) => start,
            None => match self.begin(ends)? {
                Begun::Reading(start) => start,
                Begun::Empty(start) => return self.finish(start).map(Some),
                Begun::NotYet => {
                    self.log_waiting();
                    return Ok(None);
                }
            },
        };
        self.progress.tell();
        let until = Instant::now() + budget;
        loop {
            match self.reader.poll(PAUSE)? {
                PartitionEvent::Record(record) => {
                    pass(Failpoint::Restoring);
                    let offset = record.offset();
                    if self.goal.is_some_and(|goal| offset >= goal.restore_to) {
                        return Err(self.lacking(ends));
                    }
                    // Empty ones belong to transactions that were never meant to be committed; librdkafka's broker in
                    // memory shows them all the same.
                    if !record.value().is_empty() {
                        let taken = take(&mut self.restore, &mut self.mutated, offset, record.value());
                        let taken = taken.map_err(|fault| {
                            let reason = Unrecoverable::Record { offset, fault };
                            Stop::Reset { partition: self.partition, reason }
                        })?;
                        if taken == Applied::StartOver {
                            tracing::info!(partition = self.partition, offset, "a commit before this was given up");
                            self.reader.read_from(start)?;
                            continue;
                        }
                    }
                    self.progress.note(self.end.saturating_sub(offset + 1));
                    if self.goal.is_some_and(|goal| offset + 1 == goal.restore_to) {
                        return self.finish(start).map(Some);
                    }
                }
                // Reading began when everything that is looked for was committed, so here is the end.
                PartitionEvent::End if self.goal.is_some() => return Err(self.lacking(ends)),
                PartitionEvent::End => return self.finish(start).map(Some),
                PartitionEvent::PositionLost => return Err(self.lacking(ends)),
                PartitionEvent::Nothing => return Ok(None),
            }
            if Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    /// Whether records are on their way.
    pub(super) fn is_reading(&self) -> bool {
        self.reading_from.is_some()
    }

    /// Begins to read once what is looked for is committed: a transaction that is just ending would otherwise be missed.
    fn begin(&mut self, ends: &RawEnds) -> Result<Begun, Stop> {
        // The raw end first: what it counts, the committed end must have reached.
        let (end, bounds) = match ends.end(&self.changelog, self.partition, PATIENCE).and_then(|end| {
            let bounds = self.reader.committed_bounds(PATIENCE)?;
            Ok((end, bounds))
        }) {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(partition = self.partition, "the changelog's bounds: {error}");
                return Ok(Begun::NotYet);
            }
        };
        let from = match self.goal {
            Some(goal) => {
                if goal.restore_from < bounds.start || goal.restore_to > end {
                    return Err(self.lacking(ends));
                }
                if goal.restore_to > bounds.end {
                    return Ok(Begun::NotYet);
                }
                goal.restore_from
            }
            None if bounds.end < end => return Ok(Begun::NotYet),
            None if bounds.start == bounds.end => return Ok(Begun::Empty(bounds.start)),
            None => bounds.start,
        };
        self.reader.read_from(from)?;
        self.reading_from = Some(from);
        self.end = self.goal.map_or(bounds.end, |goal| goal.restore_to);
        self.progress.begin(self.end.saturating_sub(from));
        Ok(Begun::Reading(from))
    }

    fn finish(&mut self, start: i64) -> Result<Restored, Stop> {
        if let Some(pack) = self.mutated.again.take() {
            drop(self.restore.apply(-1, &pack));
        }
        let restore = std::mem::replace(&mut self.restore, Restore::new(Arc::clone(&self.windowing)));
        let (position, rounds) = (restore.last(), restore.rounds().unwrap_or_else(|| Rounds::new(start)));
        let wrong = match (self.goal, position) {
            (Some(goal), found) if found != Some(goal) => Some(Unrecoverable::OtherCommit { to: goal.restore_to }),
            (None, Some(last)) if last.restore_from < start => {
                let (from, to) = (last.restore_from, last.restore_to);
                Some(Unrecoverable::Lacking { from, to, start, end: last.restore_to })
            }
            _ => None,
        };
        if let Some(reason) = wrong {
            return Err(Stop::Reset { partition: self.partition, reason });
        }
        let store = restore.finish().map_err(|fault| {
            let reason = Unrecoverable::Record { offset: position.map_or(start, |last| last.restore_to), fault };
            Stop::Reset { partition: self.partition, reason }
        })?;
        self.progress.finish();
        Ok(Restored { store, position, rounds })
    }

    fn lacking(&self, ends: &RawEnds) -> Stop {
        let (from, to) = self.goal.map_or((0, 0), |goal| (goal.restore_from, goal.restore_to));
        let start = self.reader.committed_bounds(PATIENCE).map_or(-1, |bounds| bounds.start);
        let end = ends.end(&self.changelog, self.partition, PATIENCE).unwrap_or(-1);
        Stop::Reset { partition: self.partition, reason: Unrecoverable::Lacking { from, to, start, end } }
    }

    fn log_waiting(&mut self) {
        if self.logged.elapsed() >= OVERDUE {
            self.logged = Instant::now();
            tracing::warn!(partition = self.partition, "the changelog's end is not committed; {HANGING}");
        }
    }
}

/// Takes a record, unless a mutation has it otherwise.
fn take(restore: &mut Restore, mutated: &mut Mutated, offset: i64, value: &[u8]) -> Result<Applied, Unrestorable> {
    if is(Mutation::SkippedSlice) && !mutated.skipped && Restore::ends_round(value) {
        mutated.skipped = true;
        return Ok(Applied::Taken);
    }
    if is(Mutation::PackTwice) && mutated.again.is_none() && Restore::holds_pack(value) {
        mutated.again = Some(value.to_vec());
    }
    restore.apply(offset, value)
}
