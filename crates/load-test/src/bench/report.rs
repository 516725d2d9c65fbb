//! What a bench says, as a table and as JSON.

use std::fmt;

use serde::Serialize;

/// The outcome of one bench.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) bench: &'static str,
    /// What was done.
    pub(super) measured: String,
    /// Process by process, in the order in which a post goes through them, with their cores.
    pub(super) path: Vec<String>,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    pub(super) aims: Vec<Aim>,
    /// What was checked; where a check fails there is no report.
    pub(super) checked: String,
}

/// One line of a table.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
}

/// What the design wants.
#[derive(Debug, Serialize)]
pub(super) struct Aim {
    pub(super) wanted: String,
    pub(super) found: String,
    pub(super) met: bool,
}

impl Row {
    pub(super) fn new(name: impl Into<String>, values: impl Into<Vec<f64>>) -> Self {
        Self { name: name.into(), values: values.into() }
    }
}

/// The median of each value over several rounds, which have the same rows.
pub(super) fn medians(rounds: &[Vec<Row>]) -> Vec<Row> {
    let Some(first) = rounds.first() else { return Vec::new() };
    let median = |row: usize, value: usize| {
        let mut values: Vec<f64> = rounds.iter().map(|rows| rows[row].values[value]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let rows = first.iter().enumerate();
    rows.map(|(at, row)| Row::new(&row.name, (0..row.values.len()).map(|value| median(at, value)).collect::<Vec<_>>()))
        .collect()
}

/// Four significant digits, thousands apart.
fn number(value: f64) -> String {
    if value.abs() >= 1000.0 {
        let digits = format!("{:.0}", value.abs());
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                text.push(',');
            }
            text.push(digit);
        }
        return if value < 0.0 { format!("-{text}") } else { text };
    }
    let places = match value.abs() {
        big if big >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.places$}")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.bench, self.measured)?;
        writeln!(f, "  path: {}", self.path.join(" → "))?;
        let name_width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let values: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.values.iter().map(|value| number(*value)).collect()).collect();
        let width = |at: usize| {
            let longest = values.iter().filter_map(|row| row.get(at)).map(String::len).max().unwrap_or(0);
            longest.max(self.columns[at].chars().count())
        };
        write!(f, "  {:name_width$}", "")?;
        for (at, column) in self.columns.iter().enumerate() {
            write!(f, "  {column:>width$}", width = width(at))?;
        }
        writeln!(f)?;
        for (row, values) in self.rows.iter().zip(&values) {
            write!(f, "  {:name_width$}", row.name)?;
            for (at, value) in values.iter().enumerate() {
                write!(f, "  {value:>width$}", width = width(at))?;
            }
            writeln!(f)?;
        }
        for aim in &self.aims {
            writeln!(f, "  aim {}: {}: {}", if aim.met { "met" } else { "missed" }, aim.wanted, aim.found)?;
        }
        writeln!(f, "  checked: {}", self.checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_taken_value_by_value() {
        let round = |a, b| vec![Row::new("x", [a, b])];
        let rows = medians(&[round(3.0, 1.0), round(1.0, 9.0), round(2.0, 5.0)]);
        assert_eq!(rows[0].values, [2.0, 5.0]);
    }

    #[test]
    fn numbers_are_as_exact_as_they_are_worth() {
        let shown: Vec<String> = [0.123, 12.34, 123.4, 1_234_567.8, -4321.0].map(number).into();
        assert_eq!(shown, ["0.12", "12.3", "123", "1,234,568", "-4,321"]);
    }
}
