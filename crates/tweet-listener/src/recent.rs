//! The newest tweets of each conference, for first pages and for the words beside a count.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use contracts::Conference;

use crate::{
    filter::Filter,
    tweet_log::{Entry, LogBounds},
};

/// Bounded per conference and in all, oldest dropped first.
#[derive(Debug)]
pub struct Recent {
    of: HashMap<Conference, VecDeque<Arc<Entry>>>,
    /// Every entry in the order of its coming, those included that their conference has dropped since.
    order: VecDeque<(Conference, i64)>,
    kept: usize,
    per_conference: usize,
    in_all: usize,
}

impl Recent {
    /// Empty.
    pub fn new(bounds: LogBounds) -> Self {
        Self {
            of: HashMap::new(),
            order: VecDeque::new(),
            kept: 0,
            per_conference: bounds.recent_per_conference,
            in_all: bounds.recent_in_all,
        }
    }

    /// Takes the next tweet.
    pub fn push(&mut self, entry: &Arc<Entry>) {
        let entries = self.of.entry(entry.conference.clone()).or_default();
        entries.push_back(Arc::clone(entry));
        self.order.push_back((entry.conference.clone(), entry.offset));
        self.kept += 1;
        if entries.len() > self.per_conference {
            entries.pop_front();
            self.kept -= 1;
        }
        while self.kept > self.in_all {
            let Some((conference, offset)) = self.order.pop_front() else { break };
            self.drop_oldest_of(&conference, offset);
        }
        // What conferences have dropped themselves is cleared from the order now and then, so that it stays bounded.
        if self.order.len() > 2 * self.in_all + 1000 {
            let of = &self.of;
            self.order.retain(|(conference, offset)| {
                of.get(conference).and_then(VecDeque::front).is_some_and(|oldest| oldest.offset <= *offset)
            });
        }
    }

    fn drop_oldest_of(&mut self, conference: &Conference, offset: i64) {
        let Some(entries) = self.of.get_mut(conference) else { return };
        if entries.front().is_some_and(|oldest| oldest.offset == offset) {
            entries.pop_front();
            self.kept -= 1;
            if entries.is_empty() {
                self.of.remove(conference);
            }
        }
    }

    /// The newest tweets that `filter` wants, newest first, by the broker's clock.
    pub fn newest(&self, filter: &Filter, limit: usize) -> Vec<Arc<Entry>> {
        let of_each = |entries: &VecDeque<Arc<Entry>>| entries.iter().rev().take(limit).cloned().collect::<Vec<_>>();
        let mut newest: Vec<Arc<Entry>> = match filter.conferences() {
            [] => self.of.values().flat_map(of_each).collect(),
            named => named.iter().filter_map(|conference| self.of.get(conference)).flat_map(of_each).collect(),
        };
        newest.sort_unstable_by_key(|entry| Reverse((entry.timestamp, entry.partition, entry.offset)));
        newest.truncate(limit);
        newest
    }

    /// A tweet among the newest ones of its conference.
    pub fn find(&self, conference: &Conference, tweet_id: &str) -> Option<&Arc<Entry>> {
        self.of.get(conference)?.iter().rev().find(|entry| entry.tweet_id.as_str() == tweet_id)
    }
}

#[cfg(test)]
mod tests {
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
        assert!(recent.order.len() <= 2 * 10 + 1001);
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
}
