//! The state, read again.

use std::sync::Arc;

use contracts::{ChangelogRecord, Slice, changelog_record::Body};
use prost::Message as _;

use super::{InputOffsets, Position, VERSION, entries};
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
    last: Option<Position>,
}

impl Restore {
    /// An empty state.
    pub fn new(windowing: Arc<Windowing>) -> Self {
        Self { store: Store::new(windowing), last: None }
    }

    /// Takes the record that stands at `offset`.
    ///
    /// # Errors
    /// Where it is not a record of this format.
    pub fn apply(&mut self, offset: i64, value: &[u8]) -> Result<(), Unrestorable> {
        let record = ChangelogRecord::decode(value).map_err(|_| Unrestorable::Torn)?;
        if record.version != VERSION {
            return Err(Unrestorable::Version { found: record.version });
        }
        match record.body.ok_or(Unrestorable::Torn)? {
            Body::Pack(pack) => entries::load_pack(&mut self.store, pack.entries.unwrap_or_default())?,
            Body::Slice(slice) => self.apply_slice(slice)?,
            Body::Meta(meta) => {
                let configured = self.store.windowing.to_string();
                if meta.windowing != configured {
                    return Err(Unrestorable::Windowing { found: meta.windowing, configured });
                }
                self.last = Some(Position {
                    restore_from: meta.restore_from,
                    restore_to: offset + 1,
                    inputs: InputOffsets { tweets: meta.tweets_offset, likes: meta.likes_offset },
                });
            }
        }
        Ok(())
    }

    /// Whether a record is a slice.
    pub fn holds_slice(value: &[u8]) -> bool {
        matches!(ChangelogRecord::decode(value), Ok(ChangelogRecord { body: Some(Body::Slice(_)), .. }))
    }

    /// Whether a record is a pack.
    pub fn holds_pack(value: &[u8]) -> bool {
        matches!(ChangelogRecord::decode(value), Ok(ChangelogRecord { body: Some(Body::Pack(_)), .. }))
    }

    fn apply_slice(&mut self, slice: Slice) -> Result<(), Unrestorable> {
        let shard = |number: u32| usize::try_from(number).map_err(|_| Unrestorable::Torn);
        let first = shard(slice.first_shard)?;
        let end =
            first.checked_add(shard(slice.shard_count)?).filter(|end| *end <= SHARDS).ok_or(Unrestorable::Torn)?;
        entries::load_slice(&mut self.store, first..end, !slice.continued, slice.entries.unwrap_or_default())
    }

    /// The last complete commit among the records so far.
    pub fn last(&self) -> Option<Position> {
        self.last
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
