//! A like that stands: which, and since when.

use super::Millis;
use crate::key::{Key, SHARDS};

/// The fact that a visitor likes a tweet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FactKey {
    /// The tweet's index in the store.
    pub tweet: u32,
    /// 12 bytes of the visitor's hash: two visitors of one tweet that share them are out of reach (for a million visitors
    /// one chance in 10^17), and visitor ids cannot be chosen freely.
    visitor: [u32; 3],
}

impl FactKey {
    /// The length of a visitor's hash in it.
    pub const VISITOR_BYTES: usize = 12;

    /// The first of all.
    pub(super) const LEAST: Self = Self { tweet: 0, visitor: [0; 3] };

    /// Of a visitor who likes a tweet.
    pub fn new(tweet: u32, visitor_id: &str) -> Self {
        let bytes = Key::visitor(visitor_id).to_bytes();
        let (visitor, _) = bytes.split_first_chunk().expect("a key is longer");
        Self::from_bytes(tweet, *visitor)
    }

    /// The visitor's part, as it is written down.
    pub fn visitor_bytes(self) -> [u8; Self::VISITOR_BYTES] {
        let [a, b, c] = self.visitor.map(u32::to_be_bytes);
        let mut bytes = [0; Self::VISITOR_BYTES];
        for (part, value) in bytes.chunks_exact_mut(4).zip([a, b, c]) {
            part.copy_from_slice(&value);
        }
        bytes
    }

    /// Reads [`Self::visitor_bytes`].
    pub fn from_bytes(tweet: u32, visitor: [u8; Self::VISITOR_BYTES]) -> Self {
        let word = |at: usize| u32::from_be_bytes([visitor[at], visitor[at + 1], visitor[at + 2], visitor[at + 3]]);
        Self { tweet, visitor: [word(0), word(4), word(8)] }
    }

    /// Where it belongs. From uniform bits: the visitor's hash alone would send all likes of a visitor to one place.
    pub(super) fn home(self) -> Home {
        let visitor = (u64::from(self.visitor[0]) << 32) | u64::from(self.visitor[1]);
        let mixed =
            (visitor ^ u64::from(self.tweet).wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let bits = mixed ^ (mixed >> 32);
        let low = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits");
        Home { shard: low(bits % SHARDS as u64), place: low(bits >> SHARDS.ilog2()) }
    }
}

/// Where a fact belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Home {
    /// Which shard holds it.
    pub(super) shard: u32,
    /// By what the likes of a shard are sorted.
    pub(super) place: u32,
}

/// A like that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Like {
    /// The event time of the record that made it stand.
    pub since: Millis,
    /// The stream time at which it was taken, at least `since`.
    pub accepted: Millis,
}
