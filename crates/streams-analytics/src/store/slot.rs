//! A like as it is kept: by far the most of the state.

use super::{FactKey, Like, Millis};

/// A like in 28 bytes: the key, 48 bits of `since`, and in 32 bits how much later it was taken. A like that was taken
/// later than that (49 days) was closed everywhere when it came, as is one that was taken exactly that late.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) key: FactKey,
    since_low: u32,
    since_high: i16,
    pub(super) used: bool,
    later: u32,
}

impl Slot {
    /// A gap.
    pub(super) const FREE: Self = Self { key: FactKey::LEAST, since_low: 0, since_high: 0, used: false, later: 0 };

    pub(super) fn new(key: FactKey, like: Like) -> Self {
        // Event times reach from year -2500 to 6400; whatever lies beyond is as good as its end.
        let since = like.since.clamp(-(1 << 47), (1 << 47) - 1);
        let later = u32::try_from(like.accepted.saturating_sub(like.since)).unwrap_or(u32::MAX);
        let since_low = u32::try_from(since & 0xffff_ffff).expect("32 bits");
        Self { key, since_low, since_high: i16::try_from(since >> 32).expect("16 bits"), used: true, later }
    }

    pub(super) fn like(&self) -> Like {
        let since = (Millis::from(self.since_high) << 32) | Millis::from(self.since_low);
        Like { since, accepted: since + Millis::from(self.later) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_like_takes_28_bytes() {
        assert_eq!(size_of::<Slot>(), 28);
    }

    #[test]
    fn times_come_back_as_they_were_put() {
        for (since, accepted) in [(0, 0), (-1, 7), (1_795_359_840_123, 1_795_359_999_999), (-5_000_000_000, 4)] {
            let like = Like { since, accepted };
            let later = accepted - since;
            let back = Slot::new(FactKey::new(1, "v"), like).like();
            assert_eq!((back.since, back.accepted - back.since), (since, later.min(i64::from(u32::MAX))));
        }
    }
}
