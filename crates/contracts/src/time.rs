//! Points in time on the wire.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::InvalidField;

/// `google.protobuf.Timestamp`; in JSON RFC 3339 in UTC with exactly three fractional digits.
///
/// Years 1 to 9999, as the proto3 JSON mapping has it. Ordered by time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds within the second, 0 to 999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the bounds of the proto3 JSON mapping.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl Timestamp {
    /// The time that is `millis` milliseconds after the epoch; clamped to the years 1 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        let seconds = millis.div_euclid(1000).clamp(*SECONDS.start(), *SECONDS.end());
        let nanos = i32::try_from(millis.rem_euclid(1000) * 1_000_000).unwrap_or(0);
        Self { seconds, nanos }
    }

    /// Milliseconds since the epoch, the rest cut off.
    pub fn millis(self) -> i64 {
        self.seconds.clamp(*SECONDS.start(), *SECONDS.end()) * 1000 + i64::from(self.nanos / 1_000_000)
    }

    /// Reads RFC 3339 with any offset.
    ///
    /// # Errors
    /// Names `field` where `text` is no such time or lies outside the years 1 to 9999.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, InvalidField> {
        let bad = || InvalidField::new(field, "is not an RFC 3339 time such as 2026-11-22T15:04:05.000Z");
        let time: jiff::Timestamp = text.parse().map_err(|_| bad())?;
        if !SECONDS.contains(&time.as_second()) {
            return Err(bad());
        }
        Ok(Self::from_millis(time.as_millisecond()))
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Self::from_millis(time.as_millisecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.millis()).map_err(|_| fmt::Error)?;
        write!(f, "{time:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                Timestamp::parse("time", text).map_err(|refused| E::custom(refused.reason))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_digits_are_always_written() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn an_offset_is_read_as_the_same_instant() {
        let time = Timestamp::parse("createdAt", "2026-11-22T16:04:00+01:00").expect("RFC 3339");
        assert_eq!(time.to_string(), "2026-11-22T15:04:00.000Z");
    }

    proptest! {
        #[test]
        fn milliseconds_survive_the_way_through_json(millis in -62_135_596_800_000_i64..=253_402_300_799_999) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(time.millis(), millis);
            let json = serde_json::to_string(&time).expect("a string");
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("own output"), time);
        }

        #[test]
        fn no_text_makes_parse_panic(text in ".{0,40}") {
            let _ = Timestamp::parse("createdAt", &text);
        }
    }
}
