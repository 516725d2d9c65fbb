//! Records of the input topics.

use contracts::{
    Conference, Record as _, Timestamp, Topic, Tweet, TweetLike, UnreadableRecord, is_identifier, partition_of_key,
};
use serde::Deserialize;

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
        Topic::TweetLikes => Fact::Like(like(value)?),
        _ => Fact::Tweet(Tweet::from_json(value)?),
    };
    let conference = match &fact {
        Fact::Tweet(tweet) => tweet.conference(),
        Fact::Like(like) => like.conference(),
    };
    let expected = partition_of_key(conference.as_bytes(), partitions);
    if expected != partition {
        return Err(Poison::WrongPartition { conference: conference.to_owned(), expected });
    }
    Ok(Record { appended, fact })
}

/// A like as `likes` writes it. What looks otherwise is for the full parser to judge.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLike<'a> {
    tweet_id: &'a str,
    conference: &'a str,
    visitor_id: &'a str,
    liked: bool,
    at: &'a str,
}

fn like(value: &[u8]) -> Result<TweetLike, UnreadableRecord> {
    match serde_json::from_slice::<WrittenLike<'_>>(value) {
        Ok(like)
            if is_identifier(like.tweet_id)
                && Conference::is_written(like.conference)
                && is_identifier(like.visitor_id) =>
        {
            match Timestamp::parse("at", like.at) {
                Ok(at) => Ok(TweetLike {
                    tweet_id: like.tweet_id.to_owned(),
                    conference: like.conference.to_owned(),
                    visitor_id: like.visitor_id.to_owned(),
                    liked: like.liked,
                    at: Some(at),
                }),
                Err(_) => TweetLike::from_json(value),
            }
        }
        _ => TweetLike::from_json(value),
    }
}

#[cfg(test)]
mod tests {
    use contracts::partition_of;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_like_is_read_as_the_full_parser_reads_it(
            tweet in "[a-z0-9.]{0,3}|[A-Z\"\\\\é]{1,2}|.{65,70}",
            conference in "[a-zA-Z#.]{0,3}",
            liked in any::<Option<bool>>(),
            at in prop::sample::select(vec![
                "2026-11-22T15:04:05.678Z", "2026-02-29T15:04:05.678Z", "2024-02-29T00:00:00.000Z", "0000-01-01T00:00:00.000Z",
                "2026-11-22T15:04:05Z", "2026-11-22T15:04:60.000Z", "2026-11-22T15:04:05.678+01:00", "soon", "", "1969-12-31T23:59:59.999Z",
                "9999-12-28T23:59:59.999Z", "2026-13-01T00:00:00.000Z", "2026-11-22T24:00:00.000Z", "2026-1x-22T15:04:05.678Z",
            ]),
            more in prop::sample::select(vec!["", r#","other":{"a":[1]}"#, r#","tweet_id":"x""#, ",", r#","liked":true"#]),
        ) {
            let mut json = serde_json::json!({"tweetId": tweet, "conference": conference, "visitorId": "v", "at": at});
            if let Some(liked) = liked {
                json["liked"] = liked.into();
            }
            let text = json.to_string();
            let text = format!("{}{more}}}", text.strip_suffix('}').unwrap_or_default());
            let (fast, full) = (like(text.as_bytes()), TweetLike::from_json(text.as_bytes()));
            // Where a name is there in both of its forms the full parser refuses, and the fast one takes the usual form.
            if !more.contains("tweet_id") {
                prop_assert_eq!(fast.map_err(|e| e.to_string()), full.map_err(|e| e.to_string()), "{}", text);
            }
        }
    }

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
