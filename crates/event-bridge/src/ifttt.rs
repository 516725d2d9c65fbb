//! The body of an IFTTT applet: "New tweet from search" → "Make a web request".
//!
//! What the body says is up to whoever made the applet, from the ingredients `Text`, `UserName`, `LinkToTweet`,
//! `CreatedAt`, `TweetEmbedCode` and `FirstLinkUrl`. So the names of the ingredients are taken in any case and with or
//! without `_`, beside our own names and those that applets for Kafka demonstrations have used.

use std::borrow::Cow;

use contracts::InvalidField;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::{
    ifttt_time, ingredient, json_repair,
    post::{Post, Refusal, kind, object},
    tweet_id,
};

/// What to do about a body that is no JSON, at the place where it is told.
const HINT: &str = "a quotation mark or backslash in an ingredient has to be escaped: write \
    \"text\":\"<<<{{Text}}>>>\" instead of \"text\":\"{{Text}}\" in the applet's body, and IFTTT escapes it";

/// Reads a body with `Content-Type: application/json`.
///
/// # Errors
/// Says how to correct the applet where the body is no JSON, or names the field that is wrong.
pub(crate) fn from_json(body: &str, zone: &TimeZone) -> Result<Post, Refusal> {
    let fields = match object(&json_repair::escape_controls(body)) {
        Ok(fields) => fields,
        Err(refusal) => object(&json_repair::escape_controls(&json_repair::escape_marked(body)))
            .map_err(|_| Refusal::Unreadable(format!("{refusal}; {HINT}").into()))?,
    };
    let mut applet = Applet::default();
    for (name, value) in fields {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            // A field that nobody reads may be anything.
            Value::Array(_) | Value::Object(_) => match Field::named(&name) {
                None => continue,
                Some(field) => {
                    return Err(
                        InvalidField::new(field.name(), format!("must be a string, is {}", kind(&value))).into()
                    );
                }
            },
        };
        applet.put(&name, &value);
    }
    Ok(applet.post(zone)?)
}

/// Reads a body with `Content-Type: application/x-www-form-urlencoded`.
///
/// # Errors
/// Where escapes stand for no UTF-8, or names the field that is wrong.
pub(crate) fn from_form(body: &str, zone: &TimeZone) -> Result<Post, Refusal> {
    // The parser would put U+FFFD in their place, and the text would be on the wall without what it said.
    if let Some(at) = no_character(body) {
        return Err(Refusal::Unreadable(
            format!("is not UTF-8 once its escapes are resolved: what stands at byte {at} begins no character").into(),
        ));
    }
    let mut applet = Applet::default();
    for (name, value) in form_urlencoded::parse(with_whole_entities(body).as_bytes()) {
        applet.put(&name, &value);
    }
    Ok(applet.post(zone)?)
}

/// An ingredient that is filled into a form unescaped brings its entities with it, and their `&` would end the field:
/// `text=Tom &amp; Jerry` is one field.
fn with_whole_entities(form: &str) -> Cow<'_, str> {
    let is_rest_of_entity = |field: &str| {
        field.split_once(';').is_some_and(|(name, _)| {
            let name = name.strip_prefix('#').unwrap_or(name);
            (1..=8).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    };
    if !form.split('&').any(is_rest_of_entity) {
        return form.into();
    }
    let mut whole = String::with_capacity(form.len() + 16);
    for (at, field) in form.split('&').enumerate() {
        if at > 0 {
            whole.push_str(if is_rest_of_entity(field) { "%26" } else { "&" });
        }
        whole.push_str(field);
    }
    whole.into()
}

/// Where in `form` something stands that is no UTF-8 once its `%` escapes are resolved. `&` and `=` are characters of
/// their own in any case, so that fields need not be taken apart.
fn no_character(form: &str) -> Option<usize> {
    let digit =
        |at: usize| char::from(*form.as_bytes().get(at)?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut resolved = Vec::with_capacity(form.len());
    let mut places = Vec::with_capacity(form.len());
    let mut at = 0;
    while let Some(&byte) = form.as_bytes().get(at) {
        places.push(at);
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                resolved.push(high << 4 | low);
                at += 3;
            }
            _ => {
                resolved.push(byte);
                at += 1;
            }
        }
    }
    let valid = std::str::from_utf8(&resolved).err()?.valid_up_to();
    places.get(valid).copied()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    TweetId,
    Text,
    Author,
    Link,
    EmbedCode,
    CreatedAt,
    Hashtag,
    TagFilter,
    Language,
    IsARetweet,
    OriginalTweetId,
}

impl Field {
    /// The field that applets call `name`.
    fn named(name: &str) -> Option<Self> {
        let name: String = name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect();
        Some(match name.to_ascii_lowercase().as_str() {
            "tweetid" => Self::TweetId,
            "text" => Self::Text,
            "username" | "author" | "user" => Self::Author,
            "linktotweet" | "tweeturl" | "link" | "url" => Self::Link,
            "tweetembedcode" => Self::EmbedCode,
            "createdat" | "createdtime" | "created" => Self::CreatedAt,
            "hashtag" => Self::Hashtag,
            "tagfilter" | "conference" => Self::TagFilter,
            "language" | "lang" => Self::Language,
            "isaretweet" => Self::IsARetweet,
            "originaltweetid" => Self::OriginalTweetId,
            _ => return None,
        })
    }

