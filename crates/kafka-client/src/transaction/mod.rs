//! The parts of a transactional task: input of a consumer group, output of a transactional producer, both committed as
//! one, and state that is read back from a partition.
//!
//! All calls block: they belong on a thread of their own.

mod cutter;
mod group;
mod hanging;
mod membership;
mod observer;
mod partition;
mod producer;
mod reports;

pub use cutter::LogCutter;
pub use group::{Assignment, CommittedOffset, Group, GroupOptions, InputRecord, Polled};
pub use hanging::Open;
pub use membership::Change;
pub use observer::GroupObserver;
pub use partition::{PartitionEvent, PartitionReader, PartitionRecord, RawEnds};
pub use producer::{OutRecord, TransactionError, TransactionalProducer};
