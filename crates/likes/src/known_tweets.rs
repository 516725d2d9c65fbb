//! Which tweets stand in which conferences.

use std::collections::HashMap;

use contracts::{Conference, TweetId};
use foldhash::fast::RandomState;
use xxhash_rust::xxh3::xxh3_128;

/// Everything that stands on the topic `tweets`, and nothing that retention has taken from it.
///
/// Takes about 50 bytes per tweet, whatever the length of its id (32 bytes per entry, in a table that is between half
/// and seven eighths full; twice that while it grows): a million posts within the topic's retention are 50 MB. A tweet
/// that stands in further conferences takes 80 bytes more.
#[derive(Default)]
pub(crate) struct KnownTweets {
    /// Where a tweet was seen first. Ids are kept as 16-byte hashes.
    places: HashMap<u128, Place, RandomState>,
    /// Where else.
    further: HashMap<u128, Vec<Place>, RandomState>,
    conferences: Vec<Conference>,
    indexes: HashMap<Conference, u32, RandomState>,
    /// Records below these offsets have been forgotten.
    starts: Vec<i64>,
}

/// One record of a tweet.
#[derive(Clone, Copy)]
struct Place {
    /// In the list of conferences.
    conference: u32,
    partition: i32,
    offset: i64,
}

impl Place {
    fn is_retained(self, starts: &[i64]) -> bool {
        usize::try_from(self.partition).ok().and_then(|at| starts.get(at)).is_none_or(|start| self.offset >= *start)
    }
}

impl KnownTweets {
    /// Notes the record of `tweet` in `conference`. A repeat counts as the newer record, which is kept longer.
    pub(crate) fn note(&mut self, tweet: &TweetId, conference: &Conference, partition: i32, offset: i64) {
        let place = Place { conference: self.index(conference), partition, offset };
        let hash = hash(tweet);
        let Some(first) = self.places.get_mut(&hash) else {
            self.places.insert(hash, place);
            return;
        };
        if first.conference == place.conference {
            *first = place;
            return;
        }
        let further = self.further.entry(hash).or_default();
        match further.iter_mut().find(|further| further.conference == place.conference) {
            Some(known) => *known = place,
            None => further.push(place),
        }
    }

    fn index(&mut self, conference: &Conference) -> u32 {
        if let Some(index) = self.indexes.get(conference) {
            return *index;
        }
        let index = u32::try_from(self.conferences.len()).expect("there are at most 10,000 conferences");
        self.conferences.push(conference.clone());
        self.indexes.insert(conference.clone(), index);
        index
    }

    /// The conferences that `tweet` stands in, by name; empty for an unknown one.
    pub(crate) fn conferences_of(&self, tweet: &TweetId) -> Vec<Conference> {
        let mut conferences: Vec<Conference> =
            self.places(tweet).map(|place| self.conferences[place.conference as usize].clone()).collect();
        conferences.sort_unstable();
        conferences
    }

    fn places(&self, tweet: &TweetId) -> impl Iterator<Item = Place> {
        let hash = hash(tweet);
        let further = self.further.get(&hash).map(Vec::as_slice).unwrap_or_default();
        self.places.get(&hash).into_iter().chain(further).copied()
    }

    /// Forgets the records below `starts`, the first retained offset of each partition. Looks at every tweet, but only
    /// when one of them has moved, which is when the broker drops a segment.
    pub(crate) fn forget_before(&mut self, starts: &[i64]) {
        if self.starts == starts {
            return;
        }
        starts.clone_into(&mut self.starts);
        self.further.retain(|_, further| {
            further.retain(|place| place.is_retained(starts));
            !further.is_empty()
        });
        let further = &mut self.further;
        self.places.retain(|hash, first| {
            if first.is_retained(starts) {
                return true;
            }
            // Another conference's record may be younger, and becomes the first.
            let Some(next) = further.get_mut(hash).and_then(Vec::pop) else { return false };
            if further.get(hash).is_some_and(Vec::is_empty) {
                further.remove(hash);
            }
            *first = next;
            true
        });
    }

    /// How many tweets are known.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

fn hash(tweet: &TweetId) -> u128 {
    xxh3_128(tweet.as_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn tweet(id: &str) -> TweetId {
        TweetId::parse(id).expect("an id")
    }

    fn conference(name: &str) -> Conference {
        Conference::parse(name).expect("a conference")
    }

    fn names(known: &KnownTweets, id: &str) -> Vec<String> {
        known.conferences_of(&tweet(id)).iter().map(Conference::to_string).collect()
    }

    #[test]
    fn a_tweet_is_known_in_every_conference_it_stands_in() {
        let mut known = KnownTweets::default();
        for (name, partition) in [("rustconf", 1), ("kafkaconf", 0), ("rustconf", 1), ("wall", 2), ("wall", 2)] {
            known.note(&tweet("1"), &conference(name), partition, 7);
        }
        assert_eq!(names(&known, "1"), ["kafkaconf", "rustconf", "wall"]);
        assert_eq!(names(&known, "2"), [""; 0]);
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn a_repeated_tweet_is_kept_as_long_as_its_last_record() {
        let mut known = KnownTweets::default();
        known.note(&tweet("1"), &conference("rustconf"), 0, 3);
        known.note(&tweet("1"), &conference("rustconf"), 0, 9);
        known.forget_before(&[9]);
        assert_eq!(names(&known, "1"), ["rustconf"]);
        known.forget_before(&[10]);
        assert_eq!(known.len(), 0);
    }

    type Log = Vec<(u8, u8)>;

    /// What should be known, by brute force over the whole log. A conference's partition is its number modulo 2.
    fn expected(log: &Log, starts: [i64; 2]) -> BTreeMap<u8, Vec<String>> {
        let mut expected: BTreeMap<u8, Vec<String>> = BTreeMap::new();
        for (offset, (id, number)) in (0..).zip(log) {
            if offset >= starts[usize::from(number % 2)] {
                expected.entry(*id).or_default().push(format!("c{number}"));
            }
        }
        for conferences in expected.values_mut() {
            conferences.sort();
            conferences.dedup();
        }
        expected
    }

    proptest! {
        #[test]
        fn what_is_known_is_what_is_retained(
            log in prop::collection::vec((0_u8..4, 0_u8..5), 0..40),
            steps in prop::collection::vec((0_i64..12, 0_i64..12), 0..4),
        ) {
            let mut known = KnownTweets::default();
            for (offset, (id, number)) in (0..).zip(&log) {
                known.note(&tweet(&id.to_string()), &conference(&format!("c{number}")), i32::from(number % 2), offset);
            }
            let mut starts = [0, 0];
            known.forget_before(&starts);
            for (first, second) in steps {
                starts = [starts[0] + first, starts[1] + second];
                known.forget_before(&starts);
                let expected = expected(&log, starts);
                prop_assert_eq!(known.len(), expected.len());
                prop_assert_eq!(known.further.values().filter(|further| further.is_empty()).count(), 0);
                for id in 0..4 {
                    let expected = expected.get(&id).cloned().unwrap_or_default();
                    prop_assert_eq!(names(&known, &id.to_string()), expected);
                }
            }
        }
    }
}
