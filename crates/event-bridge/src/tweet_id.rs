//! The id of a post that comes without one: the same for every delivery of the same post.

use contracts::{Timestamp, TweetId};
use uuid::Uuid;

/// The namespace of derived ids. Never change it: a retried delivery would then be another tweet.
const NAMESPACE: Uuid = Uuid::from_u128(0x2f31_20ce_70f1_466c_a9d3_0b7c_afba_6425);

/// Segments behind which a person stands, not a post: their name must not become the id of all their posts.
const PEOPLE: [&str; 6] = ["profile", "users", "user", "u", "in", "author"];

/// The post's id in the link to it.
///
/// `…/status/123` and whatever follows it (Twitter and X), else the last segment of the path where it is a valid id with
/// a digit in it and does not name a person (`…/@user/123` of Mastodon, `…/post/3kab2` of Bluesky).
pub(crate) fn from_link(link: &str) -> Option<TweetId> {
    let link = link.trim();
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next()?;
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.is_empty() {
        return None;
    }
    let host = segments.remove(0);
    let is_status =
        |pair: &&[&str]| matches!(pair[0], "status" | "statuses") && pair[1].bytes().all(|b| b.is_ascii_digit());
    if let Some(pair) = segments.windows(2).find(is_status) {
        return TweetId::parse(pair[1]).ok();
    }
    let host = host.strip_prefix("www.").or(host.strip_prefix("mobile.")).unwrap_or(host);
    if matches!(host, "twitter.com" | "x.com") {
        return None;
    }
    let [.., before, last] = segments[..] else { return None };
    if PEOPLE.contains(&before) || !last.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    TweetId::parse(last).ok()
}

/// The post's id in the HTML that a platform gives to embed it.
pub(crate) fn from_embed_code(html: &str) -> Option<TweetId> {
    html.split("/status/").skip(1).find_map(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        TweetId::parse(&rest[..digits]).ok()
    })
}

/// A UUIDv5 of who wrote what, when. Without a time, the same words of the same author are the same tweet.
pub(crate) fn derived(author: &str, text: &str, created_at: Option<Timestamp>) -> TweetId {
    let time = created_at.map(|time| time.millis().to_string()).unwrap_or_default();
    // The lengths keep ("ab", "c") and ("a", "bc") apart.
    let name = format!("{}:{author}{}:{text}{time}", author.len(), text.len());
    let id = Uuid::new_v5(&NAMESPACE, name.as_bytes()).hyphenated().to_string();
    TweetId::parse(&id).expect("36 hexadecimal digits and hyphens are within the rule")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(link: &str) -> Option<String> {
        from_link(link).map(|id| id.to_string())
    }

    #[test]
    fn the_id_is_taken_from_a_link_to_the_post() {
        for link in [
            "https://twitter.com/ferris/status/1234567890",
            "http://www.twitter.com/ferris/statuses/1234567890",
            " https://x.com/ferris/status/1234567890?s=20#top ",
            "https://x.com/i/web/status/1234567890/photo/1",
            "https://mastodon.social/@ferris/1234567890",
            "https://mastodon.social/@ferris@hachyderm.io/1234567890/",
            "twitter.com/ferris/status/1234567890",
        ] {
            assert_eq!(id(link).as_deref(), Some("1234567890"), "{link}");
        }
        assert_eq!(id("https://bsky.app/profile/ferris.rs/post/3kab2").as_deref(), Some("3kab2"));
    }

    #[test]
    fn a_link_to_a_person_or_a_page_gives_no_id() {
        for link in [
            "",
            "https://",
            "https://x.com/ferris2",
            "https://x.com/ferris/status/",
            "https://x.com/ferris/status/new2",
            "https://mastodon.social/@ferris2",
            "https://bsky.app/profile/ferris2.bsky.social",
            "https://example.org/blog/welcome",
            "https://t.co/abc1",
            "https://example.org/2026/caf\u{e9}1",
        ] {
            assert_eq!(id(link), None, "{link}");
        }
    }

    #[test]
    fn the_id_is_taken_from_the_embed_code() {
        let html = r#"<a href="https://twitter.com/ferris/status/42?ref_src=twsrc">November 22</a>"#;
        assert_eq!(from_embed_code(html).map(|id| id.to_string()).as_deref(), Some("42"));
        assert_eq!(from_embed_code("<p>/status/</p>"), None);
    }

    #[test]
    fn a_retried_delivery_is_the_same_tweet_and_any_difference_another_one() {
        let time = Some(Timestamp::from_millis(1));
        let one = derived("ab", "c", time);
        assert_eq!(one, derived("ab", "c", time));
        for other in [derived("a", "bc", time), derived("ab", "c", None), derived("ab", "d", time)] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn derived_ids_are_those_of_earlier_versions() {
        let id = derived("ferris", "hello #rustconf", Some(Timestamp::from_millis(1_795_359_840_000)));
        assert_eq!(id.as_str(), "a225afb7-fd45-5f85-baab-e919b01c31b9");
    }

    proptest! {
        #[test]
        fn no_link_panics(link in "[a-z0-9:/?#@.é-]{0,60}") {
            let _ = from_link(&link);
            let _ = from_embed_code(&link);
        }
    }
}
