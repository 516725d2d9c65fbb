//! From a post to a tweet: what this installation takes, and what it makes of missing fields.

use std::collections::BTreeSet;

use contracts::{Conference, InvalidField, Timestamp, Tweet, TweetId};

use crate::{
    hashtag::{self, ConferenceTags},
    plain_text,
    post::Post,
    tweet_id,
};

/// The longest hashtag, in characters. Platforms take far shorter ones.
const HASHTAG_CHARS: usize = 100;

/// How many conferences an error lists at most.
const LISTED: usize = 20;

/// The rules of this installation.
#[derive(Debug)]
pub(crate) struct Rules {
    /// The conferences that are taken; all where it is empty.
    conferences: BTreeSet<Conference>,
    /// The hashtags by which a post without `tagFilter` finds its conference.
    tags: ConferenceTags,
    text_chars: usize,
    author_chars: usize,
}

impl Rules {
    /// Where no hashtags are given, those of the `conferences` are looked for.
    pub(crate) fn new(
        conferences: Vec<Conference>,
        hashtags: Vec<Conference>,
        text_chars: usize,
        author_chars: usize,
    ) -> Self {
        let tags = ConferenceTags::new(if hashtags.is_empty() { conferences.clone() } else { hashtags });
        Self { conferences: conferences.into_iter().collect(), tags, text_chars, author_chars }
    }

    /// The tweet that `post` is, which arrived at `now`.
    ///
    /// # Errors
    /// Names the first field that is missing or outside its rule.
    pub(crate) fn tweet(&self, post: Post, now: Timestamp) -> Result<Tweet, InvalidField> {
        let text =
            required("text", post.text.map(|text| plain_text::lines(text.into()).into_owned()), self.text_chars)?;
        let author = required(
            "author",
            post.author.map(|author| plain_text::line(author.into()).into_owned()),
            self.author_chars,
        )?;
        let (conference, found) = self.conference(post.tag_filter.as_deref(), &text)?;
        let hashtag = match hashtag_field(post.hashtag.as_deref())? {
            Some(given) => given,
            None => found.or_else(|| hashtag::first(&text)).unwrap_or(conference.as_str()),
        };
        let hashtag = hashtag.to_owned();
        let tweet_id = match given(post.tweet_id.as_deref()) {
            Some(id) => TweetId::parse(id)?,
            None => tweet_id::derived(&author, &text, post.created_at),
        };
        let original = match given(post.original_tweet_id.as_deref()) {
            Some(id) => {
                Some(TweetId::parse(id).map_err(|refused| InvalidField::new("originalTweetId", refused.reason))?)
            }
            None => None,
        };
        if original.is_some() && post.is_a_retweet == Some(false) {
            return Err(InvalidField::new(
                "originalTweetId",
                "is given for a post that is no retweet (isARetweet: false)",
            ));
        }
        Ok(Tweet {
            event_type: Tweet::EVENT_TYPE.to_owned(),
            tweet_id: tweet_id.to_string(),
            text,
            author,
            hashtag,
            created_at: Some(post.created_at.unwrap_or(now)),
            language: language(post.language.as_deref())?.to_owned(),
            tag_filter: conference.to_string(),
            is_a_retweet: post.is_a_retweet.unwrap_or(original.is_some()),
            original_tweet_id: original.map(|id| id.to_string()).unwrap_or_default(),
        })
    }

    /// The conference, and the hashtag by which it was found where none was given.
    fn conference<'t>(&self, tag: Option<&str>, text: &'t str) -> Result<(Conference, Option<&'t str>), InvalidField> {
        let bad = |reason| InvalidField::new("tagFilter", reason);
        let (conference, found) = match given(tag) {
            Some(tag) => (Conference::parse(tag).map_err(|refused| bad(refused.reason))?, None),
            None => {
                let (conference, found) = self.tags.find(text).ok_or_else(|| bad(self.none_found()))?;
                (conference.clone(), Some(found))
            }
        };
        if !self.conferences.is_empty() && !self.conferences.contains(&conference) {
            let known = list(self.conferences.iter(), "");
            return Err(bad(format!("is {conference}, which is not one of this wall's conferences: {known}")));
        }
        Ok((conference, found))
    }

    fn none_found(&self) -> String {
        let tags = self.tags.iter();
        if tags.len() == 0 {
            return "is missing, and no hashtags are configured to look for in the text".to_owned();
        }
        format!("is missing, and the text has none of the hashtags {}", list(tags, "#"))
    }
}

