//! Records of the input topics.

use contracts::{Conference, Record as _, Topic, Tweet, TweetLike, UnreadableRecord, partition_of};

use crate::store::Millis;

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// Of topic `tweets`.
    Tweet(Tweet),
    /// Of topic `tweet-likes`.
    Like(TweetLike),
}

/// A record that can be processed.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When the broker took it.
    pub appended: Millis,
    /// What it says.
    pub fact: Fact,
}

/// Why a record cannot be processed; it goes to `dead-letters`.
#[derive(Debug, thiserror::Error)]
pub enum Poison {
    /// It has no value.
    #[error("has no value")]
    NoValue,
    /// Not this message, or outside its rules.
    #[error(transparent)]
    Unreadable(#[from] UnreadableRecord),
    /// The task of another partition owns the conference: counting it here would count it twice or in parts.
    #[error("conference {conference} belongs to partition {expected}")]
    WrongPartition {
        /// The record's conference.
        conference: String,
        /// Where it should stand.
        expected: i32,
    },
}

/// Reads a record of the input `topic`, from `partition` of `partitions`.
///
/// # Errors
/// [`Poison`], with the reason.
pub fn read(
    topic: Topic,
    value: Option<&[u8]>,
    appended: Millis,
    partition: i32,
    partitions: i32,
) -> Result<Record, Poison> {
    let value = value.ok_or(Poison::NoValue)?;
    let fact = match topic {
        Topic::TweetLikes => Fact::Like(TweetLike::from_json(value)?),
        _ => Fact::Tweet(Tweet::from_json(value)?),
    };
    let conference = match &fact {
        Fact::Tweet(tweet) => tweet.conference(),
        Fact::Like(like) => like.conference(),
    };
    let conference = Conference::parse(conference).map_err(UnreadableRecord::from)?;
    let expected = partition_of(&conference, partitions);
    if expected != partition {
        return Err(Poison::WrongPartition { conference: conference.to_string(), expected });
    }
    Ok(Record { appended, fact })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_in_another_partition_than_its_conferences_is_poison() {
        let value = br#"{"tweetId":"1","tagFilter":"rustconf"}"#;
        let home = partition_of(&Conference::parse("rustconf").expect("valid"), 4);
        assert!(read(Topic::Tweets, Some(value), 0, home, 4).is_ok());
        let refused = read(Topic::Tweets, Some(value), 0, (home + 1) % 4, 4).expect_err("wrong partition");
        assert_eq!(refused.to_string(), format!("conference rustconf belongs to partition {home}"));
    }

    #[test]
    fn a_tombstone_and_a_like_without_a_visitor_are_poison() {
        assert_eq!(read(Topic::Tweets, None, 0, 0, 1).expect_err("no value").to_string(), "has no value");
        let value = br#"{"tweetId":"1","conference":"rustconf","liked":true}"#;
        let refused = read(Topic::TweetLikes, Some(value), 0, 0, 1).expect_err("no visitor").to_string();
        assert_eq!(refused, "visitorId: is empty");
    }
}
