//! Where a task begins, from what the group has committed. Pure.

use kafka_client::{PartitionBounds, transaction::CommittedOffset};

use super::stop::Unrecoverable;
use crate::changelog::{InputOffsets, Position};

/// The position that stands beside the committed offsets of `tweets` and `tweet-likes`; `None` where nothing was ever
/// committed, or the group has forgotten it.
pub(super) fn committed_position(committed: &[Option<CommittedOffset>]) -> Result<Option<Position>, Unrecoverable> {
    match committed {
        [None, None] => Ok(None),
        // Every commit writes both with the same metadata.
        [Some(tweets), Some(likes)] if tweets.metadata == likes.metadata => {
            let inputs = InputOffsets { tweets: tweets.offset, likes: likes.offset };
            Ok(Some(Position::parse(&tweets.metadata, inputs)?))
        }
        _ => Err(Unrecoverable::Divided),
    }
}

/// Whether all input from `next` on is still there.
pub(super) fn check_inputs(
    topics: &[String; 2],
    next: InputOffsets,
    bounds: &[PartitionBounds],
) -> Result<(), Unrecoverable> {
    for ((topic, next), bounds) in topics.iter().zip([next.tweets, next.likes]).zip(bounds) {
        if next < bounds.start || next > bounds.end {
            let (start, end) = (bounds.start, bounds.end);
            return Err(Unrecoverable::InputLost { topic: topic.clone(), next, start, end });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changelog::BadMetadata;

    fn committed<const N: usize>(offsets: [(i64, &str); N]) -> [Option<CommittedOffset>; N] {
        offsets.map(|(offset, metadata)| Some(CommittedOffset { offset, metadata: metadata.into() }))
    }

    const METADATA: &str = r#"{"version":3,"restoreFrom":3,"restoreTo":8}"#;

    #[test]
    fn offsets_of_both_topics_with_one_position_are_taken() {
        let inputs = InputOffsets { tweets: 1, likes: 2 };
        let position = Position { restore_from: 3, restore_to: 8, inputs };
        assert_eq!(committed_position(&committed([(1, METADATA), (2, METADATA)])), Ok(Some(position)));
        assert_eq!(committed_position(&[None, None]), Ok(None));
    }

    #[test]
    fn offsets_that_somebody_else_committed_are_refused() {
        let other = r#"{"version":3,"restoreFrom":3,"restoreTo":9}"#;
        let [alone] = committed([(1, METADATA)]);
        assert_eq!(committed_position(&[alone, None]), Err(Unrecoverable::Divided));
        assert_eq!(committed_position(&committed([(1, METADATA), (2, other)])), Err(Unrecoverable::Divided));
        let foreign = Unrecoverable::Metadata(BadMetadata::Foreign(String::new()));
        assert_eq!(committed_position(&committed([(1, ""), (2, "")])), Err(foreign));
    }

    #[test]
    fn input_that_expired_or_was_made_anew_is_noticed() {
        let topics = ["tweets".to_owned(), "tweet-likes".to_owned()];
        let bounds = [PartitionBounds { start: 5, end: 9 }, PartitionBounds { start: 0, end: 0 }];
        let check = |tweets, likes| check_inputs(&topics, InputOffsets { tweets, likes }, &bounds);
        assert_eq!(check(5, 0), Ok(()));
        assert_eq!(check(9, 0), Ok(()));
        let lost = check(4, 0).expect_err("expired").to_string();
        assert_eq!(lost, "the next record of tweets is 4, but the topic holds 5..9");
        assert!(check(10, 0).is_err() && check(5, 1).is_err(), "made anew");
    }
}
