//! Records of the input topics.

use std::borrow::Cow;

use contracts::{
    Conference, Record as _, Timestamp, Topic, Tweet, TweetLike, UnreadableRecord, is_identifier, partition_of_key,
};

use crate::store::Millis;

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact<'a> {
    /// Of topic `tweets`.
    Tweet(Tweet),
    /// Of topic `tweet-likes`.
    Like(Opinion<'a>),
}

/// That a visitor likes a tweet, or does no longer. Its texts are the record's own where they can be.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion<'a> {
    /// The tweet.
    pub tweet_id: Cow<'a, str>,
    /// Where it is shown.
    pub conference: Cow<'a, str>,
    /// Whose opinion it is.
    pub visitor_id: Cow<'a, str>,
    /// Whether it gives a like, or takes one back.
    pub liked: bool,
    /// When, by the clock of whoever took it.
    pub at: Option<Timestamp>,
}

impl From<TweetLike> for Opinion<'_> {
    fn from(like: TweetLike) -> Self {
        Self {
            tweet_id: like.tweet_id.into(),
            conference: like.conference.into(),
            visitor_id: like.visitor_id.into(),
            liked: like.liked,
            at: like.at,
        }
    }
}

/// A record that can be processed.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// When the broker took it.
    pub appended: Millis,
    /// What it says.
    pub fact: Fact<'a>,
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
) -> Result<Record<'_>, Poison> {
    let value = value.ok_or(Poison::NoValue)?;
    let fact = match topic {
        Topic::TweetLikes => Fact::Like(like(value)?),
        _ => Fact::Tweet(Tweet::from_json(value)?),
    };
    let conference = match &fact {
        Fact::Tweet(tweet) => tweet.conference(),
        Fact::Like(like) => &like.conference,
    };
    let expected = partition_of_key(conference.as_bytes(), partitions);
    if expected != partition {
        return Err(Poison::WrongPartition { conference: conference.to_owned(), expected });
    }
    Ok(Record { appended, fact })
}

fn like(value: &[u8]) -> Result<Opinion<'_>, UnreadableRecord> {
    match written(value) {
        Some(opinion) => Ok(opinion),
        None => TweetLike::from_json(value).map(Opinion::from),
    }
}

/// Reads the one form in which `likes` writes its records, without a copy. `None`: another form, or no like at all; which
/// of them is for the full parser to say.
fn written(value: &[u8]) -> Option<Opinion<'_>> {
    let (tweet_id, rest) = identifier(value, br#"{"tweetId":""#)?;
    let (conference, rest) = identifier(rest, br#","conference":""#)?;
    let (visitor_id, rest) = identifier(rest, br#","visitorId":""#)?;
    let rest = rest.strip_prefix(br#","liked":"#)?;
    let (liked, rest) = match rest.strip_prefix(b"true") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix(b"false")?),
    };
    let (at, rest) = text(rest, br#","at":""#)?;
    let at = Timestamp::parse("at", at).ok()?;
    (rest == b"}" && Conference::is_written(conference)).then_some(Opinion {
        tweet_id: tweet_id.into(),
        conference: conference.into(),
        visitor_id: visitor_id.into(),
        liked,
        at: Some(at),
    })
}

/// The identifier between `before` and a quote, and what follows.
fn identifier<'a>(value: &'a [u8], before: &[u8]) -> Option<(&'a str, &'a [u8])> {
    text(value, before).filter(|(text, _)| is_identifier(text))
}

/// What stands between `before` and a quote, and what follows. With escapes it is no text that its callers take.
fn text<'a>(value: &'a [u8], before: &[u8]) -> Option<(&'a str, &'a [u8])> {
    let value = value.strip_prefix(before)?;
    let end = value.iter().position(|byte| *byte == b'"')?;
    Some((str::from_utf8(&value[..end]).ok()?, &value[end + 1..]))
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
            let quoted = |text: &str| serde_json::to_string(text).expect("a text");
            let liked = liked.map(|liked| format!(r#","liked":{liked}"#)).unwrap_or_default();
            let json = format!(
                r#"{{"tweetId":{},"conference":{},"visitorId":"v"{liked},"at":{}{more}}}"#,
                quoted(&tweet), quoted(&conference), quoted(at),
            );
            let full = TweetLike::from_json(json.as_bytes()).map(Opinion::from);
            prop_assert_eq!(like(json.as_bytes()).map_err(|e| e.to_string()), full.map_err(|e| e.to_string()), "{}", json);
        }
    }

    #[test]
    fn a_like_as_it_is_written_is_read_without_a_copy() {
        for liked in [true, false] {
            let like = TweetLike {
                tweet_id: "1795".into(),
                conference: "rustconf".into(),
                visitor_id: "v".into(),
                liked,
                at: Some(Timestamp::from_millis(5_678)),
            };
            let json = like.to_json();
            assert_eq!(written(&json), Some(Opinion::from(like)), "{}", String::from_utf8_lossy(&json));
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
