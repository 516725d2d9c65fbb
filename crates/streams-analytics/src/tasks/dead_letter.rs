//! Records that cannot be processed, on their way to `dead-letters`.

use kafka_client::transaction::{InputRecord, OutRecord, TransactionError, TransactionalProducer};

use crate::record::Poison;

/// What of a value is kept: the broker takes 1 MiB with everything around it.
const KEPT_BYTES: usize = 900_000;

/// An input record and its fault.
pub(super) struct DeadLetter {
    /// The full name of the topic that it stands on.
    topic: String,
    partition: i32,
    offset: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
    error: String,
}

impl DeadLetter {
    pub(super) fn new(topic: &str, record: &InputRecord<'_>, poison: &Poison) -> Self {
        Self {
            topic: topic.to_owned(),
            partition: record.partition(),
            offset: record.offset(),
            // An empty key would be hashed, and cannot be told from none in the client.
            key: record.key().filter(|key| !key.is_empty()).map(<[u8]>::to_vec),
            value: record.value().map(|value| value[..value.len().min(KEPT_BYTES)].to_vec()),
            headers: record.headers(),
            error: match record.value() {
                Some(value) if value.len() > KEPT_BYTES => {
                    format!("{poison} (the value's first {KEPT_BYTES} of {} bytes are kept)", value.len())
                }
                _ => poison.to_string(),
            },
        }
    }

    /// Writes it to `topic`, with the original's key, value and headers, and where and why it failed in headers.
    pub(super) fn send(&self, producer: &TransactionalProducer, topic: &str) -> Result<(), TransactionError> {
        let (partition, offset) = (self.partition.to_string(), self.offset.to_string());
        let mut headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        headers.extend([
            ("origin_topic", self.topic.as_bytes()),
            ("origin_partition", partition.as_bytes()),
            ("origin_offset", offset.as_bytes()),
            ("error", self.error.as_bytes()),
        ]);
        let record = OutRecord {
            topic,
            partition: self.partition,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        };
        producer.send(record).map(drop)
    }

    pub(super) fn log(&self) {
        tracing::warn!(
            topic = self.topic,
            partition = self.partition,
            offset = self.offset,
            "not processed, goes to dead-letters: {}",
            self.error
        );
    }
}

/// Whether unreadable records are still the exception.
pub(super) struct PoisonRatio {
    /// Of the records of one span, at most this part may be poison.
    limit: f64,
    seen: u32,
    poison: u32,
}

/// Records over which the ratio is taken.
const SPAN: u32 = 1_000;

impl PoisonRatio {
    pub(super) fn new(limit: f64) -> Self {
        Self { limit, seen: 0, poison: 0 }
    }

    /// Counts a record. `Err` where too many of the last ones were poison: how many, of how many.
    pub(super) fn note(&mut self, poison: bool) -> Result<(), (u32, u32)> {
        self.seen += 1;
        self.poison += u32::from(poison);
        if self.seen < SPAN {
            return Ok(());
        }
        let (poison, seen) = (self.poison, self.seen);
        (self.seen, self.poison) = (0, 0);
        if f64::from(poison) > self.limit * f64::from(seen) { Err((poison, seen)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_ratio_over_a_thousand_records_is_too_much() {
        let mut ratio = PoisonRatio::new(0.5);
        let outcomes: Vec<_> =
            (0..2_000).map(|n| ratio.note(if n < 1_000 { n % 2 == 0 } else { n % 3 != 0 })).collect();
        assert!(outcomes[..1_999].iter().all(Result::is_ok), "half is allowed, and a span is judged at its end");
        assert_eq!(outcomes[1_999], Err((667, 1_000)));
    }
}
