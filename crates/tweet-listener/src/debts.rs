//! What is owed to viewers beside their rings: openings and heartbeats that could not be sent in one write.

use std::collections::HashMap;

use bytes::Bytes;

use crate::viewer::Owed;

/// By place. Bytes that are owed to many are held once, and so counted once.
#[derive(Debug, Default)]
pub struct Debts {
    of: HashMap<u32, Debt>,
    /// By where they end, which stays while their beginning is sent.
    held: HashMap<usize, Held>,
    bytes: usize,
    /// How many were ever held: tells which are the oldest.
    ever: u64,
}

#[derive(Debug)]
struct Debt {
    owed: Owed,
    ends: [usize; 2],
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    viewers: usize,
    since: u64,
}

fn end(bytes: &Bytes) -> usize {
    bytes.as_ptr_range().end.addr()
}

impl Debts {
    /// What they hold in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is owed to anybody.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty() && self.held.is_empty() && self.bytes == 0
    }

    /// Notes what is owed to a viewer, who was owed nothing.
    pub fn insert(&mut self, place: u32, owed: Owed) {
        let ends = [end(&owed.0[0]), end(&owed.0[1])];
        for (bytes, end) in owed.0.iter().zip(ends).filter(|(bytes, _)| !bytes.is_empty()) {
            self.ever += 1;
            let held = self.held.entry(end).or_insert(Held { bytes: 0, viewers: 0, since: self.ever });
            held.viewers += 1;
            if held.bytes < bytes.len() {
                self.bytes += bytes.len() - held.bytes;
                held.bytes = bytes.len();
            }
        }
        let ends = [0, 1].map(|at| if owed.0[at].is_empty() { 0 } else { ends[at] });
        self.of.insert(place, Debt { owed, ends });
    }

    /// What is owed to a viewer.
    pub fn get_mut(&mut self, place: u32) -> Option<&mut Owed> {
        self.of.get_mut(&place).map(|debt| &mut debt.owed)
    }

    /// Nothing is owed to a viewer any more.
    pub fn remove(&mut self, place: u32) {
        let Some(debt) = self.of.remove(&place) else { return };
        for end in debt.ends.into_iter().filter(|end| *end != 0) {
            let Some(held) = self.held.get_mut(&end) else { continue };
            held.viewers -= 1;
            if held.viewers == 0 {
                self.bytes -= held.bytes;
                self.held.remove(&end);
            }
        }
    }

    /// Strikes out what has been owed for longest, with all to whom it is owed.
    pub fn strike_oldest(&mut self) -> Vec<u32> {
        let Some((end, _)) = self.held.iter().min_by_key(|(_, held)| held.since) else { return Vec::new() };
        let end = *end;
        let places: Vec<u32> =
            self.of.iter().filter(|(_, debt)| debt.ends.contains(&end)).map(|(place, _)| *place).collect();
        for place in &places {
            self.remove(*place);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_are_owed_counts_once_and_the_oldest_goes_first() {
        let mut debts = Debts::default();
        let (old, new) = (Bytes::from(vec![1; 100]), Bytes::from(vec![2; 200]));
        for place in 0..3 {
            debts.insert(place, Owed([Bytes::from(vec![0; 10]), old.clone()]));
        }
        for place in 3..5 {
            debts.insert(place, Owed([Bytes::new(), new.clone()]));
        }
        assert_eq!(debts.bytes(), 3 * 10 + 100 + 200);
        let _ = debts.get_mut(0).expect("owed").0[1].split_to(60);
        debts.remove(0);
        assert_eq!(debts.bytes(), 2 * 10 + 100 + 200);
        let mut struck = debts.strike_oldest();
        while debts.bytes() > 200 {
            struck.append(&mut debts.strike_oldest());
        }
        struck.sort_unstable();
        assert_eq!((struck, debts.bytes()), (vec![1, 2], 200));
        debts.remove(3);
        debts.remove(4);
        assert!(debts.is_empty());
    }
}
