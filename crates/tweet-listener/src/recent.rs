//! The newest tweets of each conference, for first pages and for the words beside a count.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use contracts::Conference;

use crate::{
    filter::Filter,
    tweet_log::{Entry, LogBounds},
};

/// By the broker's clock; the rest of the key makes it one of its own.
type Age = (i64, usize, i64);

fn age(entry: &Entry) -> Age {
    (entry.timestamp, entry.partition, entry.offset)
}

/// Bounded per conference and in all, oldest dropped first.
#[derive(Debug)]
pub struct Recent {
    of: HashMap<Conference, VecDeque<Arc<Entry>>>,
    /// All of them, so that the newest of all are found without a look at every conference.
    all: BTreeMap<Age, Arc<Entry>>,
    per_conference: usize,
    in_all: usize,
}

impl Recent {
    /// Empty.
    pub fn new(bounds: LogBounds) -> Self {
        Self {
            of: HashMap::new(),
            all: BTreeMap::new(),
            per_conference: bounds.recent_per_conference,
            in_all: bounds.recent_in_all,
        }
    }

    /// Takes the next tweet.
    pub fn push(&mut self, entry: &Arc<Entry>) {
        let entries = self.of.entry(entry.conference.clone()).or_default();
        entries.push_back(Arc::clone(entry));
        self.all.insert(age(entry), Arc::clone(entry));
        if entries.len() > self.per_conference
            && let Some(dropped) = entries.pop_front()
        {
            self.all.remove(&age(&dropped));
        }
        while self.all.len() > self.in_all {
            let Some((_, oldest)) = self.all.pop_first() else { break };
            let Some(entries) = self.of.get_mut(&oldest.conference) else { continue };
            // The first, unless the broker's clock was set back.
            if let Some(at) = entries.iter().position(|entry| entry.offset == oldest.offset) {
                entries.remove(at);
            }
            if entries.is_empty() {
                self.of.remove(&oldest.conference);
            }
        }
    }

    /// The newest tweets that `filter` wants, newest first, by the broker's clock.
    pub fn newest(&self, filter: &Filter, limit: usize) -> Vec<Arc<Entry>> {
        if filter.conferences().is_empty() {
            return self.all.values().rev().take(limit).cloned().collect();
        }
        let entries = filter.conferences().iter().filter_map(|conference| self.of.get(conference));
        let mut entries: Vec<_> = entries.map(|entries| entries.iter().rev().peekable()).collect();
        let newest_first = std::iter::from_fn(|| {
            let newest = entries.iter_mut().filter_map(|entries| Some((age(entries.peek()?), entries)));
            newest.max_by_key(|(age, _)| *age)?.1.next().cloned()
        });
        newest_first.take(limit).collect()
    }

    /// A tweet among the newest ones of its conference.
    pub fn find(&self, conference: &Conference, tweet_id: &str) -> Option<&Arc<Entry>> {
        self.of.get(conference)?.iter().rev().find(|entry| entry.tweet_id.as_str() == tweet_id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(conference: &str, offset: i64) -> Arc<Entry> {
        let value = format!(r#"{{"tweetId":"{offset}","tagFilter":"{conference}"}}"#);
        Arc::new(Entry::read(0, offset, offset, value.as_bytes(), None).expect("a tweet"))
    }

    fn ids(entries: &[Arc<Entry>]) -> Vec<&str> {
        entries.iter().map(|entry| entry.tweet_id.as_str()).collect()
    }

    fn recent(per_conference: usize, in_all: usize) -> Recent {
        Recent::new(LogBounds { memory_bytes: 0, recent_per_conference: per_conference, recent_in_all: in_all })
    }

    #[test]
    fn a_busy_conference_does_not_push_out_a_quiet_one() {
        let mut recent = recent(3, 10);
        recent.push(&entry("quiet", 0));
        for offset in 1..5000 {
            recent.push(&entry("busy", offset));
        }
        let all = recent.newest(&Filter::default(), 10);
        assert_eq!(ids(&all), ["4999", "4998", "4997", "0"]);
        assert_eq!(recent.all.len(), 4);
        assert!(recent.find(&Conference::parse("quiet").expect("valid"), "0").is_some());
    }

    #[test]
    fn over_all_conferences_the_oldest_tweets_go_first() {
        let mut recent = recent(3, 4);
        for offset in 0..8 {
            recent.push(&entry(&format!("c{offset}"), offset));
        }
        assert_eq!(ids(&recent.newest(&Filter::default(), 10)), ["7", "6", "5", "4"]);
        assert_eq!(recent.of.len(), 4);
    }

    proptest! {
        #[test]
        fn the_newest_are_those_that_a_sort_of_all_gives(
            posts in proptest::collection::vec((0_usize..6, 0_i64..3), 0..60),
            limit in 0_usize..12,
            filtered: bool,
        ) {
            let mut recent = recent(4, 15);
            let mut kept: Vec<Arc<Entry>> = Vec::new();
            let mut clock = 0;
            for (offset, (which, later)) in (0..).zip(posts) {
                clock += later;
                let value = format!(r#"{{"tweetId":"{offset}","tagFilter":"c{which}"}}"#);
                let entry = Arc::new(Entry::read(which % 3, offset, clock, value.as_bytes(), None).expect("a tweet"));
                recent.push(&entry);
                kept.push(entry);
                let of_same = |other: &&Arc<Entry>| other.conference.as_str() == format!("c{which}");
                if kept.iter().filter(of_same).count() > 4 {
                    let at = kept.iter().position(|other| of_same(&other)).expect("counted");
                    kept.remove(at);
                }
                if kept.len() > 15 {
                    let oldest = kept.iter().min_by_key(|entry| age(entry)).map(|entry| entry.offset);
                    kept.retain(|entry| Some(entry.offset) != oldest);
                }
            }
            let filter = Filter::parse(if filtered { "c0,c2,c5,c9" } else { "" }).expect("valid");
            let mut expected: Vec<_> = kept.iter().filter(|entry| filter.matches(&entry.conference)).cloned().collect();
            expected.sort_by_key(|entry| std::cmp::Reverse(age(entry)));
            expected.truncate(limit);
            let newest = recent.newest(&filter, limit);
            prop_assert_eq!(ids(&newest), ids(&expected));
        }
    }
}
