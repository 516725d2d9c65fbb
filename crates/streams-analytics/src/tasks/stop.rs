//! Why the tasks cannot go on.

use crate::changelog::{BadMetadata, Unrestorable};

/// A reason that does not pass by itself; the process ends with it as its one line.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Another process with the same instance id has taken over.
    #[error("another process runs with this kafka.instance_id; it goes on, this one ends")]
    Fenced,
    /// The state of a partition cannot be had from the changelog.
    #[error("partition {partition}: {reason}; {}", reason.remedy())]
    Reset {
        /// The partition.
        partition: i32,
        /// What was found.
        reason: Unrecoverable,
    },
    /// The input topics' partitions do not go together.
    #[error("the group gave this member different partitions of the input topics: {0}")]
    Torn(
        /// Which.
        String,
    ),
    /// The broker has deleted input that was not processed yet, while this process was reading it.
    #[error(
        "input records were deleted before they were processed; `streams-analytics reset --from-retained` computes the \
         results anew from what is left"
    )]
    PositionLost,
    /// So many unreadable records that the producer's fault is more likely than theirs.
    #[error(
        "partition {partition}: {poison} of the last {of} records cannot be processed, the last one because: {last}"
    )]
    Poison {
        /// The partition.
        partition: i32,
        /// Unreadable ones.
        poison: u32,
        /// Of so many.
        of: u32,
        /// The last one's fault.
        last: String,
    },
    /// It would be refused again and again.
    #[error(
        "{0}; results and state need a max.message.bytes of at least 1000000 on every topic (and message.max.bytes of the \
         brokers)"
    )]
    TooLarge(
        /// Which record.
        kafka_client::KafkaError,
    ),
    /// The client is of no use any more.
    #[error(transparent)]
    Kafka(#[from] kafka_client::KafkaError),
}

/// Why a state cannot be recovered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrecoverable {
    /// Offsets of one topic alone, or offsets that do not belong together.
    #[error("the committed offsets of the two input topics do not belong together")]
    Divided,
    /// Offsets of others.
    #[error(transparent)]
    Metadata(#[from] BadMetadata),
    /// A record that cannot be read.
    #[error("the changelog cannot be read at offset {offset}: {fault}")]
    Record {
        /// Where.
        offset: i64,
        /// Its fault.
        fault: Unrestorable,
    },
    /// The changelog was cut, emptied or made anew.
    #[error("the committed state lies at {from}..{to} of the changelog, which holds {start}..{end}")]
    Lacking {
        /// restoreFrom.
        from: i64,
        /// restoreTo.
        to: i64,
        /// The changelog's first offset.
        start: i64,
        /// One past its last.
        end: i64,
    },
    /// Offsets that were moved by a tool that kept their metadata, or a changelog of another prefix.
    #[error("the changelog's commit that ends at {to} is not the one that belongs to the committed offsets")]
    OtherCommit {
        /// restoreTo.
        to: i64,
    },
    /// Retention was faster, or the topic was made anew.
    #[error("the next record of {topic} is {next}, but the topic holds {start}..{end}")]
    InputLost {
        /// The input topic.
        topic: String,
        /// The committed offset.
        next: i64,
        /// The topic's first offset.
        start: i64,
        /// One past its last.
        end: i64,
    },
}

impl Unrecoverable {
    /// What helps.
    fn remedy(&self) -> &'static str {
        match self {
            // Retention has deleted the beginning, too, so that the results cannot be rebuilt as they were.
            Self::InputLost { start, .. } if *start > 0 => {
                "`streams-analytics reset --from-retained` computes the results anew from what is left"
            }
            _ => "`streams-analytics reset` rebuilds the results from the input topics",
        }
    }
}
