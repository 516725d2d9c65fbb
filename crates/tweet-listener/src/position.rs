//! A place in the stream: the id of Server-Sent Events.

use contracts::murmur2;
use kafka_client::Layout;

/// The next offset of each partition of `tweets`: everything before has been seen. Partially ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position(pub Vec<i64>);

impl Position {
    /// Whether nothing that `other` has seen is missing here.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, others)| mine >= others)
    }

    /// How many offsets lie between this position and `end`, partitions that are ahead of it not counted.
    pub fn distance_to(&self, end: &Self) -> i64 {
        self.0.iter().zip(&end.0).map(|(from, to)| (to - from).max(0)).sum()
    }
}

/// Writes and reads ids: `1-<fingerprint>-<offset>.<offset>…`, offsets in base 36.
///
/// The leading number is the format; the fingerprint stands for cluster, topic and partition count, so that an id of
/// another log is known as such. Valid at every replica and after every restart, since it says only where in Kafka.
#[derive(Debug, Clone)]
pub struct StreamIds {
    prefix: String,
    partitions: usize,
}

/// Why an id cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadId {
    /// Not an id of this format.
    Malformed,
    /// An id of another cluster, topic or partition count.
    Foreign,
}

const FORMAT: &str = "1";

impl StreamIds {
    /// For the log `topic` (its full name) in the cluster of `layout`.
    pub fn new(layout: &Layout, topic: &str) -> Self {
        let identity = format!("{}/{topic}/{}", layout.cluster_id, layout.partitions);
        Self {
            prefix: format!("{FORMAT}-{:08x}-", murmur2(identity.as_bytes())),
            partitions: usize::try_from(layout.partitions).unwrap_or(0),
        }
    }

    /// The id of `position`.
    pub fn write(&self, position: &Position) -> String {
        let mut id = String::with_capacity(self.prefix.len() + 6 * position.0.len());
        id.push_str(&self.prefix);
        for (at, offset) in position.0.iter().enumerate() {
            if at > 0 {
                id.push('.');
            }
            push_base36(&mut id, *offset);
        }
        id
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`BadId`].
    pub fn read(&self, id: &str) -> Result<Position, BadId> {
        // An id of the largest topic that makes sense is far shorter; this bounds what a stranger can have us parse.
        if id.len() > 16 * 1024 {
            return Err(BadId::Malformed);
        }
        let mut parts = id.splitn(3, '-');
        let (Some(format), Some(fingerprint), Some(offsets)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadId::Malformed);
        };
        if format != FORMAT || fingerprint.len() != 8 || !fingerprint.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BadId::Malformed);
        }
        let offsets: Vec<i64> = offsets.split('.').map(read_base36).collect::<Option<_>>().ok_or(BadId::Malformed)?;
        if !id.starts_with(&self.prefix) || offsets.len() != self.partitions {
            return Err(BadId::Foreign);
        }
        Ok(Position(offsets))
    }
}

fn push_base36(text: &mut String, number: i64) {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut rest = number.max(0).cast_unsigned();
    let mut digits = [0_u8; 13];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = DIGITS[usize::try_from(rest % 36).expect("below 36")];
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    text.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

fn read_base36(text: &str) -> Option<i64> {
    let written_by_us = (1..=13).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z'));
    if written_by_us { i64::from_str_radix(text, 36).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(cluster: &str, partitions: i32) -> StreamIds {
        StreamIds::new(&Layout { cluster_id: cluster.into(), partitions }, "tweets")
    }

    #[test]
    fn an_id_of_another_cluster_topic_or_partition_count_is_foreign() {
        let id = ids("a", 2).write(&Position(vec![1, 2]));
        assert_eq!(ids("b", 2).read(&id), Err(BadId::Foreign));
        assert_eq!(ids("a", 3).read(&id), Err(BadId::Foreign));
        let other = StreamIds::new(&Layout { cluster_id: "a".into(), partitions: 2 }, "x-tweets");
        assert_eq!(other.read(&id), Err(BadId::Foreign));
    }

    #[test]
    fn what_is_no_id_is_malformed() {
        for text in [
            "",
            "1",
            "1-",
            "garbage",
            "2-00000000-1.2",
            "1-zzzzzzzz-1",
            "1-00000000-",
            "1-00000000-1..2",
            "1-00000000--1",
        ] {
            assert_eq!(ids("a", 2).read(text), Err(BadId::Malformed), "{text}");
        }
        assert_eq!(ids("a", 2).read(&"1-00000000-".repeat(10_000)), Err(BadId::Malformed));
    }

    proptest! {
        #[test]
        fn an_id_reads_back_as_its_position(offsets in proptest::collection::vec(0..=i64::MAX, 1..70)) {
            let ids = ids("a", i32::try_from(offsets.len()).expect("few"));
            let position = Position(offsets);
            prop_assert_eq!(ids.read(&ids.write(&position)), Ok(position));
        }

        #[test]
        fn no_text_makes_read_panic(text in ".{0,60}") {
            let _ = ids("a", 2).read(&text);
        }
    }
}
