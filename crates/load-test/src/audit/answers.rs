//! What callers were answered.

use std::{
    collections::BTreeMap,
    io,
    sync::{Mutex, PoisonError},
};

use crate::{audit::account::Account, http::Response};

/// All answers of a run.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    by_status: BTreeMap<String, u64>,
    wrong: Account,
    refused: Account,
}

/// What is to be done about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Acknowledged,
    Again,
}

impl Answers {
    /// Enters an answer to a request that is valid, and for which 200 is the only success.
    pub(super) fn enter(&self, what: &str, answer: &io::Result<Response>) -> Verdict {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(response) = answer else {
            *seen.by_status.entry("no answer".into()).or_default() += 1;
            return Verdict::Again;
        };
        let status = response.head.status;
        *seen.by_status.entry(status.to_string()).or_default() += 1;
        match status {
            200 => return Verdict::Acknowledged,
            503 if response.head.header("retry-after").is_some() => {}
            500..=599 => seen.wrong.note(format!("{what}: {status}: {}", response.text())),
            _ => seen.refused.note(format!("{what}: {status}: {}", response.text())),
        }
        Verdict::Again
    }

    /// How often which status was answered.
    pub(super) fn by_status(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_status.clone()
    }

    /// Answers of 500 and above other than 503 with Retry-After.
    pub(super) fn wrong(&self) -> Account {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wrong.clone()
    }

    /// Valid requests that were refused as if they were not.
    pub(super) fn refused(&self) -> Account {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refused.clone()
    }
}
