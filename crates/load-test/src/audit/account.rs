//! The accounts, and the balance of a run.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

/// How many cases of an account are told; more are only counted.
const TOLD: usize = 5;

/// Something that has to be zero.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Account {
    /// How often it was met.
    pub count: u64,
    /// The first cases.
    pub cases: Vec<String>,
}

impl Account {
    pub(super) fn note(&mut self, case: impl Into<String>) {
        self.count += 1;
        if self.cases.len() < TOLD {
            self.cases.push(case.into());
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.cases.extend(other.cases);
        self.cases.truncate(TOLD);
    }
}

impl FromIterator<String> for Account {
    fn from_iter<T: IntoIterator<Item = String>>(cases: T) -> Self {
        let mut account = Self::default();
        cases.into_iter().for_each(|case| account.note(case));
        account
    }
}

/// A fault that was done.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    /// Seconds since the first post.
    pub at: f64,
    /// Its kind.
    pub kind: &'static str,
    /// Whom it met, and anything else to know.
    pub target: String,
    /// Seconds until it was over.
    pub lasted: f64,
}

/// The longest time without new data at a viewer, after one kind of fault.
#[derive(Debug, Clone, Serialize)]
pub struct Silence {
    /// The kind.
    pub after: &'static str,
    /// How often there was such a fault.
    pub faults: u64,
    /// In seconds.
    pub longest: f64,
}

/// The outcome of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Balance {
    /// The seed of its faults.
    pub seed: u64,
    /// How long there were faults.
    pub seconds: u64,
    /// What could not be done here, and why.
    pub left_out: Vec<String>,
    /// What went wrong, in order.
    pub faults: Vec<Done>,
    /// What must be zero, by its name.
    pub accounts: Vec<(&'static str, Account)>,
    /// What is only stated.
    pub stated: BTreeMap<&'static str, u64>,
    /// Answers to callers, by status.
    pub answers: BTreeMap<String, u64>,
    /// Processes that ended by themselves and were started again, as an orchestrator would; with their last line.
    pub restarted: Vec<String>,
    /// By kind of fault.
    pub silences: Vec<Silence>,
}

impl Balance {
    /// Whether everything is zero that must be.
    pub fn is_even(&self) -> bool {
        self.accounts.iter().all(|(_, account)| account.count == 0)
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "ledger: seed {}, {} s, {} faults", self.seed, self.seconds, self.faults.len())?;
        for left_out in &self.left_out {
            writeln!(f, "  left out: {left_out}")?;
        }
        let width = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0);
        let names = width(&mut self.accounts.iter().map(|(name, _)| name.chars().count()));
        writeln!(f, "  {:names$}  {:>8}", "must be zero", "is")?;
        for (name, account) in &self.accounts {
            writeln!(f, "  {name:names$}  {:>8}", account.count)?;
            for case in &account.cases {
                writeln!(f, "      {}", case.lines().next().unwrap_or_default())?;
            }
        }
        let stated = self.stated.iter().map(|(name, count)| format!("{count} {name}"));
        let answers = self.answers.iter().map(|(status, count)| format!("{status}: {count}"));
        writeln!(f, "  stated: {}", stated.collect::<Vec<_>>().join(", "))?;
        writeln!(f, "  answers: {}", answers.collect::<Vec<_>>().join(", "))?;
        for restarted in &self.restarted {
            writeln!(f, "  ended by itself and was started again: {restarted}")?;
        }
        let names = width(&mut self.silences.iter().map(|silence| silence.after.chars().count()));
        writeln!(f, "  {:names$}  {:>6}  longest time without new data at a viewer", "after", "times")?;
        for silence in &self.silences {
            writeln!(f, "  {:names$}  {:>6}  {:>6.1} s", silence.after, silence.faults, silence.longest)?;
        }
        write!(f, "  {}", if self.is_even() { "the ledger is balanced" } else { "THE LEDGER IS NOT BALANCED" })
    }
}
