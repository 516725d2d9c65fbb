//! The state, read again.

use std::{cmp::Ordering, ops::Range, sync::Arc};

use contracts::{ChangelogRecord, Slice, changelog_record::Body};
use prost::Message as _;

use super::{InputOffsets, Position, Rounds, VERSION, entries};
use crate::{key::SHARDS, store::Store, windows::Windowing};

/// A changelog that this code cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrestorable {
    /// Not a changelog record.
    #[error("it is not a changelog record")]
    Torn,
    /// Written by other code than this.
    #[error("it is of format {found}, this program knows format {VERSION}")]
    Version {
        /// As written.
        found: u32,
    },
    /// It follows a commit that is not there.
    #[error("it follows the commit that ended at {follows}, but the last one before it ended at {last}")]
    Gap {
        /// As written.
        follows: i64,
        /// As found.
        last: i64,
    },
    /// Computed with other windows.
    #[error("it was computed with {found}; the configuration says {configured}")]
    Windowing {
        /// As written.
        found: String,
        /// As configured.
        configured: String,
    },
}

/// A state on its way back: takes the records from `restoreFrom` on, in order.
pub struct Restore {
    store: Store,
    last: Option<(Position, Rounds)>,
    /// Where the commit that is being read begins.
    began: Option<i64>,
    /// Where its first slice is.
    first_slice: Option<i64>,
    /// Commits that no later one follows.
    orphans: Vec<Range<i64>>,
}

/// What came of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// It was taken, or passed over.
    Taken,
    /// It shows that the commits before it were given up. All records must be given again, from the first.
    StartOver,
}

impl Restore {
    /// An empty state.
    pub fn new(windowing: Arc<Windowing>) -> Self {
        Self { store: Store::new(windowing), last: None, began: None, first_slice: None, orphans: Vec::new() }
    }

    /// Takes the record that stands at `offset`.
    ///
    /// A commit can be in the changelog and be given up all the same: where the broker lost the end of its transaction for
    /// the group's offsets only, the next one follows an earlier commit. What was given up is passed over.
    ///
    /// # Errors
    /// Where it is not a record of this format, or a commit is missing.
    pub fn apply(&mut self, offset: i64, value: &[u8]) -> Result<Applied, Unrestorable> {
        if self.orphans.iter().any(|orphans| orphans.contains(&offset)) {
            return Ok(Applied::Taken);
        }
        let began = *self.began.get_or_insert(offset);
        let record = ChangelogRecord::decode(value).map_err(|_| Unrestorable::Torn)?;
        if record.version != VERSION {
            return Err(Unrestorable::Version { found: record.version });
        }
        match record.body.ok_or(Unrestorable::Torn)? {
            Body::Pack(pack) => entries::load_pack(&mut self.store, pack.entries.unwrap_or_default())?,
            Body::Slice(slice) => {
                self.first_slice.get_or_insert(offset);
                self.apply_slice(slice)?;
            }
            Body::Meta(meta) => {
                let configured = self.store.windowing.to_string();
                if meta.windowing != configured {
                    return Err(Unrestorable::Windowing { found: meta.windowing, configured });
                }
                if let Some(last) = self.last().map(|last| last.restore_to) {
                    match meta.follows.cmp(&last) {
                        Ordering::Equal => {}
                        Ordering::Less => {
                            self.start_over(meta.follows..began);
                            return Ok(Applied::StartOver);
                        }
                        Ordering::Greater => return Err(Unrestorable::Gap { follows: meta.follows, last }),
                    }
                }
                let next_shard = shard_number(meta.next_shard)?;
                let rounds = Rounds::resume(meta.restore_from, meta.round_from.or(self.first_slice), next_shard);
                let position = Position {
                    restore_from: meta.restore_from,
                    restore_to: offset + 1,
                    inputs: InputOffsets { tweets: meta.tweets_offset, likes: meta.likes_offset },
                };
                (self.began, self.first_slice) = (None, None);
                self.last = Some((position, rounds));
            }
        }
        Ok(Applied::Taken)
    }

    fn start_over(&mut self, orphans: Range<i64>) {
        let known = std::mem::take(&mut self.orphans);
        *self = Self::new(Arc::clone(&self.store.windowing));
        self.orphans = known;
        self.orphans.push(orphans);
    }

    /// Whether a record is a slice that ends a round.
    pub fn ends_round(value: &[u8]) -> bool {
        let Ok(ChangelogRecord { body: Some(Body::Slice(slice)), .. }) = ChangelogRecord::decode(value) else {
            return false;
        };
        usize::try_from(slice.first_shard + slice.shard_count) == Ok(SHARDS)
    }

    /// Whether a record is a pack.
    pub fn holds_pack(value: &[u8]) -> bool {
        matches!(ChangelogRecord::decode(value), Ok(ChangelogRecord { body: Some(Body::Pack(_)), .. }))
    }

    fn apply_slice(&mut self, slice: Slice) -> Result<(), Unrestorable> {
        let first = shard_number(slice.first_shard)?;
        let end = shard_number(slice.first_shard.saturating_add(slice.shard_count))?;
        entries::load_slice(&mut self.store, first..end, !slice.continued, slice.entries.unwrap_or_default())
    }

    /// The last complete commit among the records so far.
    pub fn last(&self) -> Option<Position> {
        self.last.as_ref().map(|(position, _)| *position)
    }

    /// The round that this commit left, to be gone on with.
    pub fn rounds(&self) -> Option<Rounds> {
        self.last.as_ref().map(|(_, rounds)| rounds.clone())
    }

    /// The state, once all records were taken.
    ///
    /// # Errors
    /// Where something is missing.
    pub fn finish(mut self) -> Result<Store, Unrestorable> {
        self.store.finish_loading().ok_or(Unrestorable::Torn)?;
        Ok(self.store)
    }
}

/// A shard's number, or the one behind the last.
fn shard_number(number: u32) -> Result<usize, Unrestorable> {
    usize::try_from(number).ok().filter(|number| *number <= SHARDS).ok_or(Unrestorable::Torn)
}
