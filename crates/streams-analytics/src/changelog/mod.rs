//! The state in the changelog topic: written down commit by commit, read again after a restart.
//!
//! The format and why it is sound stand in `proto-schemas/livewall/v1/changelog.proto`.

mod entries;
mod position;
mod restore;
mod rounds;
mod write;

pub use position::{BadMetadata, Position};
pub use restore::{Applied, Restore, Unrestorable};
pub use rounds::Rounds;
pub use write::{Batch, InputOffsets, write};

/// The format that this code writes, and the only one that it reads.
pub const VERSION: u32 = 3;

/// How much goes into a record and a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Where a record ends and the next one begins, in bytes.
    pub record: usize,
    /// The least that slices of one commit take, in bytes, so that rounds end even where little changes.
    pub slices: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // The broker takes records up to 1 MiB.
        Self { record: 512 * 1024, slices: 4 * 1024 }
    }
}
