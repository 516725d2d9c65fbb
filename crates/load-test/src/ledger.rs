//! What one receiver has received, by number: nothing missing, nothing twice, in order.

use std::{cmp::Ordering, fmt};

use crate::series::Place;

/// How many faults are kept by place; more are only counted.
const KEPT: usize = 10;

/// A departure from "each post once, in the order of its conference".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A post came before `from..to`, which have not come.
    Skipped {
        /// Index of the conference.
        conference: usize,
        /// The first number that was passed over.
        from: u64,
        /// The number that came.
        to: u64,
    },
    /// A post came that has come before, or that was passed over.
    Again(Place),
    /// The last posts have not come.
    Missing {
        /// Index of the conference.
        conference: usize,
        /// The first that has not come.
        from: u64,
        /// One past the last that was sent.
        to: u64,
    },
    /// More has come than was sent.
    Beyond {
        /// Index of the conference.
        conference: usize,
        /// One past the last that was sent.
        from: u64,
        /// One past the last that came.
        to: u64,
    },
}

/// The book of one receiver.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// The number that is due, by conference.
    due: Vec<u64>,
    faults: Vec<Fault>,
    fault_count: usize,
    received: u64,
}

/// A ledger that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unbalanced {
    faults: Vec<Fault>,
    count: usize,
}

impl Ledger {
    /// Nothing received.
    pub fn new(conferences: usize) -> Self {
        Self { due: vec![0; conferences], faults: Vec::new(), fault_count: 0, received: 0 }
    }

    /// Enters a post that came.
    pub fn enter(&mut self, place: Place) {
        self.received += 1;
        let due = &mut self.due[place.conference];
        match place.number.cmp(due) {
            Ordering::Equal => *due += 1,
            Ordering::Greater => {
                let fault = Fault::Skipped { conference: place.conference, from: *due, to: place.number };
                *due = place.number + 1;
                self.note(fault);
            }
            Ordering::Less => self.note(Fault::Again(place)),
        }
    }

    /// How many posts have come, repeats included.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// How many of each conference have come, or were passed over.
    pub fn due(&self) -> &[u64] {
        &self.due
    }

    /// Whether the last of `sent` posts per conference has come; says nothing of those before it.
    pub fn reaches(&self, sent: &[u64]) -> bool {
        self.due.iter().zip(sent).all(|(due, sent)| due >= sent)
    }

    /// Whether each of the `sent` posts per conference came once and in order.
    ///
    /// # Errors
    /// What did not.
    pub fn balance(&self, sent: &[u64]) -> Result<(), Unbalanced> {
        let mut book = self.clone();
        for (conference, (&due, &sent)) in self.due.iter().zip(sent).enumerate() {
            match due.cmp(&sent) {
                Ordering::Less => book.note(Fault::Missing { conference, from: due, to: sent }),
                Ordering::Equal => {}
                Ordering::Greater => book.note(Fault::Beyond { conference, from: sent, to: due }),
            }
        }
        if book.fault_count == 0 { Ok(()) } else { Err(Unbalanced { faults: book.faults, count: book.fault_count }) }
    }

    fn note(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < KEPT {
            self.faults.push(fault);
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped { conference, from, to } => write!(f, "conference {conference}: {to} came, {from} was due"),
            Self::Again(place) => write!(f, "conference {}: {} came again or late", place.conference, place.number),
            Self::Missing { conference, from, to } => {
                write!(f, "conference {conference}: {from} and what follows is missing, {to} were sent")
            }
            Self::Beyond { conference, from, to } => {
                write!(f, "conference {conference}: {from} were sent, {to} have come")
            }
        }
    }
}

impl fmt::Display for Unbalanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed: Vec<String> = self.faults.iter().map(Fault::to_string).collect();
        write!(f, "{} faults: {}", self.count, listed.join("; "))?;
        if self.count > self.faults.len() { f.write_str("; …") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(numbers: &[u64]) -> Ledger {
        let mut ledger = Ledger::new(2);
        for number in numbers {
            ledger.enter(Place { conference: 1, number: *number });
        }
        ledger
    }

    fn faults(ledger: &Ledger, sent: u64) -> Vec<Fault> {
        ledger.balance(&[0, sent]).err().map(|unbalanced| unbalanced.faults).unwrap_or_default()
    }

    #[test]
    fn each_once_and_in_order_adds_up() {
        let ledger = book(&[0, 1, 2]);
        assert_eq!(ledger.balance(&[0, 3]), Ok(()));
        assert!(ledger.reaches(&[0, 3]) && !ledger.reaches(&[0, 4]) && !ledger.reaches(&[1, 3]));
    }

    #[test]
    fn a_gap_a_repeat_a_missing_end_and_one_too_many_are_told_apart() {
        let again = |number| Fault::Again(Place { conference: 1, number });
        assert_eq!(faults(&book(&[0, 2]), 3), [Fault::Skipped { conference: 1, from: 1, to: 2 }]);
        assert_eq!(faults(&book(&[0, 1, 1]), 2), [again(1)]);
        assert_eq!(faults(&book(&[1, 0]), 2), [Fault::Skipped { conference: 1, from: 0, to: 1 }, again(0)]);
        assert_eq!(faults(&book(&[0]), 3), [Fault::Missing { conference: 1, from: 1, to: 3 }]);
        assert_eq!(faults(&book(&[0, 1]), 1), [Fault::Beyond { conference: 1, from: 1, to: 2 }]);
    }

    #[test]
    fn many_faults_are_counted_but_only_some_listed() {
        let told = book(&[0; 31]).balance(&[0, 1]).expect_err("30 repeats").to_string();
        assert!(told.starts_with("30 faults: ") && told.ends_with("; …"), "{told}");
    }
}
