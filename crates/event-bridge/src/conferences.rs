//! How many conferences there can be.

use std::{
    collections::HashSet,
    sync::{PoisonError, RwLock},
};

use contracts::InvalidField;

/// The most conferences that a wall has: each costs every service memory for as long as it is retained.
pub(crate) const MAX_CONFERENCES: usize = 10_000;

/// The conferences that are known to exist: those with results on the topic `tweet-analytics`, and those that this process
/// has published for since. Where any name is taken, whoever may post could otherwise make any number.
pub(crate) struct Conferences {
    known: RwLock<HashSet<Box<str>>>,
    max: usize,
}

impl Conferences {
    /// None yet; at most `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self { known: RwLock::default(), max }
    }

    /// Notes one that exists.
    pub(crate) fn learn(&self, conference: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(conference.into());
    }

    /// Whether a post may go to `conference`, which is one more where it is new.
    ///
    /// # Errors
    /// Names `tagFilter` where it would be one too many.
    pub(crate) fn admit(&self, conference: &str) -> Result<(), InvalidField> {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).contains(conference) {
            return Ok(());
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.max && !known.contains(conference) {
            return Err(InvalidField::new(
                "tagFilter",
                format!("would be a new conference, and there are {} already, the most that there can be", self.max),
            ));
        }
        known.insert(conference.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_conference_is_taken_and_one_too_many_refused_by_name() {
        let conferences = Conferences::new(2);
        conferences.learn("a");
        assert_eq!(conferences.admit("b"), Ok(()));
        assert_eq!(conferences.admit("c").expect_err("a third").field, "tagFilter");
        assert_eq!(conferences.admit("a"), Ok(()));
    }
}
