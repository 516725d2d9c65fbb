//! Reading a bounded piece of a topic again.

use std::time::{Duration, Instant};

use contracts::TraceParent;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError as ClientError,
};

use crate::{Isolation, KafkaConfig, KafkaError, TopicRecord, logging::Logged, reader::consumer};

/// Offsets of one partition: from `from` up to but not including `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The partition.
    pub partition: i32,
    /// The first offset.
    pub from: i64,
    /// One past the last offset.
    pub to: i64,
}

/// A record that outlives the client's buffers.
#[derive(Debug, Clone)]
pub struct OwnedRecord {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
}

/// Reads `ranges` of `topic` under read_committed, each partition in order. Blocks its thread, at most `patience`.
///
/// # Errors
/// Where the broker cannot be reached in time, or no longer has these offsets.
pub fn read_range(
    config: &KafkaConfig,
    topic: &str,
    ranges: &[Range],
    patience: Duration,
) -> Result<Vec<OwnedRecord>, KafkaError> {
    RangeReader::new(config, topic)?.read(ranges, patience)
}

/// Reads pieces of one topic over one connection, for whoever has several to read.
pub struct RangeReader {
    consumer: BaseConsumer<Logged>,
    topic: String,
}

impl RangeReader {
    /// Of `topic` (its full name).
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn new(config: &KafkaConfig, topic: &str) -> Result<Self, KafkaError> {
        Ok(Self { consumer: consumer(config, Isolation::Committed)?, topic: topic.to_owned() })
    }

    /// As [`read_range`]; ranges are of different partitions. After an error the reader is of no use any more.
    ///
    /// # Errors
    /// Where the broker cannot be reached in time, or no longer has these offsets.
    pub fn read(&mut self, ranges: &[Range], patience: Duration) -> Result<Vec<OwnedRecord>, KafkaError> {
        let open: Vec<Range> = ranges.iter().copied().filter(|range| range.from < range.to).collect();
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = TopicPartitionList::new();
        for range in &open {
            list.add_partition_offset(&self.topic, range.partition, Offset::Offset(range.from))?;
        }
        self.consumer.assign(&list)?;
        let records = gather(&self.consumer, &self.topic, open, patience)?;
        // Nothing more is fetched until the next call, which begins with no position.
        self.consumer.unassign()?;
        Ok(records)
    }
}

fn gather(
    consumer: &BaseConsumer<Logged>,
    topic: &str,
    mut open: Vec<Range>,
    patience: Duration,
) -> Result<Vec<OwnedRecord>, KafkaError> {
    let deadline = Instant::now() + patience;
    let mut records = Vec::new();
    while !open.is_empty() {
        let Some(left) = deadline.checked_duration_since(Instant::now()) else {
            return Err(KafkaError::new("the broker did not deliver the records in time"));
        };
        match consumer.poll(left) {
            None => {}
            Some(Ok(message)) => {
                let record = TopicRecord::of(&message);
                let Some(at) = open.iter().position(|range| range.partition == record.partition) else { continue };
                let range = &mut open[at];
                if record.offset < range.from {
                    // Fetched for an earlier piece.
                    continue;
                }
                range.from = record.offset + 1;
                if record.offset < range.to {
                    records.push(OwnedRecord {
                        partition: record.partition,
                        offset: record.offset,
                        timestamp: record.timestamp,
                        value: record.value.map(<[u8]>::to_vec),
                        trace: record.trace,
                    });
                }
                // The last offsets of a range may be transaction markers, which are never delivered: what comes after
                // them, or the partition's end, closes the range too.
                if record.offset + 1 >= range.to {
                    open.swap_remove(at);
                }
            }
            // A new leader whose high watermark still lags ends before records that were there: only the end behind
            // the range closes it.
            Some(Err(ClientError::PartitionEOF(partition))) => {
                let reached = position_of(consumer, topic, partition);
                open.retain(|range| range.partition != partition || reached < range.to);
            }
            Some(Err(error @ (ClientError::MessageConsumption(_) | ClientError::MessageConsumptionFatal(_)))) => {
                use rdkafka::error::RDKafkaErrorCode as Code;
                if matches!(
                    error.rdkafka_error_code(),
                    Some(Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::TopicAuthorizationFailed)
                ) || matches!(error, ClientError::MessageConsumptionFatal(_))
                {
                    return Err(error.into());
                }
            }
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(records)
}

/// The offset behind everything that came of a partition, markers included; before the first, less than any offset.
fn position_of(consumer: &BaseConsumer<Logged>, topic: &str, partition: i32) -> i64 {
    let positions = consumer.position().ok();
    let offset = positions.as_ref().and_then(|list| Some(list.find_partition(topic, partition)?.offset()));
    match offset {
        Some(Offset::Offset(next)) => next,
        _ => i64::MIN,
    }
}
