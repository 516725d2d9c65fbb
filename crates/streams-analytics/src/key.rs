//! The 16-byte keys of the state.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::xxh3_128;

/// The state's shards; a power of two.
pub const SHARDS: usize = 1024;

/// A hash in place of the identifiers themselves, so that an entry is small whatever their lengths.
///
/// XXH3-128 of the identifiers with `/` between them (which none of the leading ones may contain). It stands in the
/// changelog, so it may not change without a new version there. Two keys that meet by accident are out of reach (one in
/// 10^18 for 10^10 keys); meeting on purpose would need a free choice of visitor ids, which are keyed hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key([u64; 2]);

impl Key {
    /// The length of [`Self::to_bytes`].
    pub const BYTES: usize = 16;

    /// Of a conference.
    pub fn conference(conference: &str) -> Self {
        Self::of(&[conference])
    }

    /// Of a tweet in a conference.
    pub fn tweet(conference: &str, tweet_id: &str) -> Self {
        Self::of(&[conference, tweet_id])
    }

    /// Of an author in a conference.
    pub fn author(conference: &str, author: &str) -> Self {
        Self::of(&[conference, author])
    }

    /// Of a visitor.
    pub fn visitor(visitor_id: &str) -> Self {
        Self::of(&[visitor_id])
    }

    /// The shard that holds its entry.
    pub fn shard(self) -> usize {
        usize::try_from(self.0[1] % SHARDS as u64).expect("less than SHARDS")
    }

    /// As it stands in the changelog.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        ((u128::from(self.0[0]) << 64) | u128::from(self.0[1])).to_be_bytes()
    }

    /// Reads [`Self::to_bytes`].
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self::from_hash(u128::from_be_bytes(bytes))
    }

    fn from_hash(hash: u128) -> Self {
        let low = u64::try_from(hash & u128::from(u64::MAX)).expect("64 bits");
        Self([u64::try_from(hash >> 64).expect("64 bits"), low])
    }

    fn of(parts: &[&str]) -> Self {
        // Two identifiers of at most 64 bytes fit; only an author's name can be longer.
        let mut short = [0_u8; 256];
        let length = parts.iter().map(|part| part.len() + 1).sum::<usize>() - 1;
        if length > short.len() {
            return Self::from_hash(xxh3_128(parts.join("/").as_bytes()));
        }
        let mut at = 0;
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                short[at] = b'/';
                at += 1;
            }
            short[at..at + part.len()].copy_from_slice(part.as_bytes());
            at += part.len();
        }
        Self::from_hash(xxh3_128(&short[..length]))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
        state.write_u64(self.0[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They stand in changelogs: another value would orphan the state of every deployment.
    #[test]
    fn keys_are_the_same_for_ever() {
        assert_eq!(Key::conference("").to_bytes(), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f_u128.to_be_bytes());
        assert_eq!(Key::tweet("rustconf", "1").to_bytes(), xxh3_128(b"rustconf/1").to_be_bytes());
    }

    #[test]
    fn long_and_short_names_are_hashed_alike() {
        for length in [240, 247, 248, 300] {
            let author = "a".repeat(length);
            let joined = format!("rustconf/{author}");
            assert_eq!(Key::author("rustconf", &author).to_bytes(), xxh3_128(joined.as_bytes()).to_be_bytes());
        }
    }

    #[test]
    fn bytes_read_back() {
        let key = Key::tweet("rustconf", "1");
        assert_eq!(Key::from_bytes(key.to_bytes()), key);
        assert!(key.shard() < SHARDS);
    }
}
