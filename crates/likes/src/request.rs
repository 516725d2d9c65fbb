//! What callers send.

use actix_web::{HttpMessage as _, HttpRequest, http::header, web};
use contracts::{Conference, InvalidField, TweetId};
use serde::Deserialize;
use serde_json::{Map, Value};
use service_shell::body;
use utoipa::ToSchema;

use crate::error::Error;

/// The largest body: two ids of 64 bytes and their names, with room to spare.
const BODY_BYTES: usize = 4096;

/// The query of a like.
#[derive(Debug, Deserialize)]
pub(crate) struct LikeQuery {
    conference: Option<String>,
}

impl LikeQuery {
    /// The conference that is named, where one is.
    pub(crate) fn conference(&self) -> Result<Option<Conference>, Error> {
        Ok(self.conference.as_deref().map(Conference::parse).transpose()?)
    }
}

/// Which tweet is liked.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct Like {
    /// The tweet.
    #[schema(value_type = String, example = "1234567890")]
    pub(crate) tweet_id: TweetId,
    /// One of its conferences; all of them where none is named.
    #[schema(value_type = Option<String>, example = "rustconf")]
    pub(crate) conference: Option<Conference>,
}

impl Like {
    /// Reads the body of `request`.
    pub(crate) async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Self, Error> {
        if !request.content_type().eq_ignore_ascii_case("application/json") {
            return Err(Error::UnsupportedType);
        }
        if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err(Error::Compressed(String::from_utf8_lossy(encoding.as_bytes()).into_owned()));
        }
        Self::from_json(&body::read(request, payload, BODY_BYTES).await.map_err(Error::Transfer)?)
    }

    /// Reads a JSON object; fields of other names are ignored.
    fn from_json(body: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(body)
            .map_err(|error| Error::Body(format!("is not UTF-8: byte {} begins no character", error.valid_up_to())))?;
        let mut fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(Error::Body("is not a JSON object".to_owned())),
            Err(error) => return Err(Error::Body(format!("is not JSON: {error}"))),
        };
        let tweet_id = text_of(&mut fields, "tweetId")?.ok_or_else(|| InvalidField::new("tweetId", "is missing"))?;
        let conference = text_of(&mut fields, "conference")?;
        Ok(Self {
            tweet_id: TweetId::parse(&tweet_id)?,
            conference: conference.as_deref().map(Conference::parse).transpose()?,
        })
    }
}

fn text_of(fields: &mut Map<String, Value>, field: &'static str) -> Result<Option<String>, InvalidField> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(InvalidField::new(field, "must be a string")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(body: &[u8]) -> String {
        Like::from_json(body).expect_err("a refusal").to_string()
    }

    #[test]
    fn a_like_names_a_tweet_and_perhaps_a_conference() {
        let like = Like::from_json(br#"{"eventType":"tweetLike","tweetId":"17"}"#).expect("a like");
        assert_eq!((like.tweet_id.as_str(), &like.conference), ("17", &None));
        let same = Like::from_json(br#"{"tweetId":"17","conference":null}"#).expect("a like");
        assert_eq!(same, like);
        let like = Like::from_json(br##"{"tweetId":"17","conference":"#RustConf"}"##).expect("a like");
        assert_eq!(like.conference, Conference::parse("rustconf").ok());
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        assert_eq!(refusal(b"{}"), "tweetId: is missing");
        assert_eq!(refusal(br#"{"tweetId":17}"#), "tweetId: must be a string");
        assert_eq!(refusal(br#"{"tweetId":""}"#), "tweetId: is empty");
        assert_eq!(refusal(br#"{"tweetId":"1","conference":[]}"#), "conference: must be a string");
        assert!(refusal(br#"{"tweetId":"1","conference":"a b"}"#).starts_with("conference: has a character at byte 1"));
        assert_eq!(refusal(b"[1]"), "the body is not a JSON object");
        assert!(refusal(b"").starts_with("the body is not JSON: EOF"));
        assert_eq!(refusal(b"{\"a\xff"), "the body is not UTF-8: byte 3 begins no character");
    }

    proptest! {
        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..60), text in "[\\[\\]{}\":,a-e0-9 \\\\]{0,60}") {
            let _ = Like::from_json(&body);
            let _ = Like::from_json(text.as_bytes());
        }
    }
}
