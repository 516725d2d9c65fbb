//! tweet-listener beside what was measured in the same run.

use std::fmt;

use crate::bench::report::{Aim, Row};

/// A value of tweet-listener as a multiple of the bare loop's, and the peer's where there is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ratio {
    ours: f64,
    peer: Option<f64>,
}

impl Ratio {
    /// Of the rows of one measurement: the bare loop's, perhaps the peer's, and tweet-listener's.
    pub(super) fn of(rows: &[Row], column: usize) -> Self {
        let (bare, ours) = (rows[0].values[column], rows[rows.len() - 1].values[column]);
        Self { ours: ours / bare, peer: (rows.len() > 2).then(|| rows[1].values[column] / bare) }
    }

    /// That it is at least `limit`.
    pub(super) fn at_least(self, what: impl fmt::Display, limit: f64) -> Aim {
        let wanted = format!("{what} ≥ {limit} × the bare loop's");
        Aim { wanted, found: self.to_string(), met: self.ours >= limit }
    }

    /// That it is at most `limit`.
    pub(super) fn at_most(self, what: impl fmt::Display, limit: f64) -> Aim {
        let wanted = format!("{what} ≤ {limit} × the bare loop's");
        Aim { wanted, found: self.to_string(), met: self.ours <= limit }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ×", self.ours)?;
        self.peer.map_or(Ok(()), |peer| write!(f, " (nchan {peer:.3} ×)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_the_first_row_and_shows_the_peer_between() {
        let rows = [Row::new("bare loop", [10.0]), Row::new("nchan", [5.0]), Row::new("tweet-listener", [9.0])];
        let aim = Ratio::of(&rows, 0).at_least("sweep", 0.9);
        assert_eq!(
            (aim.wanted.as_str(), aim.found.as_str()),
            ("sweep ≥ 0.9 × the bare loop's", "0.900 × (nchan 0.500 ×)")
        );
        assert!(aim.met);
        let without = Ratio::of(&[rows[0].clone(), rows[2].clone()], 0).at_most("p99", 0.8);
        assert_eq!((without.found.as_str(), without.met), ("0.900 ×", false));
    }
}
