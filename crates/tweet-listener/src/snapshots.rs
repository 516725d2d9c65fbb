//! The present value of the tables as frames, made once for all who come between two changes.

use std::collections::HashMap;

use bytes::Bytes;

use crate::{channels::ChannelKey, tables::Tables, tweet_log::TweetLog};

/// Tweets whose counts a connection gets at its start.
pub const SNAPSHOT_TWEETS: usize = 200;
/// What is kept at most; beyond it, snapshots are made anew.
const MAX_BYTES: usize = 4 << 20;

/// Snapshots that still hold.
///
/// One holds as long as viewers have been told nothing of what it lacks: changes that came since are waiting for the next
/// tick, and reach whoever was given the older value.
#[derive(Debug, Default)]
pub struct Snapshots {
    of: HashMap<ChannelKey, Bytes>,
    bytes: usize,
}

impl Snapshots {
    /// The snapshot of a channel.
    pub fn get(&mut self, key: &ChannelKey, tables: &Tables, log: &TweetLog) -> Bytes {
        if let Some(snapshot) = self.of.get(key) {
            return snapshot.clone();
        }
        let newest = log.recent().newest(&key.filter, SNAPSHOT_TWEETS);
        let frames =
            tables.snapshot(&key.filter, &newest).iter().map(|event| event.frame(key.html)).collect::<Vec<_>>();
        let snapshot = Bytes::from(frames.concat());
        // A key may be longer than what it stands for.
        self.bytes += snapshot.len() + 2048;
        if self.bytes > MAX_BYTES {
            self.expire();
        } else {
            self.of.insert(key.clone(), snapshot.clone());
        }
        snapshot
    }

    /// Viewers are told of changes, or there is a tweet that is to have its count in the next snapshot.
    pub fn expire(&mut self) {
        self.of.clear();
        self.bytes = 0;
    }
}
