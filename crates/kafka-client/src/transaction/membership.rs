//! What the group coordinator gives and takes.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol},
    error::KafkaError as ClientError,
    topic_partition_list::TopicPartitionListElem,
    types::RDKafkaRespErr,
};

use crate::logging;

/// A change of what this member owns. Partitions are those of every input topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These partitions are this member's, too, until they are revoked. Answered by [`crate::transaction::Group::assign`].
    Assigned(Vec<i32>),
    /// They are to be given up. Answered by [`crate::transaction::Group::unassign`], until which the group waits.
    Revoked {
        /// Which; all of this member's, unless it is cooperative.
        partitions: Vec<i32>,
        /// Whether the member joins anew, so that the next assignment names all that it has then.
        rejoins: bool,
        /// Already another member's, perhaps: nothing can be committed any more.
        lost: bool,
    },
    /// Topics whose partitions p do not go together to one member: the input cannot be processed like that.
    Torn(String),
}

/// Keeps changes for the thread that polls, so that it answers them with all its state at hand and not inside a callback.
#[derive(Default)]
pub(super) struct Membership {
    changes: Mutex<VecDeque<Change>>,
    /// The member is leaving: nobody will answer.
    leaving: AtomicBool,
}

impl Membership {
    pub(super) fn next_change(&self) -> Option<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        logging::line(level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        logging::error(&error, reason);
    }
}

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        if self.leaving.load(Ordering::Acquire) {
            // Closing waits until nothing is assigned.
            let answered = match consumer.rebalance_protocol() {
                RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
                _ => consumer.unassign(),
            };
            if let Err(error) = answered {
                tracing::debug!("leaving the group: {error}");
            }
            return;
        }
        let change = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => together(partitions),
            _ => {
                let mut revoked: Vec<i32> =
                    partitions.elements().iter().map(TopicPartitionListElem::partition).collect();
                revoked.sort_unstable();
                revoked.dedup();
                Change::Revoked {
                    partitions: revoked,
                    rejoins: !matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative),
                    lost: consumer.assignment_lost(),
                }
            }
        };
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }
}

/// The partitions, where each was assigned for all topics.
fn together(assigned: &TopicPartitionList) -> Change {
    let mut by_topic: Vec<(String, Vec<i32>)> = Vec::new();
    for element in assigned.elements() {
        match by_topic.iter_mut().find(|(topic, _)| topic == element.topic()) {
            Some((_, partitions)) => partitions.push(element.partition()),
            None => by_topic.push((element.topic().to_owned(), vec![element.partition()])),
        }
    }
    for (_, partitions) in &mut by_topic {
        partitions.sort_unstable();
    }
    let Some((_, first)) = by_topic.first().cloned() else { return Change::Assigned(Vec::new()) };
    if by_topic.len() > 1 && by_topic.iter().all(|(_, partitions)| *partitions == first) {
        return Change::Assigned(first);
    }
    Change::Torn(
        by_topic.iter().map(|(topic, partitions)| format!("{topic} {partitions:?}")).collect::<Vec<_>>().join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(elements: &[(&str, i32)]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in elements {
            list.add_partition(topic, *partition);
        }
        list
    }

    #[test]
    fn partitions_that_come_for_one_topic_alone_are_torn() {
        assert_eq!(together(&list(&[("a", 1), ("b", 1), ("b", 0), ("a", 0)])), Change::Assigned(vec![0, 1]));
        assert_eq!(together(&list(&[])), Change::Assigned(vec![]));
        assert_eq!(together(&list(&[("a", 0), ("b", 1)])), Change::Torn("a [0], b [1]".into()));
        assert_eq!(together(&list(&[("a", 0)])), Change::Torn("a [0]".into()));
    }
}
