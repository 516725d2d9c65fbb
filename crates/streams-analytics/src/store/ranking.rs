//! The order of a conference's tweets by likes.

use std::{cmp::Reverse, collections::BTreeSet, collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

use crate::key::Key;

/// The tweets of one conference that are liked now: higher count first, then tweetId by bytes.
type Ranking = BTreeSet<(Reverse<u32>, Arc<str>)>;

/// One ranking per conference. A change of a count costs the logarithm of the number of tweets.
#[derive(Default)]
pub(super) struct Rankings(HashMap<Key, Ranking, RandomState>);

impl Rankings {
    /// Moves a tweet from one count to another; 0 does not appear.
    pub(super) fn shift(&mut self, conference: Key, tweet_id: &Arc<str>, from: u32, to: u32) {
        if from == to {
            return;
        }
        let ranking = self.0.entry(conference).or_default();
        let id = if from == 0 { None } else { ranking.take(&(Reverse(from), Arc::clone(tweet_id))).map(|(_, id)| id) };
        if to > 0 {
            ranking.insert((Reverse(to), id.unwrap_or_else(|| Arc::clone(tweet_id))));
        }
    }

    /// The most liked tweets of a conference with their counts, best first.
    pub(super) fn top(&self, conference: Key) -> impl Iterator<Item = (&Arc<str>, u32)> {
        self.0.get(&conference).into_iter().flatten().map(|(count, id)| (id, count.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_counts_stand_first_then_ids_by_their_bytes_and_zero_nowhere() {
        let mut rankings = Rankings::default();
        let conference = Key::conference("rustconf");
        for (id, count) in [("b", 1), ("a10", 2), ("a9", 2), ("B", 1), ("c", 3)] {
            rankings.shift(conference, &Arc::from(id), 0, count);
        }
        rankings.shift(conference, &Arc::from("c"), 3, 0);
        rankings.shift(conference, &Arc::from("b"), 1, 2);
        let top: Vec<_> = rankings.top(conference).map(|(id, count)| (&**id, count)).collect();
        assert_eq!(top, [("a10", 2), ("a9", 2), ("b", 2), ("B", 1)]);
    }
}
