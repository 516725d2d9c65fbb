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
        if let Some(millis) = written(text.as_bytes()) {
            return Ok(Self::from_millis(millis));
        }
        let bad = || InvalidField::new(field, "is not an RFC 3339 time such as 2026-11-22T15:04:05.000Z");
        let time: jiff::Timestamp = text.parse().map_err(|_| bad())?;
        if !SECONDS.contains(&time.as_second()) {
            return Err(bad());
        }
        Ok(Self::from_millis(time.as_millisecond()))
    }
}

/// Reads the one form in which we write times, which is that of nearly every time that is ever read. `None`: another form,
/// or no time.
fn written(text: &[u8]) -> Option<i64> {
    let [y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0, b'T', h1, h0, b':', i1, i0, b':', s1, s0, b'.', f2, f1, f0, b'Z'] =
        text
    else {
        return None;
    };
    let number = |digits: &[&u8]| {
        digits
            .iter()
            .try_fold(0_i64, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(**digit - b'0')))
    };
    let (year, month, day) = (number(&[y3, y2, y1, y0])?, number(&[m1, m0])?, number(&[d1, d0])?);
    let (hour, minute, second) = (number(&[h1, h0])?, number(&[i1, i0])?, number(&[s1, s0])?);
    // Days that only some months have, and leap seconds, are left to the full parser.
    if year == 0 || !(1..=12).contains(&month) || !(1..=28).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since the epoch of the proleptic Gregorian calendar, with years that begin in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + number(&[f2, f1, f0])?)
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

    proptest! {
        #[test]
        fn what_we_write_is_read_as_the_full_parser_reads_it(millis in -62_135_596_800_000_i64..253_402_300_800_000) {
            let text = Timestamp::from_millis(millis).to_string();
            if let Some(read) = written(text.as_bytes()) {
                prop_assert_eq!(read, millis, "{}", text);
            }
            prop_assert_eq!(Timestamp::parse("at", &text).map(Timestamp::millis), Ok(millis));
        }
    }

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
