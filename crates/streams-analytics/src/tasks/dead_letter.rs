//! Records that cannot be processed, on their way to `dead-letters`.

use std::fmt::Write as _;

use kafka_client::transaction::{InputRecord, OutRecord, TransactionError, TransactionalProducer};

use crate::record::Poison;

/// What of each part is kept, in bytes: client and broker take 1,000,000 with everything around it.
const VALUE_BYTES: usize = 900_000;
const HEADERS_BYTES: usize = 50_000;
const KEY_BYTES: usize = 10_000;
/// What is kept of a reason, in characters: a parser's may repeat the whole value.
const ERROR_CHARS: usize = 1_000;
/// What a header takes besides its name and value, at most.
const HEADER_FRAME: usize = 10;

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
        // An empty key would be hashed, and cannot be told from none in the client.
        let key = record.key().filter(|key| !key.is_empty());
        let origin = (topic, record.partition(), record.offset());
        Self::of(origin, key, record.value(), record.headers(), poison)
    }

    /// Of the record at `origin`: as much as fits into one that goes on.
    fn of(
        (topic, partition, offset): (&str, i32, i64),
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        mut headers: Vec<(String, Vec<u8>)>,
        poison: &Poison,
    ) -> Self {
        let mut cut = String::new();
        let mut kept = |part: &[u8], name: &str, most: usize| {
            if part.len() > most {
                let _ = write!(cut, " (the {name}'s first {most} of {} bytes are kept)", part.len());
            }
            part[..part.len().min(most)].to_vec()
        };
        let key = key.map(|key| kept(key, "key", KEY_BYTES));
        let value = value.map(|value| kept(value, "value", VALUE_BYTES));
        let (all, mut bytes) = (headers.len(), 0);
        headers.retain(|(name, value)| {
            bytes += name.len() + value.len() + HEADER_FRAME;
            bytes <= HEADERS_BYTES
        });
        if headers.len() < all {
            let _ = write!(cut, " (the first {} of {all} headers are kept)", headers.len());
        }
        let error = poison.to_string().chars().take(ERROR_CHARS).chain(cut.chars()).collect();
        Self { topic: topic.to_owned(), partition, offset, key, value, headers, error }
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
    use contracts::{Record as _, Tweet};

    use super::*;

    #[test]
    fn of_a_record_that_is_too_large_for_another_one_as_much_is_kept_as_fits() {
        // The parser's reason repeats the value.
        let json =
            format!(r#"{{"tweetId":"1","tagFilter":"a","likes":[],"text":7,"author":"{}"}}"#, "x".repeat(950_000));
        let json = json.replace(r#""text":7"#, &format!(r#""createdAt":"{}""#, "y".repeat(40_000)));
        let poison = Poison::from(Tweet::from_json(json.as_bytes()).expect_err("no time"));
        let headers = (0..100).map(|n| (format!("header-{n}"), vec![7; 1_000])).collect();
        let key = vec![8; 20_000];
        let letter = DeadLetter::of(("tweets", 1, 2), Some(&key), Some(json.as_bytes()), headers, &poison);
        let sizes = (letter.key.map(|key| key.len()), letter.value.map(|value| value.len()), letter.headers.len());
        assert_eq!(sizes, (Some(KEY_BYTES), Some(VALUE_BYTES), 49));
        let cut = &letter.error[letter.error.find(" (the key").expect("it says what was cut")..];
        let value = format!("(the value's first 900000 of {} bytes are kept)", json.len());
        assert_eq!(
            cut,
            format!(" (the key's first 10000 of 20000 bytes are kept) {value} (the first 49 of 100 headers are kept)")
        );
        assert!(letter.error.len() < 2_000, "{}", letter.error.len());
    }

    #[test]
    fn a_record_of_the_usual_size_is_kept_whole() {
        let headers = vec![("traceparent".to_owned(), b"00".to_vec())];
        let letter = DeadLetter::of(("tweets", 1, 2), Some(b"k"), Some(b"v"), headers.clone(), &Poison::NoValue);
        assert_eq!((letter.key, letter.value, letter.headers), (Some(b"k".to_vec()), Some(b"v".to_vec()), headers));
        assert_eq!(letter.error, "has no value");
    }

    #[test]
    fn more_than_the_ratio_over_a_thousand_records_is_too_much() {
        let mut ratio = PoisonRatio::new(0.5);
        let outcomes: Vec<_> =
            (0..2_000).map(|n| ratio.note(if n < 1_000 { n % 2 == 0 } else { n % 3 != 0 })).collect();
        assert!(outcomes[..1_999].iter().all(Result::is_ok), "half is allowed, and a span is judged at its end");
        assert_eq!(outcomes[1_999], Err((667, 1_000)));
    }
}
