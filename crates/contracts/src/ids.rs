//! Identifiers that were checked once, where they came in.

use std::fmt;

/// The longest identifier, in bytes. Kept short because ids stand in keys, URLs and every frame.
const MAX_ID_BYTES: usize = 64;

/// A value that cannot be taken, with the field that it came in and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidField {
    /// The field as the caller knows it.
    pub field: &'static str,
    /// Why it was refused, and what is allowed.
    pub reason: String,
}

impl InvalidField {
    /// A refusal of `field`.
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}

/// RFC 3986 "unreserved" characters: safe in a path segment, a query, a Kafka key and a cookie without escaping.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-')
}

/// [`is_unreserved`] of every byte: every record of every topic is looked at with it.
const UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    loop {
        table[byte as usize] = is_unreserved(byte);
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// Whether a text is an identifier: what [`TweetId::parse`] and [`VisitorId::parse`] take.
pub fn is_identifier(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|byte| UNRESERVED[usize::from(byte)])
        && !matches!(text, "." | "..")
}

fn check(field: &'static str, text: &str) -> Result<(), InvalidField> {
    if is_identifier(text) {
        return Ok(());
    }
    if text.is_empty() {
        return Err(InvalidField::new(field, "is empty"));
    }
    if text.len() > MAX_ID_BYTES {
        return Err(InvalidField::new(field, format!("has {} bytes, at most {MAX_ID_BYTES} are allowed", text.len())));
    }
    if let Some(at) = text.bytes().position(|byte| !is_unreserved(byte)) {
        return Err(InvalidField::new(
            field,
            format!("has a character at byte {at} that is not one of A-Z a-z 0-9 . _ ~ -"),
        ));
    }
    if matches!(text, "." | "..") {
        // Browsers and proxies take them out of a path before anybody sees them (RFC 3986, section 5.2.4).
        return Err(InvalidField::new(field, "is a dot segment, which cannot stand in a path"));
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text as it travels.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// The id of a post at its platform: `[A-Za-z0-9._~-]{1,64}`.
    TweetId
}

id! {
    /// A conference: `[a-z0-9._~-]{1,64}`; everything of one conference stands in one partition.
    Conference
}

id! {
    /// A visitor as other services see them: a keyed hash, `[A-Za-z0-9._~-]{1,64}`.
    VisitorId
}

impl TweetId {
    /// Checks `text`.
    ///
    /// # Errors
    /// Names `tweetId` where `text` is empty, longer than 64 bytes or has another character.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        check("tweetId", text)?;
        Ok(Self(text.into()))
    }
}

impl Conference {
    /// Checks `text`, drops one leading `#` and lower-cases it, so that `#RustConf` and `rustconf` are one conference.
    ///
    /// # Errors
    /// Names `conference` where what remains is empty, longer than 64 bytes or has another character.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let text = text.strip_prefix('#').unwrap_or(text);
        check("conference", text)?;
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// Whether a text is a conference as it stands on topics: lower-cased, without `#`.
    pub fn is_written(text: &str) -> bool {
        is_identifier(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
    }
}

impl VisitorId {
    /// Checks `text`.
    ///
    /// # Errors
    /// Names `visitorId` where `text` is empty, longer than 64 bytes or has another character.
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        check("visitorId", text)?;
        Ok(Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_conference_is_the_same_with_hash_and_capitals() {
        assert_eq!(Conference::parse("#RustConf"), Conference::parse("rustconf"));
        assert!(Conference::parse("##rust").is_err(), "only one leading # is dropped");
        assert!(
            Conference::parse("#").is_err() && Conference::parse("..").is_err() && Conference::parse("...").is_ok()
        );
    }

    #[test]
    fn a_refusal_names_the_field_and_the_bound() {
        let refused = TweetId::parse(&"x".repeat(65)).expect_err("65 bytes are too many");
        assert_eq!(refused.to_string(), "tweetId: has 65 bytes, at most 64 are allowed");
    }

    proptest! {
        #[test]
        fn what_parses_is_short_unreserved_and_parses_again_to_itself(text in ".{0,80}") {
            if let Ok(conference) = Conference::parse(&text) {
                prop_assert!((1..=64).contains(&conference.as_str().len()));
                prop_assert!(conference.as_str().bytes().all(|b| is_unreserved(b) && !b.is_ascii_uppercase()));
                prop_assert_eq!(Conference::parse(conference.as_str()), Ok(conference));
            }
        }

        #[test]
        fn every_unreserved_text_is_a_tweet_id(text in "[A-Za-z0-9._~-]{1,64}") {
            prop_assume!(text != "." && text != "..");
            let id = TweetId::parse(&text).expect("within the rule");
            prop_assert_eq!(id.as_str(), text);
        }
    }
}