    /// What it is called in an error.
    fn name(self) -> &'static str {
        match self {
            Self::TweetId => "tweetId",
            Self::Text => "text",
            Self::Author => "author",
            Self::Link => "linkToTweet",
            Self::EmbedCode => "tweetEmbedCode",
            Self::CreatedAt => "createdAt",
            Self::Hashtag => "hashtag",
            Self::TagFilter => "tagFilter",
            Self::Language => "language",
            Self::IsARetweet => "isARetweet",
            Self::OriginalTweetId => "originalTweetId",
        }
    }
}

/// The ingredients that arrived.
#[derive(Default)]
struct Applet {
    fields: Vec<(Field, String)>,
}

impl Applet {
    /// An empty ingredient counts as missing; of two names for the same, one counts.
    fn put(&mut self, name: &str, value: &str) {
        if let Some(field) = Field::named(name)
            && self.fields.iter().all(|(known, _)| *known != field)
        {
            let text = ingredient::plain(value);
            if !text.is_empty() {
                self.fields.push((field, text));
            }
        }
    }

    fn take(&mut self, wanted: Field) -> Option<String> {
        let at = self.fields.iter().position(|(field, _)| *field == wanted)?;
        Some(self.fields.swap_remove(at).1)
    }

    fn post(mut self, zone: &TimeZone) -> Result<Post, InvalidField> {
        let link = self.take(Field::Link);
        let embed_code = self.take(Field::EmbedCode);
        let linked = link.as_deref().and_then(tweet_id::from_link);
        let linked = linked.or_else(|| embed_code.as_deref().and_then(tweet_id::from_embed_code));
        let text = self.take(Field::Text);
        let is_a_retweet = match self.take(Field::IsARetweet) {
            Some(is) => Some(yes_or_no(&is)?),
            // How the platform has always written one where no field says it.
            None => text.as_deref().is_some_and(|text| text.starts_with("RT @")).then_some(true),
        };
        Ok(Post {
            tweet_id: self.take(Field::TweetId).or_else(|| linked.map(|id| id.to_string())),
            text,
            author: self.take(Field::Author),
            hashtag: self.take(Field::Hashtag),
            created_at: self.take(Field::CreatedAt).map(|time| ifttt_time::parse(&time, zone)).transpose()?,
            language: self.take(Field::Language),
            tag_filter: self.take(Field::TagFilter),
            is_a_retweet,
            original_tweet_id: self.take(Field::OriginalTweetId),
        })
    }
}

fn yes_or_no(text: &str) -> Result<bool, InvalidField> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" => Ok(true),
        "false" | "n" | "no" => Ok(false),
        _ => Err(InvalidField::new("isARetweet", "is not one of true, false, y, n")),
    }
}

#[cfg(test)]
mod tests {
    use contracts::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn json(body: &str) -> Post {
        from_json(body, &TimeZone::UTC).expect("a post")
    }

    fn form(body: &str) -> Post {
        from_form(body, &TimeZone::UTC).expect("a post")
    }

    fn refusal(body: &str) -> String {
        from_json(body, &TimeZone::UTC).expect_err("a refusal").to_string()
    }

    fn tweet() -> Post {
        Post {
            tweet_id: Some("853935915714138112".into()),
            text: Some("Tom & Jerry at #rustconf".into()),
            author: Some("ferris".into()),
            created_at: Timestamp::parse("createdAt", "2026-11-22T15:04:00Z").ok(),
            ..Post::default()
        }
    }

