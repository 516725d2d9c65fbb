//! How many conferences there can be.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard},
};

use contracts::InvalidField;

/// The most conferences that a wall has: each costs every service memory for as long as it is retained.
pub(crate) const MAX_CONFERENCES: usize = 10_000;

/// The conferences that are known to exist: those with results on the topic `tweet-analytics`, and those that this process
/// has published for since. Where any name is taken, whoever may post could otherwise make any number.
pub(crate) struct Conferences {
    known: RwLock<HashSet<Box<str>>>,
    /// Those that would be new, with the number of posts for each that are on their way. They count while they are:
    /// many at once must not be more than there can be.
    awaited: Mutex<HashMap<Box<str>, usize>>,
    max: usize,
}

/// Leave to publish one post. Without [`Admission::acknowledged`] it changes nothing: a post that was refused or that
/// nobody acknowledged makes no conference. (One that arrived all the same comes back by `tweet-analytics`.)
#[must_use]
pub(crate) struct Admission<'a> {
    conferences: &'a Conferences,
    /// The conference, where it would be new.
    new: Option<Box<str>>,
}

impl Conferences {
    /// None yet; at most `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self { known: RwLock::default(), awaited: Mutex::default(), max }
    }

    /// Notes one that exists.
    pub(crate) fn learn(&self, conference: &str) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(conference.into());
    }

    /// Whether a post may go to `conference`, which is one more where it is new.
    ///
    /// # Errors
    /// Names `tagFilter` where it would be one too many.
    pub(crate) fn admit(&self, conference: &str) -> Result<Admission<'_>, InvalidField> {
        if self.known().contains(conference) {
            return Ok(Admission { conferences: self, new: None });
        }
        let mut awaited = self.awaited();
        // Counted with the lock on `awaited`, under which a name moves from there to `known`.
        if !awaited.contains_key(conference) && self.known().len() + awaited.len() >= self.max {
            return Err(InvalidField::new(
                "tagFilter",
                format!("would be a new conference, and there are {} already, the most that there can be", self.max),
            ));
        }
        *awaited.entry(conference.into()).or_default() += 1;
        Ok(Admission { conferences: self, new: Some(conference.into()) })
    }

    fn known(&self) -> RwLockReadGuard<'_, HashSet<Box<str>>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn awaited(&self) -> MutexGuard<'_, HashMap<Box<str>, usize>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission<'_> {
    /// The post stands on the topic, and so the conference exists.
    pub(crate) fn acknowledged(self) {
        if let Some(new) = &self.new {
            // `admit` counts under this lock, and finds the name in one place or the other.
            let _awaited = self.conferences.awaited();
            self.conferences.learn(new);
        }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let Some(new) = &self.new else { return };
        let mut awaited = self.conferences.awaited();
        if let Some(posts) = awaited.get_mut(new) {
            *posts -= 1;
            if *posts == 0 {
                awaited.remove(new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_conference_is_taken_and_one_too_many_refused_by_name() {
        let conferences = Conferences::new(2);
        conferences.learn("a");
        conferences.admit("b").expect("a second").acknowledged();
        assert_eq!(conferences.admit("c").err().expect("a third").field, "tagFilter");
        assert!(conferences.admit("a").is_ok() && conferences.admit("b").is_ok());
    }

    #[test]
    fn a_post_that_was_not_acknowledged_makes_no_conference() {
        let conferences = Conferences::new(1);
        for name in ["a", "b", "c"] {
            drop(conferences.admit(name).expect("none is there yet"));
        }
        conferences.admit("d").expect("still none").acknowledged();
        assert!(conferences.admit("a").is_err());
    }

    #[test]
    fn posts_on_their_way_count_once_per_conference() {
        let conferences = Conferences::new(1);
        let first = conferences.admit("a").expect("the first");
        let second = conferences.admit("a").expect("of the same conference");
        assert!(conferences.admit("b").is_err());
        drop(first);
        assert!(conferences.admit("b").is_err(), "the second is still on its way");
        second.acknowledged();
        assert!(conferences.admit("b").is_err());
        assert!(conferences.awaited().is_empty());
    }
}
