//! Finding out where partitions begin, beside the thread that computes: an answer can take as long as the transaction of a
//! member that has died, and the other partitions shall not wait for it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use kafka_client::{
    KafkaError, PartitionBounds,
    transaction::{CommittedOffset, GroupObserver},
};

/// How long the broker may take for one answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between an answer that says nothing and the next question.
const AGAIN: Duration = Duration::from_millis(200);
/// A dead member's transaction is ended by the broker after 10 s (`transaction.timeout.ms`), which it looks for every
/// 10 s (`transaction.abort.timed.out.transaction.cleanup.interval.ms`). What lasts longer than both needs somebody.
pub(super) const OVERDUE: Duration = Duration::from_secs(30);

/// What to do about it.
pub(super) const HANGING: &str = "a transaction may be hanging, see kafka-transactions.sh find-hanging";

/// Where a partition's task begins.
pub(super) struct Location {
    /// What the group has committed, per input topic.
    pub(super) committed: Vec<Option<CommittedOffset>>,
    /// What the input topics hold.
    pub(super) bounds: Vec<PartitionBounds>,
}

/// Partitions for which it is not known yet where to begin.
pub(super) struct Locating {
    group: Arc<GroupObserver>,
    wanted: BTreeMap<i32, Wanted>,
    /// Of the next question. Answers to questions that are no longer wanted are known by it.
    number: u64,
    answers: Receiver<Answer>,
    answer: Sender<Answer>,
}

struct Wanted {
    /// The number of the question that is on its way.
    asked: Option<u64>,
    /// When to ask again.
    due: Instant,
    /// When it was wanted, or last said to be overdue.
    told: Instant,
}

struct Answer {
    partition: i32,
    number: u64,
    location: Result<Location, KafkaError>,
}

impl Locating {
    pub(super) fn new(group: Arc<GroupObserver>) -> Self {
        let (answer, answers) = channel();
        Self { group, wanted: BTreeMap::new(), number: 0, answers, answer }
    }

    /// Whether any partition waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// These shall be located, as they are from now on.
    pub(super) fn want(&mut self, partitions: impl IntoIterator<Item = i32>) {
        let now = Instant::now();
        for partition in partitions {
            self.wanted.insert(partition, Wanted { asked: None, due: now, told: now });
        }
    }

    /// The same for these and for all that wait already.
    pub(super) fn want_all(&mut self, partitions: impl IntoIterator<Item = i32>) {
        let waiting: Vec<i32> = self.wanted.keys().copied().collect();
        self.want(partitions.into_iter().chain(waiting));
    }

    /// Whether this one waits.
    pub(super) fn wants(&self, partition: i32) -> bool {
        self.wanted.contains_key(&partition)
    }

    /// These are somebody else's.
    pub(super) fn forget(&mut self, partitions: &[i32]) {
        self.wanted.retain(|partition, _| !partitions.contains(partition));
    }

    /// All are somebody else's.
    pub(super) fn forget_all(&mut self) {
        self.wanted.clear();
    }

    /// Asks where it is time to, and returns what is known by now.
    pub(super) fn located(&mut self) -> Vec<(i32, Location)> {
        let mut located = Vec::new();
        for Answer { partition, number, location } in self.answers.try_iter() {
            let Some(wanted) = self.wanted.get_mut(&partition).filter(|wanted| wanted.asked == Some(number)) else {
                continue;
            };
            match location {
                Ok(location) => {
                    self.wanted.remove(&partition);
                    located.push((partition, location));
                }
                Err(error) => {
                    // Such as a dead member's transaction that has not timed out yet.
                    tracing::debug!(partition, "where to begin: {error}");
                    if wanted.told.elapsed() >= OVERDUE {
                        wanted.told = Instant::now();
                        tracing::warn!(partition, "the group does not tell where to begin: {error}; {HANGING}");
                    }
                    (wanted.asked, wanted.due) = (None, Instant::now() + AGAIN);
                }
            }
        }
        let now = Instant::now();
        for (partition, wanted) in &mut self.wanted {
            if wanted.asked.is_none() && now >= wanted.due {
                self.number += 1;
                wanted.asked = Some(self.number);
                ask(*partition, self.number, &self.group, &self.answer);
            }
        }
        located
    }
}

/// On a thread of its own, of which there are as many as partitions wait.
fn ask(partition: i32, number: u64, group: &Arc<GroupObserver>, answer: &Sender<Answer>) {
    let (group, answer) = (Arc::clone(group), answer.clone());
    std::thread::spawn(move || {
        let location = group
            .committed(partition, PATIENCE)
            .and_then(|committed| Ok(Location { committed, bounds: group.bounds(partition, PATIENCE)? }));
        // Nobody listens any more where the process ends.
        let _ = answer.send(Answer { partition, number, location });
    });
}
