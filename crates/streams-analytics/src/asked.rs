//! What a call for a top list asks for.

use contracts::Timestamp;

use crate::{error::Error, results::ALL, windows::WindowSpec};

/// The query of `…/top`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `None`: all time.
    pub(crate) window: Option<WindowSpec>,
    /// How many entries.
    pub(crate) n: usize,
    /// A time at which such a window begins.
    pub(crate) start: Option<Timestamp>,
}

impl Asked {
    /// Takes each parameter once, within its bounds: at most `top` entries, of one of `windows`.
    pub(crate) fn parse(query: &[(String, String)], top: usize, windows: &[WindowSpec]) -> Result<Self, Error> {
        let (mut window, mut n, mut start) = (None, None, None);
        for (name, value) in query {
            let (name, place) = match name.as_str() {
                "window" => ("window", &mut window),
                "n" => ("n", &mut n),
                "start" => ("start", &mut start),
                _ => return Err(Error::Parameter(name.clone())),
            };
            if place.replace(value.as_str()).is_some() {
                return Err(Error::Repeated(name));
            }
        }
        let window = match window {
            None | Some(ALL) => None,
            Some(size) => Some(*windows.iter().find(|spec| spec.name() == size).ok_or_else(|| Error::Window {
                asked: size.to_owned(),
                allowed: std::iter::once(ALL.to_owned()).chain(names(windows)).collect::<Vec<_>>().join(", "),
            })?),
        };
        let n = match n {
            None => top,
            Some(text) => match text.parse() {
                Ok(n) if (1..=top).contains(&n) => n,
                _ => return Err(Error::Length { n: text.to_owned(), top }),
            },
        };
        let start = start.map(|text| Timestamp::parse("start", text)).transpose()?;
        match (window, start) {
            (None, Some(_)) => Err(Error::StartOfAll(names(windows).collect::<Vec<_>>().join(", "))),
            (Some(spec), Some(start)) if start.millis().rem_euclid(spec.advance) != 0 => {
                let before = Timestamp::from_millis(start.millis() - start.millis().rem_euclid(spec.advance));
                Err(Error::Start { size: spec.name(), start, before })
            }
            _ => Ok(Self { window, n, start }),
        }
    }
}

fn names(windows: &[WindowSpec]) -> impl Iterator<Item = String> {
    windows.iter().map(WindowSpec::name)
}

#[cfg(test)]
mod tests {
    use service_shell::Problem;

    use super::*;

    const MINUTE: i64 = 60_000;
    const WINDOWS: [WindowSpec; 2] =
        [WindowSpec { size: 5 * MINUTE, advance: 5 * MINUTE }, WindowSpec { size: 60 * MINUTE, advance: 30 * MINUTE }];

    fn asked(query: &[(&str, &str)]) -> Result<Asked, String> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Asked::parse(&query, 10, &WINDOWS).map_err(|error| Problem::from(&error).detail().to_owned())
    }

    #[test]
    fn a_window_a_length_and_a_start_within_bounds_are_taken() {
        let taken = |window, n, start| Ok(Asked { window, n, start });
        assert_eq!(asked(&[]), taken(None, 10, None));
        assert_eq!(asked(&[("n", "3"), ("window", "all")]), taken(None, 3, None));
        assert_eq!(asked(&[("window", "5m")]), taken(Some(WINDOWS[0]), 10, None));
        // A window may hop, and a time may be written with any offset.
        let start = Timestamp::parse("start", "2026-11-22T14:30:00Z").expect("a time");
        let query = [("window", "1h"), ("start", "2026-11-22T15:30:00+01:00")];
        assert_eq!(asked(&query), taken(Some(WINDOWS[1]), 10, Some(start)));
    }

    #[test]
    fn others_are_refused_with_what_is_allowed() {
        let refused = |query: &[(&str, &str)]| asked(query).expect_err("refused");
        assert_eq!(refused(&[("window", "2h")]), "window: \"2h\" is not computed; allowed: all, 5m, 1h");
        assert_eq!(refused(&[("window", "")]), "window: \"\" is not computed; allowed: all, 5m, 1h");
        for n in ["0", "11", "-1", "ten", ""] {
            assert_eq!(refused(&[("n", n)]), format!("n: {n:?} is not a number from 1 to 10"));
        }
        assert_eq!(refused(&[("m", "1")]), "m: there is no such parameter; allowed: window, n, start");
        assert_eq!(refused(&[("n", "1"), ("n", "1")]), "n: is given more than once");
        let start = "2026-11-22T15:04:00Z";
        assert_eq!(refused(&[("start", start)]), "start: all time has none; name a window: 5m, 1h");
        assert_eq!(
            refused(&[("start", start), ("window", "5m")]),
            "start: no window of 5m begins at 2026-11-22T15:04:00.000Z; the nearest before begins at 2026-11-22T15:00:00.000Z"
        );
        for start in ["yesterday", "", "1795359840"] {
            assert!(refused(&[("start", start), ("window", "5m")]).contains("not an RFC 3339 time"), "{start:?}");
        }
    }
}
