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

    /// The running tasks' next input offsets.
    pub(crate) fn positions(&self) -> BTreeMap<i32, InputOffsets> {
        let seen = self.seen();
        let tasks = seen.tasks.iter().flatten();
        tasks.filter_map(|(partition, seat)| Some((*partition, seat.next?))).collect()
    }

    pub(super) fn unconnected(&self, reason: Option<String>) {
        self.seen().unconnected = reason;
    }

    pub(super) fn assigned(&self, partitions: &[i32]) {
        self.seen().tasks = Some(partitions.iter().map(|partition| (*partition, Seat::default())).collect());
    }

    /// The group is about to give anew.
    pub(super) fn revoked(&self) {
        self.seen().tasks = None;
    }

    pub(super) fn running(&self, partition: i32, next: InputOffsets) {
        if let Some(seat) = self.seen().tasks.as_mut().and_then(|tasks| tasks.get_mut(&partition)) {
            *seat = Seat { running: true, next: Some(next) };
        }
    }

    pub(super) fn waiting(&self, partition: i32) {
        if let Some(seat) = self.seen().tasks.as_mut().and_then(|tasks| tasks.get_mut(&partition)) {
            seat.running = false;
        }
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
        status.running(3, InputOffsets { tweets: 0, likes: 0 });
        assert_eq!(status.ready(), Ok(()));
        status.waiting(0);
        assert!(status.ready().is_err());
        status.assigned(&[]);
        assert_eq!(status.ready(), Ok(()), "more members than partitions");
    }
}