fn list<'a>(conferences: impl ExactSizeIterator<Item = &'a Conference>, before: &str) -> String {
    let more = conferences.len().saturating_sub(LISTED);
    let names: Vec<String> = conferences.take(LISTED).map(|conference| format!("{before}{conference}")).collect();
    let names = names.join(", ");
    if more > 0 { format!("{names} and {more} more") } else { names }
}

/// An empty field says as little as a missing one.
fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn required(field: &'static str, text: Option<String>, max: usize) -> Result<String, InvalidField> {
    let text = text.ok_or_else(|| InvalidField::new(field, "is missing"))?;
    if text.trim().is_empty() {
        return Err(InvalidField::new(field, "is empty"));
    }
    check_length(field, &text, max)?;
    Ok(text)
}

fn check_length(field: &'static str, text: &str, max: usize) -> Result<(), InvalidField> {
    if !plain_text::is_longer_than(text, max) {
        return Ok(());
    }
    let chars = text.chars().count();
    Err(InvalidField::new(field, format!("has {chars} characters, at most {max} are allowed")))
}

fn hashtag_field(field: Option<&str>) -> Result<Option<&str>, InvalidField> {
    let Some(tag) = given(field) else { return Ok(None) };
    let tag = tag.trim_start_matches(['#', '＃']);
    if tag.is_empty() || tag.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(InvalidField::new("hashtag", "is not one word"));
    }
    check_length("hashtag", tag, HASHTAG_CHARS)?;
    Ok(Some(tag))
}

/// `und` is BCP 47 for "undetermined".
fn language(field: Option<&str>) -> Result<&str, InvalidField> {
    let Some(tag) = given(field) else { return Ok("und") };
    // The shape of RFC 5646; whether a subtag is registered is not ours to say.
    let is_tag = tag.len() <= 35
        && tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if is_tag { Ok(tag) } else { Err(InvalidField::new("language", "is not a BCP 47 tag such as en or pt-BR")) }
}

#[cfg(test)]
mod tests {
    use contracts::Record as _;
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_359_840_000;

    fn conferences(names: &[&str]) -> Vec<Conference> {
        names.iter().map(|name| Conference::parse(name).expect("a conference")).collect()
    }

    fn rules() -> Rules {
        Rules::new(conferences(&["rustconf", "kafkaconf", "wall"]), conferences(&["rustconf", "kafkaconf"]), 50, 10)
    }

    fn post(json: serde_json::Value) -> Post {
        Post::from_json(&json.to_string()).expect("a post")
    }

    fn tweet(json: serde_json::Value) -> Tweet {
        let tweet = rules().tweet(post(json), Timestamp::from_millis(NOW)).expect("a tweet");
        assert_eq!(tweet.check(), Ok(()));
        tweet
    }

    fn refusal(json: serde_json::Value) -> String {
        rules().tweet(post(json), Timestamp::from_millis(NOW)).expect_err("a refusal").to_string()
    }

    macro_rules! json {
        ($($json:tt)*) => { serde_json::json!({ $($json)* }) };
    }

    #[test]
    fn a_post_with_all_fields_is_taken_as_it_is() {
        let tweet = tweet(json!(
            "tweetId": "17", "text": "Tom &amp; Jerry\n", "author": "Ferris", "hashtag": "#Async", "language": "pt-BR",
            "tagFilter": "#RustConf", "createdAt": "2026-11-22T15:04:00Z", "isARetweet": true, "originalTweetId": "16",
        ));
        assert_eq!(
            serde_json::to_value(tweet).expect("JSON"),
            json!(
                "eventType": "tweetEvent", "tweetId": "17", "text": "Tom &amp; Jerry\n", "author": "Ferris",
                "hashtag": "Async", "createdAt": "2026-11-22T15:04:00.000Z", "language": "pt-BR",
                "tagFilter": "rustconf", "isARetweet": true, "originalTweetId": "16",
            )
        );
    }

    #[test]
    fn what_is_missing_is_filled_in() {
        let tweet = tweet(json!("text": "hi #KafkaConf #x", "author": "Ferris"));
        assert_eq!(tweet.tag_filter, "kafkaconf");
        assert_eq!(tweet.hashtag, "KafkaConf", "as the author wrote it");
        assert_eq!(tweet.created_at, Some(Timestamp::from_millis(NOW)));
        assert_eq!(tweet.language, "und");
        assert_eq!(tweet.tweet_id.len(), 36);
        assert!(!tweet.is_a_retweet);
    }

