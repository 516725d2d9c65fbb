//! A post as callers send it, before any rule was applied.

use std::borrow::Cow;

use contracts::{InvalidField, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// One post, as `POST /eventBridge/tweets` takes it. Fields that are not named here are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Post {
    /// The platform's id, `[A-Za-z0-9._~-]{1,64}`; derived from author, text and time where it is missing.
    #[schema(example = "1234567890")]
    pub(crate) tweet_id: Option<String>,
    /// What was said, as plain text.
    #[schema(value_type = String, required, example = "Off to #rustconf!")]
    pub(crate) text: Option<String>,
    /// Who said it.
    #[schema(value_type = String, required, example = "ferris")]
    pub(crate) author: Option<String>,
    /// The hashtag to show with it; without it, the first one in the text, or the conference.
    pub(crate) hashtag: Option<String>,
    /// When it was said; RFC 3339. Without it, now.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-22T15:04:05.000Z")]
    pub(crate) created_at: Option<Timestamp>,
    /// BCP 47 tag; `und` without it.
    pub(crate) language: Option<String>,
    /// The conference; without it, the first configured hashtag that stands in the text.
    #[schema(example = "rustconf")]
    pub(crate) tag_filter: Option<String>,
    /// Whether it repeats another post.
    pub(crate) is_a_retweet: Option<bool>,
    /// The repeated post's id.
    pub(crate) original_tweet_id: Option<String>,
}

/// Why a post was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It could not be read at all; what was wrong.
    #[error("{0}")]
    Unreadable(Cow<'static, str>),
    /// It was read, and a field is outside its rule.
    #[error(transparent)]
    Field(#[from] InvalidField),
}

impl Post {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// Says what is wrong with the JSON, or names the field that has the wrong type.
    pub(crate) fn from_json(json: &str) -> Result<Self, Refusal> {
        // The typed reading is several times as fast; the other one is there to say what was wrong.
        serde_json::from_str(json).or_else(|_| Self::from_fields(object(json)?))
    }

    fn from_fields(mut fields: Map<String, Value>) -> Result<Self, Refusal> {
        let mut text = |field| match fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(InvalidField::new(field, format!("must be a string, is {}", kind(&other)))),
        };
        let post = Self {
            tweet_id: text("tweetId")?,
            text: text("text")?,
            author: text("author")?,
            hashtag: text("hashtag")?,
            created_at: text("createdAt")?.map(|time| Timestamp::parse("createdAt", &time)).transpose()?,
            language: text("language")?,
            tag_filter: text("tagFilter")?,
            original_tweet_id: text("originalTweetId")?,
            is_a_retweet: match fields.remove("isARetweet") {
                None | Some(Value::Null) => None,
                Some(Value::Bool(is)) => Some(is),
                Some(other) => {
                    let reason = format!("must be true or false, is {}", kind(&other));
                    return Err(InvalidField::new("isARetweet", reason).into());
                }
            },
        };
        Ok(post)
    }
}

/// Reads a JSON object of any fields.
pub(crate) fn object(json: &str) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_str(json) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(Refusal::Unreadable(format!("is not a JSON object but {}", kind(&other)).into())),
        Err(error) => Err(Refusal::Unreadable(format!("is not JSON: {error}").into())),
    }
}

/// What `value` is, as it reads behind "is".
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(json: &str) -> String {
        Post::from_json(json).expect_err("a refusal").to_string()
    }

    #[test]
    fn all_fields_are_read_and_others_ignored() {
        let post = Post::from_json(
            r#"{"eventType":"tweetEvent","tweetId":"1","text":"t","author":"a","hashtag":"h","createdAt":"2026-11-22T16:04:00+01:00",
               "language":"en","tagFilter":"c","isARetweet":true,"originalTweetId":"0","likes":{"deep":[1,2]}}"#,
        )
        .expect("a post");
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            post,
            Post {
                tweet_id: some("1"),
                text: some("t"),
                author: some("a"),
                hashtag: some("h"),
                created_at: Timestamp::parse("createdAt", "2026-11-22T15:04:00Z").ok(),
                language: some("en"),
                tag_filter: some("c"),
                is_a_retweet: Some(true),
                original_tweet_id: some("0"),
            }
        );
    }

    #[test]
    fn a_missing_field_and_null_are_the_same() {
        assert_eq!(Post::from_json(r#"{"text":null,"createdAt":null,"isARetweet":null}"#), Ok(Post::default()));
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named() {
        assert_eq!(refusal(r#"{"tweetId":17}"#), "tweetId: must be a string, is a number");
        assert_eq!(refusal(r#"{"text":["a"]}"#), "text: must be a string, is an array");
        assert_eq!(refusal(r#"{"isARetweet":"yes"}"#), "isARetweet: must be true or false, is a string");
        assert_eq!(
            refusal(r#"{"createdAt":"yesterday"}"#),
            "createdAt: is not an RFC 3339 time such as 2026-11-22T15:04:05.000Z"
        );
    }

    #[test]
    fn what_is_not_an_object_is_said() {
        assert_eq!(refusal("[]"), "is not a JSON object but an array");
        assert!(refusal("{\"text\":").starts_with("is not JSON: EOF while parsing a value at line 1"));
    }

    #[test]
    fn a_field_given_twice_counts_as_it_was_given_last() {
        let post = Post::from_json(r#"{"text":"a","text":"b"}"#).expect("a post");
        assert_eq!(post.text.as_deref(), Some("b"));
    }

    proptest! {
        #[test]
        fn both_ways_of_reading_agree(text in ".{0,20}", id in proptest::option::of(".{0,5}"), retweet in any::<bool>()) {
            let json = serde_json::json!({"text": text, "tweetId": id, "isARetweet": retweet, "x": 1}).to_string();
            let slow = Post::from_fields(object(&json).expect("an object"));
            prop_assert_eq!(Post::from_json(&json), slow);
        }

        #[test]
        fn no_input_panics(json in "[\\[\\]{}\":,a-z0-9 \\\\]{0,60}") {
            let _ = Post::from_json(&json);
        }
    }
}