    #[test]
    fn a_body_of_the_documented_ingredients_is_a_post() {
        let body = r#"{
            "Text": "Tom &amp; Jerry at #rustconf",
            "UserName": "ferris",
            "LinkToTweet": "http://twitter.com/ferris/status/853935915714138112",
            "CreatedAt": "November 22, 2026 at 03:04PM",
            "FirstLinkUrl": "https://t.co/cBZNgqKk0U",
            "TweetEmbedCode": "<blockquote class=\"twitter-tweet\"></blockquote>"
        }"#;
        assert_eq!(json(body), tweet());
    }

    #[test]
    fn other_spellings_and_the_names_of_older_demonstrations_are_the_same() {
        for body in [
            r#"{"text":"Tom &amp; Jerry at #rustconf","author":"ferris","createdTime":"November 22, 2026 at 03:04PM",
                "tweetURL":"http://twitter.com/ferris/status/853935915714138112","firstLinkFromTweet":"https://t.co/x"}"#,
            r#"{"text":"<<<Tom &amp; Jerry at #rustconf>>>","user_name":"<<<ferris>>>","created_at":"2026-11-22T15:04:00Z",
                "link_to_tweet":"","tweet_embed_code":"<a href=\"https://x.com/ferris/status/853935915714138112\">"}"#,
            r#"{"text":"Tom & Jerry at #rustconf","TEXT":" ","author":"ferris","CREATEDAT":"2026-11-22T15:04:00Z",
                "tweetId":853935915714138112,"other":null,"value1":{"any":[]}}"#,
        ] {
            assert_eq!(json(body), tweet(), "{body}");
        }
    }

    #[test]
    fn a_form_is_the_same_escaped_or_not() {
        for body in [
            "text=Tom+%26amp%3B+Jerry+at+%23rustconf&userName=ferris&createdAt=November+22%2C+2026+at+03%3A04PM\
             &linkToTweet=https%3A%2F%2Ftwitter.com%2Fferris%2Fstatus%2F853935915714138112",
            "Text=Tom &amp; Jerry at #rustconf&UserName=ferris&CreatedAt=November 22, 2026 at 03:04PM\
             &LinkToTweet=http://twitter.com/ferris/status/853935915714138112",
        ] {
            assert_eq!(form(body), tweet(), "{body}");
        }
    }

    #[test]
    fn escapes_in_a_form_that_are_no_utf8_are_refused_with_their_place() {
        for (body, at) in [
            ("text=caf%E9&userName=ferris", 8),
            ("text=hi&userName=%FF", 17),
            ("text=%C3&userName=%A9", 5),
            ("text=%c3%a9%F0%9F%A6", 11),
            ("%FF=hi", 0),
        ] {
            let refused = from_form(body, &TimeZone::UTC).expect_err(body).to_string();
            assert!(refused.contains(&format!("at byte {at} ")), "{body}: {refused}");
        }
        for (body, text) in
            [("text=100%", "100%"), ("text=%zz+%2", "%zz %2"), ("text=%EF%BF%BD+%C3%A9+é", "\u{fffd} é é")]
        {
            assert_eq!(form(body).text.as_deref(), Some(text), "{body}");
        }
    }

    #[test]
    fn raw_line_breaks_and_tabs_belong_to_the_text() {
        let post = json("{\n\"text\":\"one\n\ttwo\",\r\n\"author\":\"ferris\"\n}");
        assert_eq!(post.text.as_deref(), Some("one\n\ttwo"));
    }

    #[test]
    fn what_stands_in_literal_marks_needs_no_escapes() {
        let post = json("{\"text\":\"<<<say \"hi\"\nC:\\new>>>\",\"author\":\"<<<ferris>>>\"}");
        assert_eq!(post.text.as_deref(), Some("say \"hi\"\nC:\\new"));
        assert_eq!(post.author.as_deref(), Some("ferris"));
    }

    #[test]
    fn escapes_in_literal_marks_are_still_escapes() {
        let post = json(r#"{"text":"<<<say \"hi\"\n>>>"}"#);
        assert_eq!(post.text.as_deref(), Some("say \"hi\""));
    }

    #[test]
    fn an_unescaped_quote_is_refused_with_the_way_to_escape_it() {
        let refused = refusal(r#"{"text":"say "hi"","author":"ferris"}"#);
        assert!(refused.starts_with("is not JSON: expected `,` or `}` at line 1 column"), "{refused}");
        assert!(refused.contains(r#"write "text":"<<<{{Text}}>>>" instead of "text":"{{Text}}""#), "{refused}");
    }

    #[test]
    fn a_field_that_cannot_be_read_is_named() {
        assert_eq!(refusal(r#"{"UserName":["a"]}"#), "author: must be a string, is an array");
        assert!(refusal(r#"{"created_at":"soon"}"#).starts_with("createdAt: is not a time such as"));
        assert_eq!(refusal(r#"{"isARetweet":"maybe"}"#), "isARetweet: is not one of true, false, y, n");
    }

    #[test]
    fn a_retweet_is_known_by_its_field_or_its_text() {
        assert_eq!(json(r#"{"text":"RT @ferris: hi"}"#).is_a_retweet, Some(true));
        assert_eq!(json(r#"{"text":"RT @ferris: hi","isARetweet":"n"}"#).is_a_retweet, Some(false));
        assert_eq!(json(r#"{"text":"hi"}"#).is_a_retweet, None);
    }

    proptest! {
        #[test]
        fn no_body_panics(body in "[\\[\\]{}\":,<>&;=%#+a-eTU0-9 \\n\\\\é]{0,80}") {
            let _ = from_json(&body, &TimeZone::UTC);
            let _ = from_form(&body, &TimeZone::UTC);
        }

        #[test]
        fn a_text_that_is_filled_in_escaped_arrives_as_it_was(text in "[^\\s&<>][^&<>]{0,30}[^\\s&<>]") {
            let body = serde_json::json!({"Text": text}).to_string();
            prop_assert_eq!(json(&body).text, Some(text.clone()));
            let body = form_urlencoded::Serializer::new(String::new()).append_pair("Text", &text).finish();
            prop_assert_eq!(form(&body).text, Some(text));
        }
    }
}
