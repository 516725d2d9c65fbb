//! One commit, written down.

use contracts::{ChangelogRecord, Meta, Pack, changelog_record::Body};
use prost::Message as _;

use super::{
    Limits, Position, Rounds, VERSION,
    entries::{Written, conference_parts, window_parts},
};
use crate::store::Store;

/// The next record to read of each input topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputOffsets {
    /// Of `tweets`.
    pub tweets: i64,
    /// Of `tweet-likes`.
    pub likes: i64,
}

/// The changelog records of one commit, in order.
pub struct Batch {
    /// Their values.
    pub records: Vec<Vec<u8>>,
    first_slice: usize,
    next_shard: usize,
    restore_from: i64,
    inputs: InputOffsets,
}

/// Writes down what `store` changed since the commit `last` (`None`: this is the first one), some slices, and where the
/// state lies.
pub fn write(
    store: &mut Store,
    rounds: &Rounds,
    last: Option<Position>,
    inputs: InputOffsets,
    limits: Limits,
) -> Batch {
    let packs = packs(store, limits);
    let pack_bytes: usize = packs.iter().map(Vec::len).sum();
    // Slices take as much as packs. While a round goes through the whole state, packs take as much again, and reading begins
    // up to two rounds back: so the topic holds up to 2 × (1 + 1) = 4 times the state, and what single commits go beyond.
    let slices = rounds.slices(store, pack_bytes.max(limits.slices), limits);
    let meta = Meta {
        restore_from: rounds.restore_from(),
        tweets_offset: inputs.tweets,
        likes_offset: inputs.likes,
        windowing: store.windowing.to_string(),
        follows: last.map_or(0, |last| last.restore_to),
        round_from: rounds.began(),
        next_shard: u32::try_from(slices.next).expect("at most SHARDS"),
    };
    let first_slice = packs.len();
    let mut records = packs;
    records.extend(slices.records.iter().map(ChangelogRecord::encode_to_vec));
    records.push(ChangelogRecord { version: VERSION, body: Some(Body::Meta(meta)) }.encode_to_vec());
    Batch { records, first_slice, next_shard: slices.next, restore_from: rounds.restore_from(), inputs }
}

impl Batch {
    /// Where this commit's state lies, once its records stand at `offsets`.
    pub fn position(&self, offsets: &[i64]) -> Position {
        let meta = offsets.last().copied().unwrap_or(self.restore_from);
        Position { restore_from: self.restore_from, restore_to: meta + 1, inputs: self.inputs }
    }

    /// Notes that this commit succeeded with its records at `offsets`. A round that it completed counts from the next
    /// commit on, so that no commit needs to know its own offsets before its Meta is written.
    pub fn advance(&self, rounds: &mut Rounds, offsets: &[i64]) {
        if let Some(first_slice) = offsets.get(self.first_slice) {
            rounds.advance(*first_slice, self.next_shard);
        }
    }
}

/// Everything touched since the last commit, as absolute values.
fn packs(store: &Store, limits: Limits) -> Vec<Vec<u8>> {
    let mut packs = Vec::new();
    let mut open = Written::default();
    let mut close_if_full = |open: &mut Written| {
        if open.bytes() >= limits.record {
            packs.push(pack(std::mem::take(open)));
        }
    };
    for (index, conference) in store.touched_conferences() {
        for part in conference_parts(index, conference, true) {
            open.conference(part);
            close_if_full(&mut open);
        }
        for part in window_parts(index, conference, true) {
            open.window(part);
            close_if_full(&mut open);
        }
    }
    for index in store.touched_tweets() {
        if let Some(tweet) = store.tweet(index) {
            open.tweet(index, tweet);
            close_if_full(&mut open);
        }
    }
    for author in store.new_authors() {
        open.author(*author);
        close_if_full(&mut open);
    }
    for (key, now) in store.changed_likes() {
        match now {
            Some(like) => open.like(key, like),
            None => open.removed_like(key),
        }
        close_if_full(&mut open);
    }
    if open.bytes() > 0 {
        packs.push(pack(open));
    }
    packs
}

fn pack(written: Written) -> Vec<u8> {
    let pack = Pack { entries: Some(written.entries) };
    ChangelogRecord { version: VERSION, body: Some(Body::Pack(pack)) }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contracts::{Timestamp, Tweet};

    use super::*;
    use crate::{
        record::{Fact, Record},
        topology::{Out, process},
        windows::Windowing,
    };

    const START: InputOffsets = InputOffsets { tweets: 0, likes: 0 };

    fn store() -> Store {
        Store::new(Arc::new(Windowing { windows: Vec::new(), grace: 0, like_period: i64::MAX }))
    }

    fn post(store: &mut Store, conference: &str, n: i64, hashtag: String, time: i64) {
        let tweet = Tweet {
            tweet_id: format!("{n:08}"),
            tag_filter: conference.to_owned(),
            hashtag,
            created_at: Some(Timestamp::from_millis(time)),
            ..Tweet::default()
        };
        process(store, &Record { appended: time, fact: Fact::Tweet(tweet) }, &mut Out::default());
    }

    #[test]
    fn of_the_minutes_of_an_hour_a_commit_writes_those_that_changed() {
        let mut store = store();
        let mut bytes = Vec::new();
        for minute in 0..2_000_i64 {
            post(&mut store, "rustconf", minute, String::new(), minute * 60_000);
            bytes.push(packs(&store, Limits::default()).iter().map(Vec::len).sum::<usize>());
            store.commit();
        }
        assert!(bytes.iter().all(|bytes| *bytes < 100), "{bytes:?}");
    }

    #[test]
    fn no_record_is_too_large_for_the_broker_however_long_hashtags_are() {
        let mut store = store();
        for conference in ["rustconf", "kafkaconf"] {
            for n in 0..12_000 {
                post(&mut store, conference, n, format!("{n}{}", "\u{1f980}".repeat(500)), 0);
            }
        }
        let batch = write(&mut store, &Rounds::new(0), None, START, Limits::default());
        let total: usize = batch.records.iter().map(Vec::len).sum();
        assert!(total > 18_000_000, "hashtags of 100 characters in packs and slices: {total}");
        let largest = batch.records.iter().map(Vec::len).max();
        assert!(largest.is_some_and(|bytes| bytes < 900_000), "{largest:?}");
    }
}
