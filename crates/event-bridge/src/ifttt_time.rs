//! Points in time as IFTTT writes them.

use contracts::{InvalidField, Timestamp};
use jiff::{fmt::strtime, tz::TimeZone};

/// IFTTT's own format, "November 22, 2026 at 03:04PM", and what users and older applets make of it.
const LOCAL: [&str; 4] =
    ["%B %d, %Y at %I:%M%p", "%B %d, %Y at %I:%M %p", "%b %d, %Y at %I:%M%p", "%b %d, %Y at %I:%M %p"];

/// How the platform itself wrote `created_at`: "Sun Nov 22 15:04:05 +0000 2026".
const PLATFORM: &str = "%a %b %d %H:%M:%S %z %Y";

/// The longest of all months and numbers is far below; a longer text is not worth six attempts.
const MAX_BYTES: usize = 64;

/// Reads `text` as IFTTT's format in `zone`, or as RFC 3339.
///
/// IFTTT names no zone: it is the one of the account's profile. An hour that the clock shows twice is the first of both.
///
/// # Errors
/// Names `createdAt` and the two formats.
pub(crate) fn parse(text: &str, zone: &TimeZone) -> Result<Timestamp, InvalidField> {
    let text = text.trim();
    if let Ok(time) = Timestamp::parse("createdAt", text) {
        return Ok(time);
    }
    local(text, zone).or_else(|| platform(text)).ok_or_else(|| {
        let reason = "is not a time such as \"November 22, 2026 at 03:04PM\" or 2026-11-22T15:04:05Z";
        InvalidField::new("createdAt", reason)
    })
}

fn local(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let parsed =
        LOCAL.iter().filter(|_| text.len() <= MAX_BYTES).find_map(|format| strtime::parse(format, text).ok())?;
    let time = zone.to_ambiguous_timestamp(parsed.to_datetime().ok()?).compatible().ok()?;
    Some(time.into())
}

fn platform(text: &str) -> Option<Timestamp> {
    if text.len() > MAX_BYTES {
        return None;
    }
    Some(strtime::parse(PLATFORM, text).ok()?.to_timestamp().ok()?.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).expect("a zone");
        parse(text, &zone).map_or_else(|refused| refused.to_string(), |time| time.to_string())
    }

    #[test]
    fn ifttts_format_is_read_in_the_configured_zone() {
        assert_eq!(read("November 22, 2026 at 03:04PM", "UTC"), "2026-11-22T15:04:00.000Z");
        assert_eq!(read("November 22, 2026 at 03:04PM", "Europe/Amsterdam"), "2026-11-22T14:04:00.000Z");
        assert_eq!(read("July 1, 2026 at 12:00AM", "America/New_York"), "2026-07-01T04:00:00.000Z");
        assert_eq!(read(" Nov 02, 2026 at 3:04 pm ", "UTC"), "2026-11-02T15:04:00.000Z");
    }

    #[test]
    fn an_hour_that_the_clock_shows_twice_is_the_first_and_one_that_it_skips_is_moved() {
        assert_eq!(read("October 25, 2026 at 02:30AM", "Europe/Amsterdam"), "2026-10-25T00:30:00.000Z");
        assert_eq!(read("March 29, 2026 at 02:30AM", "Europe/Amsterdam"), "2026-03-29T01:30:00.000Z");
    }

    #[test]
    fn rfc_3339_and_the_platforms_format_bring_their_own_zone() {
        assert_eq!(read("2026-11-22T16:04:05+01:00", "America/New_York"), "2026-11-22T15:04:05.000Z");
        assert_eq!(read("Sun Nov 22 15:04:05 +0000 2026", "America/New_York"), "2026-11-22T15:04:05.000Z");
    }

    #[test]
    fn another_format_is_refused_with_an_example() {
        let refused = "createdAt: is not a time such as \"November 22, 2026 at 03:04PM\" or 2026-11-22T15:04:05Z";
        for text in
            ["", "yesterday", "22/11/2026 15:04", "November 31, 2026 at 03:04PM", "November 22, 2026 at 13:04PM"]
        {
            assert_eq!(read(text, "UTC"), refused, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_minute_is_read_as_it_was_written(minute in 0_i64..40_000_000) {
            let time = jiff::Timestamp::from_second(minute * 60).expect("in range").to_zoned(TimeZone::UTC);
            let text = time.strftime("%B %d, %Y at %I:%M%p").to_string();
            prop_assert_eq!(parse(&text, &TimeZone::UTC), Ok(time.timestamp().into()));
        }

        #[test]
        fn no_text_panics(text in "[A-Za-z]{0,9} ?[0-9]{0,3},? ?[0-9-]{0,12} at ?[0-9:]{0,6}(AM|PM)?.{0,3}") {
            let _ = parse(&text, &TimeZone::UTC);
        }
    }
}