    #[test]
    fn the_hashtag_is_the_given_one_then_the_first_in_the_text_then_the_conference() {
        let hashtag = |json| tweet(json).hashtag;
        assert_eq!(hashtag(json!("text": "#a #rustconf", "author": "F", "hashtag": "b")), "b");
        assert_eq!(hashtag(json!("text": "#a #rustconf", "author": "F", "tagFilter": "wall")), "a");
        assert_eq!(hashtag(json!("text": "hi", "author": "F", "tagFilter": "wall")), "wall");
        assert_eq!(hashtag(json!("text": "hi", "author": "F", "tagFilter": "wall", "hashtag": "")), "wall");
    }

    #[test]
    fn a_post_without_conference_is_refused_with_what_was_looked_for() {
        assert_eq!(
            refusal(json!("text": "hi", "author": "F", "tagFilter": " ")),
            "tagFilter: is missing, and the text has none of the hashtags #rustconf, #kafkaconf"
        );
        let open = Rules::new(vec![], vec![], 50, 10);
        let refused = open.tweet(post(json!("text": "#hi", "author": "F")), Timestamp::default()).expect_err("none");
        assert_eq!(refused.reason, "is missing, and no hashtags are configured to look for in the text");
        open.tweet(post(json!("text": "hi", "author": "F", "tagFilter": "any")), Timestamp::default()).expect("open");
    }

    #[test]
    fn an_unlisted_conference_is_refused_with_the_list() {
        assert_eq!(
            refusal(json!("text": "hi", "author": "F", "tagFilter": "JavaOne")),
            "tagFilter: is javaone, which is not one of this wall's conferences: kafkaconf, rustconf, wall"
        );
        let names: Vec<String> = (100..130).map(|n| format!("c{n}")).collect();
        let many = Rules::new(conferences(&names.iter().map(String::as_str).collect::<Vec<_>>()), vec![], 50, 10);
        let refused = many.tweet(post(json!("text": "hi", "author": "F")), Timestamp::default()).expect_err("none");
        assert!(refused.reason.ends_with("#c118, #c119 and 10 more"), "{refused}");
    }

    #[test]
    fn a_field_outside_its_rule_is_named() {
        let of = |field: &str, value: serde_json::Value| {
            let mut post = json!("text": "hi", "author": "F", "tagFilter": "wall");
            post[field] = value;
            refusal(post)
        };
        assert_eq!(of("text", serde_json::Value::Null), "text: is missing");
        assert_eq!(of("text", " \u{0} ".into()), "text: is empty");
        assert_eq!(of("text", "x".repeat(51).into()), "text: has 51 characters, at most 50 are allowed");
        assert_eq!(of("author", serde_json::Value::Null), "author: is missing");
        assert_eq!(of("author", "é".repeat(11).into()), "author: has 11 characters, at most 10 are allowed");
        assert_eq!(of("hashtag", "two words".into()), "hashtag: is not one word");
        assert_eq!(of("language", "a language".into()), "language: is not a BCP 47 tag such as en or pt-BR");
        assert!(of("tagFilter", "a b".into()).starts_with("tagFilter: has a character at byte 1"));
        assert!(of("tweetId", "a/b".into()).starts_with("tweetId: has a character at byte 1"));
        assert!(of("originalTweetId", "a/b".into()).starts_with("originalTweetId: has a character at byte 1"));
        assert_eq!(
            refusal(
                json!("text": "hi", "author": "F", "tagFilter": "wall", "isARetweet": false, "originalTweetId": "1")
            ),
            "originalTweetId: is given for a post that is no retweet (isARetweet: false)"
        );
    }

    #[test]
    fn a_retried_post_is_the_same_tweet_whenever_it_arrives() {
        let id = |now| rules().tweet(post(json!("text": "#rustconf", "author": "F")), Timestamp::from_millis(now));
        assert_eq!(id(1).expect("a tweet").tweet_id, id(2).expect("a tweet").tweet_id);
    }

    proptest! {
        #[test]
        fn every_tweet_keeps_the_rules_of_the_topic(
            text in ".{0,60}", author in ".{0,12}", tag in proptest::option::of("[#a-zA-Z]{0,9}"), id in "[ -~]{0,5}",
        ) {
            let post = Post {
                text: Some(text), author: Some(author), tag_filter: tag, tweet_id: Some(id), ..Post::default()
            };
            if let Ok(tweet) = Rules::new(vec![], vec![], 50, 10).tweet(post, Timestamp::from_millis(NOW)) {
                prop_assert_eq!(tweet.check(), Ok(()));
                prop_assert!(tweet.text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
                prop_assert!(tweet.text.chars().count() <= 50);
            }
        }
    }
}
