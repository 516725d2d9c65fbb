//! Going round through the shards, so that the changelog's old part can be cut off.

use contracts::{ChangelogRecord, Slice, changelog_record::Body};

use super::{
    Limits, VERSION,
    entries::{Written, conference_parts, window_parts},
};
use crate::{key::SHARDS, store::Store};

/// How far the slices have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rounds {
    /// Where the last complete round began.
    restore_from: i64,
    /// Where the present round began; `None` before its first slice.
    began: Option<i64>,
    /// The next shard to write.
    next: usize,
}

/// The slices of one commit.
pub(super) struct Slices {
    pub(super) records: Vec<ChangelogRecord>,
    /// The shard to go on with; `SHARDS` where the round is complete.
    pub(super) next: usize,
}

impl Rounds {
    /// Begins a round on a state that can be read from `restore_from` on.
    pub fn new(restore_from: i64) -> Self {
        Self { restore_from, began: None, next: 0 }
    }

    /// Where reading must begin to have the whole state.
    pub fn restore_from(&self) -> i64 {
        self.restore_from
    }

    /// The round that a state goes on with when it is read back.
    pub(super) fn resume(restore_from: i64, began: Option<i64>, next: usize) -> Self {
        let mut rounds = Self::new(restore_from);
        if let Some(began) = began {
            rounds.advance(began, next);
        }
        rounds
    }

    /// Where the present round began; `None` before its first slice.
    pub(super) fn began(&self) -> Option<i64> {
        self.began
    }

    /// After a commit whose first slice stands at `first_slice` and whose last one ended before shard `next`.
    pub(super) fn advance(&mut self, first_slice: i64, next: usize) {
        let began = *self.began.get_or_insert(first_slice);
        self.next = next;
        if next == SHARDS {
            *self = Self::new(began);
        }
    }

    /// Writes the next shards: at least one, and until `budget` bytes are reached or the round is complete.
    pub(super) fn slices(&self, store: &mut Store, budget: usize, limits: Limits) -> Slices {
        let mut out = Out {
            limit: limits.record,
            records: Vec::new(),
            bytes: 0,
            first: self.next,
            continued: false,
            open: Written::default(),
        };
        let mut shard = self.next;
        while shard < SHARDS && (shard == self.next || out.bytes + out.open.bytes() < budget) {
            store.drop_closed(shard);
            out.shard(store, shard);
            shard += 1;
        }
        out.close(shard);
        Slices { records: out.records, next: shard }
    }
}

struct Out {
    /// Of one record.
    limit: usize,
    records: Vec<ChangelogRecord>,
    /// In `records`.
    bytes: usize,
    /// The first shard of the open record.
    first: usize,
    /// Whether the open record goes on with a shard that an earlier one began.
    continued: bool,
    open: Written,
}

impl Out {
    fn shard(&mut self, store: &Store, shard: usize) {
        for (index, conference) in store.shard_conferences(shard) {
            for part in conference_parts(index, conference, false) {
                self.split_if_full(shard);
                self.open.conference(part);
            }
            for part in window_parts(index, conference, false) {
                self.split_if_full(shard);
                self.open.window(part);
            }
        }
        for (index, tweet) in store.shard_tweets(shard) {
            self.split_if_full(shard);
            self.open.tweet(index, tweet);
        }
        for author in store.shard_authors(shard) {
            self.split_if_full(shard);
            self.open.author(author);
        }
        for (key, like) in store.shard_likes(shard) {
            self.split_if_full(shard);
            self.open.like(key, like);
        }
        // A record that adds to a shard replaces none, so the next shard needs one of its own.
        if self.continued {
            self.close(shard + 1);
        }
    }

    fn split_if_full(&mut self, shard: usize) {
        if self.open.bytes() >= self.limit {
            self.close(shard + 1);
            self.first = shard;
            self.continued = true;
        }
    }

    /// Ends the open record, which reaches up to but not including `end`.
    fn close(&mut self, end: usize) {
        if self.first < end {
            let open = std::mem::take(&mut self.open);
            self.bytes += open.bytes();
            let number = |shard: usize| u32::try_from(shard).expect("at most SHARDS");
            let slice = Slice {
                first_shard: number(self.first),
                shard_count: number(end - self.first),
                continued: self.continued,
                entries: Some(open.entries),
            };
            self.records.push(ChangelogRecord { version: VERSION, body: Some(Body::Slice(slice)) });
        }
        self.first = end;
        self.continued = false;
    }
}
