//! Where the state of one commit lies.

use serde::{Deserialize, Serialize};

use super::{InputOffsets, VERSION};

/// The state of exactly one commit, and the input that it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Where the last complete round of slices began.
    pub restore_from: i64,
    /// One past the commit's Meta record.
    pub restore_to: i64,
    /// The committed offsets.
    pub inputs: InputOffsets,
}

/// What stands beside committed offsets is not what this code wrote there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMetadata {
    /// Offsets that somebody else committed, such as a tool that moved them.
    #[error("the committed offsets carry no changelog position (metadata `{0}`)")]
    Foreign(String),
    /// Written by other code than this.
    #[error("the committed offsets are of format {found}, this program knows format {VERSION}")]
    Version {
        /// As written.
        found: u32,
    },
}

/// The metadata as JSON, readable in `kafka-consumer-groups`. Brokers take 4,096 bytes, so nothing in it may grow.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    version: u32,
    restore_from: i64,
    restore_to: i64,
}

impl Position {
    /// The text to commit beside the offsets.
    pub fn metadata(&self) -> String {
        let metadata = Metadata { version: VERSION, restore_from: self.restore_from, restore_to: self.restore_to };
        serde_json::to_string(&metadata).expect("three numbers serialize")
    }

    /// Reads [`Self::metadata`] that stands beside `inputs`.
    ///
    /// # Errors
    /// Where it is not this format's.
    pub fn parse(text: &str, inputs: InputOffsets) -> Result<Self, BadMetadata> {
        let metadata: Metadata = serde_json::from_str(text).map_err(|_| BadMetadata::Foreign(text.to_owned()))?;
        if metadata.version != VERSION {
            return Err(BadMetadata::Version { found: metadata.version });
        }
        Ok(Self { restore_from: metadata.restore_from, restore_to: metadata.restore_to, inputs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_reads_back_and_foreign_or_later_ones_are_refused() {
        let inputs = InputOffsets { tweets: 7, likes: 9 };
        let position = Position { restore_from: 1, restore_to: 5, inputs };
        assert_eq!(position.metadata(), r#"{"version":3,"restoreFrom":1,"restoreTo":5}"#);
        assert_eq!(Position::parse(&position.metadata(), inputs), Ok(position));
        assert_eq!(Position::parse("", inputs), Err(BadMetadata::Foreign(String::new())));
        let later = r#"{"version":4,"restoreFrom":1,"restoreTo":5}"#;
        assert_eq!(Position::parse(later, inputs), Err(BadMetadata::Version { found: 4 }));
    }
}
