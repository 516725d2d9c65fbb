//! What the rest of the process sees of the tasks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::changelog::InputOffsets;

/// Written by the tasks' thread, read by health checks and metrics.
#[derive(Default)]
pub(crate) struct Status(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// `None`: the group has not given anything yet.
    tasks: Option<BTreeMap<i32, Seat>>,
    /// Why there is no producer.
    unconnected: Option<String>,
}

#[derive(Default, Clone, Copy)]
struct Seat {
    running: bool,
    next: Option<InputOffsets>,
}

impl Status {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when all assigned tasks run. A member without partitions has none, and is ready to take some.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let seen = self.seen();
        if let Some(reason) = &seen.unconnected {
            return Err(reason.clone());
        }
        let Some(tasks) = &seen.tasks else { return Err("no partitions assigned by the group yet".into()) };
        let waiting: Vec<String> =
            tasks.iter().filter(|(_, seat)| !seat.running).map(|(partition, _)| partition.to_string()).collect();
        if waiting.is_empty() { Ok(()) } else { Err(format!("partitions being restored: {}", waiting.join(", "))) }
    }

    /// The assigned tasks' next input offsets, of those that are restored too; `None`: the group has not told it yet.
    pub(crate) fn positions(&self) -> BTreeMap<i32, Option<InputOffsets>> {
        let seen = self.seen();
        seen.tasks.iter().flatten().map(|(partition, seat)| (*partition, seat.next)).collect()
    }

    pub(super) fn unconnected(&self, reason: Option<String>) {
        self.seen().unconnected = reason;
    }

    /// The group has given these, too.
    pub(super) fn assigned(&self, partitions: &[i32]) {
        self.change(|seen| {
            let seats = partitions.iter().map(|partition| (*partition, Seat::default()));
            seen.tasks.get_or_insert_default().extend(seats);
        });
    }

    /// The group has taken these.
    pub(super) fn revoked(&self, partitions: &[i32]) {
        self.change(|seen| {
            seen.tasks.get_or_insert_default().retain(|partition, _| !partitions.contains(partition));
        });
    }

    /// The member joins anew: the group is about to give all that it gives.
    pub(super) fn joining(&self) {
        self.change(|seen| seen.tasks = None);
    }

    /// Where a task will go on, once it has its state.
    pub(super) fn located(&self, partition: i32, next: InputOffsets) {
        self.change(|seen| {
            if let Some(seat) = seen.tasks.as_mut().and_then(|tasks| tasks.get_mut(&partition)) {
                seat.next = Some(next);
            }
        });
    }

    pub(super) fn running(&self, partition: i32, next: InputOffsets) {
        self.change(|seen| {
            if let Some(seat) = seen.tasks.as_mut().and_then(|tasks| tasks.get_mut(&partition)) {
                *seat = Seat { running: true, next: Some(next) };
            }
        });
    }

    pub(super) fn waiting(&self, partition: i32) {
        self.change(|seen| {
            if let Some(seat) = seen.tasks.as_mut().and_then(|tasks| tasks.get_mut(&partition)) {
                seat.running = false;
            }
        });
    }

    /// Keeps the gauges true, too.
    fn change(&self, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen();
        change(&mut seen);
        let seats = seen.tasks.iter().flat_map(BTreeMap::values);
        metrics::gauge!("analytics_tasks_assigned").set(seats.clone().count() as f64);
        metrics::gauge!("analytics_tasks_running").set(seats.filter(|seat| seat.running).count() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_assigned_and_all_running() {
        let status = Status::default();
        assert_eq!(status.ready(), Err("no partitions assigned by the group yet".into()));
        status.assigned(&[0, 3]);
        status.running(0, InputOffsets { tweets: 1, likes: 2 });
        assert_eq!(status.ready(), Err("partitions being restored: 3".into()));
        status.located(3, InputOffsets { tweets: 5, likes: 6 });
        assert_eq!(status.positions()[&3], Some(InputOffsets { tweets: 5, likes: 6 }), "lag is told meanwhile");
        assert!(status.ready().is_err());
        status.running(3, InputOffsets { tweets: 0, likes: 0 });
        assert_eq!(status.ready(), Ok(()));
        status.waiting(0);
        assert!(status.ready().is_err());
        status.revoked(&[0]);
        assert_eq!(status.ready(), Ok(()), "it has what it runs");
        status.joining();
        status.assigned(&[]);
        assert_eq!(status.ready(), Ok(()), "more members than partitions");
    }
}
