//! Windows over event time: which contain a moment, and when they are closed.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::store::Millis;

/// Most windows that one moment may be in (`size / advance`): each of them is counted for every like.
const MOST_AT_ONCE: Millis = 12;

/// Windows of one size. Tumbling where a window begins as the one before it ends, hopping where it begins earlier.
/// They are aligned to the epoch: each begins at a multiple of `advance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSpec {
    /// How long a window is, in milliseconds.
    pub size: Millis,
    /// From the beginning of one window to that of the next, in milliseconds.
    pub advance: Millis,
}

/// Everything about time that results depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windowing {
    /// The sizes for which there are windows.
    pub windows: Vec<WindowSpec>,
    /// How long after its end a window still takes what comes late, in stream time.
    pub grace: Millis,
    /// How long a tweet takes likes, from its first like, in stream time.
    pub like_period: Millis,
}

impl WindowSpec {
    /// By minute: what the series of minutes is made of.
    pub const MINUTE: Self = Self { size: 60_000, advance: 60_000 };

    /// Such as `5m`: what the size is called in results and requests.
    pub fn name(&self) -> String {
        duration(self.size)
    }

    /// The beginnings of the windows that contain `time`, newest first.
    pub fn containing(self, time: Millis) -> impl Iterator<Item = Millis> {
        let newest = self.newest(time);
        std::iter::successors(Some(newest), move |start| Some(start - self.advance))
            .take_while(move |start| time < start + self.size)
    }

    /// The beginning of the newest window that contains `time`.
    pub fn newest(self, time: Millis) -> Millis {
        time.div_euclid(self.advance) * self.advance
    }

    /// Where the window that begins at `start` ends.
    pub fn end(self, start: Millis) -> Millis {
        start + self.size
    }

    /// Whether the window that begins at `start` takes nothing more at `stream_time`.
    pub fn is_closed(self, start: Millis, grace: Millis, stream_time: Option<Millis>) -> bool {
        stream_time.is_some_and(|now| now >= self.end(start) + grace)
    }
}

/// In the greatest unit that divides it: `90s`, `5m`, `1h`, `2d`.
fn duration(millis: Millis) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let (unit, name) = units.into_iter().find(|(unit, _)| millis % unit == 0).unwrap_or((1, "ms"));
    format!("{}{name}", millis / unit)
}

impl fmt::Display for WindowSpec {
    /// `5m`, or `1h/5m` for hopping windows: as in the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if self.advance == self.size { Ok(()) } else { write!(f, "/{}", duration(self.advance)) }
    }
}

impl FromStr for WindowSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (size, advance) = text.split_once('/').unwrap_or((text, text));
        let (size, advance) = (whole_seconds(size)?, whole_seconds(advance)?);
        if advance > size {
            return Err(format!("{text:?} advances by more than its size, so that some moments are in no window"));
        }
        if size > advance * MOST_AT_ONCE {
            return Err(format!("{text:?} has more than {MOST_AT_ONCE} windows at once; let it advance by more"));
        }
        Ok(Self { size, advance })
    }
}

fn whole_seconds(text: &str) -> Result<Millis, String> {
    let parsed = humantime::parse_duration(text.trim()).map_err(|error| format!("{text:?}: {error}"))?;
    match Millis::try_from(parsed.as_millis()) {
        Ok(millis) if millis % 1000 == 0 && (1_000..=7 * 86_400_000).contains(&millis) => Ok(millis),
        _ => Err(format!("{text:?} is not whole seconds from 1s to 7d")),
    }
}

impl Serialize for WindowSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Windowing {
    /// What results depend on, for the changelog: a state that was computed with another text is another state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows: Vec<String> = self.windows.iter().map(ToString::to_string).collect();
        let (grace, likes) = (duration(self.grace), duration(self.like_period));
        write!(f, "windows {}, grace {grace}, like period {likes}", windows.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> WindowSpec {
        text.parse().expect("a window")
    }

    #[test]
    fn a_moment_is_in_one_tumbling_window_and_in_several_hopping_ones() {
        let all = |text: &str, time| spec(text).containing(time).collect::<Vec<_>>();
        assert_eq!(all("5m", 299_999), [0]);
        assert_eq!(all("5m", 300_000), [300_000]);
        assert_eq!(all("10s/5s", 12_000), [10_000, 5_000]);
        assert_eq!(all("12s/5s", 11_000), [10_000, 5_000, 0]);
        assert_eq!(all("12s/5s", 13_000), [10_000, 5_000]);
        assert_eq!(all("10s", -1), [-10_000], "before the epoch, too");
    }

    #[test]
    fn a_window_closes_when_stream_time_has_passed_its_end_and_grace() {
        let spec = spec("10s");
        assert!(!spec.is_closed(0, 2_000, None));
        assert!(!spec.is_closed(0, 2_000, Some(11_999)));
        assert!(spec.is_closed(0, 2_000, Some(12_000)));
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        for text in ["5m", "1h", "90s", "1h/5m", "1d/2h", "12s/5s"] {
            assert_eq!(spec(text).to_string(), text);
        }
        assert_eq!(spec("60 min/ 5m").to_string(), "1h/5m");
    }

    #[test]
    fn windows_that_cannot_be_are_refused_with_the_reason() {
        for (text, part) in [
            ("", "\"\""),
            ("5", "\"5\""),
            ("1500ms", "whole seconds"),
            ("0s", "whole seconds"),
            ("30d", "from 1s to 7d"),
            ("5m/10m", "in no window"),
            ("1h/1m", "more than 12"),
        ] {
            let refused = text.parse::<WindowSpec>().expect_err(text);
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}
