//! Several posts in one body.

use serde_json::value::RawValue;

use crate::post::{Post, Refusal};

/// What a body held. A wrong item does not hold up the others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Posts {
    /// One object.
    One(Post),
    /// An array, or one object per line.
    Many(Vec<Result<Post, Refusal>>),
}

/// Why nothing of a body was taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBody {
    /// No item in it.
    #[error("has no post in it")]
    Empty,
    /// More items than are taken at once.
    #[error("has more than the {max} posts that are taken at once")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Its only post, or the JSON around all of them.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Reads one object or an array of at most `max`.
///
/// # Errors
/// [`BadBody`], where nothing can be taken.
pub(crate) fn from_json(body: &str, max: usize) -> Result<Posts, BadBody> {
    if body.trim_ascii().is_empty() {
        return Err(BadBody::Empty);
    }
    if !body.trim_ascii_start().starts_with('[') {
        return Ok(Posts::One(Post::from_json(body)?));
    }
    // Each item is kept as text first, so that one wrong field is the matter of one item.
    let items: Vec<&RawValue> = serde_json::from_str(body)
        .map_err(|error| Refusal::Unreadable(format!("is not a JSON array: {error}").into()))?;
    many(items.iter().map(|item| item.get()), max)
}

/// Reads one object per line (<https://github.com/ndjson/ndjson-spec>), at most `max`. Empty lines do not count.
///
/// # Errors
/// [`BadBody`], where nothing can be taken.
pub(crate) fn from_ndjson(body: &str, max: usize) -> Result<Posts, BadBody> {
    many(body.split('\n').map(str::trim_ascii).filter(|line| !line.is_empty()), max)
}

fn many<'a>(items: impl Iterator<Item = &'a str> + Clone, max: usize) -> Result<Posts, BadBody> {
    match items.clone().take(max.saturating_add(1)).count() {
        0 => Err(BadBody::Empty),
        count if count > max => Err(BadBody::TooMany { max }),
        _ => Ok(Posts::Many(items.map(Post::from_json).collect())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Post {
        Post { text: Some(text.to_owned()), ..Post::default() }
    }

    fn items(posts: Result<Posts, BadBody>) -> Vec<Result<Post, String>> {
        match posts.expect("items") {
            Posts::Many(items) => items.into_iter().map(|item| item.map_err(|refused| refused.to_string())).collect(),
            Posts::One(post) => panic!("one post: {post:?}"),
        }
    }

    #[test]
    fn an_object_is_one_post_and_an_array_of_one_is_a_batch() {
        assert_eq!(from_json(r#" {"text":"a"} "#, 9), Ok(Posts::One(text("a"))));
        assert_eq!(items(from_json(r#" [{"text":"a"}] "#, 9)), [Ok(text("a"))]);
        assert_eq!(items(from_ndjson(r#"{"text":"a"}"#, 9)), [Ok(text("a"))]);
    }

    #[test]
    fn a_wrong_item_does_not_hold_up_the_others() {
        let array = items(from_json(r#"[{"text":"a"},{"text":1},17,{"text":"b"}]"#, 9));
        let lines = items(from_ndjson("{\"text\":\"a\"}\r\n{\"text\":1}\n\n 17\n{\"text\":\"b\"}\n", 9));
        assert_eq!(array, lines);
        assert_eq!(
            array,
            [
                Ok(text("a")),
                Err("text: must be a string, is a number".into()),
                Err("is not a JSON object but a number".into()),
                Ok(text("b")),
            ]
        );
    }

    #[test]
    fn a_line_that_is_no_json_is_the_matter_of_that_line() {
        let lines = items(from_ndjson("{\"text\":\n{\"text\":\"b\"}", 9));
        assert!(lines[0].as_ref().is_err_and(|error| error.starts_with("is not JSON: EOF")), "{lines:?}");
        assert_eq!(lines[1], Ok(text("b")));
    }

    #[test]
    fn a_body_without_posts_is_refused() {
        for body in ["", " \n "] {
            assert_eq!(from_json(body, 9), Err(BadBody::Empty));
            assert_eq!(from_ndjson(body, 9), Err(BadBody::Empty));
        }
        assert_eq!(from_json("[]", 9), Err(BadBody::Empty));
    }

    #[test]
    fn more_posts_than_the_limit_are_refused_as_a_whole() {
        assert_eq!(from_json("[{},{},{}]", 2), Err(BadBody::TooMany { max: 2 }));
        assert_eq!(from_ndjson("{}\n{}\n{}", 2), Err(BadBody::TooMany { max: 2 }));
        assert_eq!(items(from_json("[{},{}]", 2)).len(), 2);
    }

    #[test]
    fn an_array_that_is_no_json_is_refused_as_a_whole() {
        let refused = from_json(r#"[{"text":"a"},"#, 9).expect_err("a refusal").to_string();
        assert!(refused.starts_with("is not a JSON array: EOF"), "{refused}");
    }

    proptest! {
        #[test]
        fn no_body_panics(body in "[\\[\\]{}\":,a-e0-9 \\n]{0,60}", max in 0_usize..5) {
            let _ = from_json(&body, max);
            let _ = from_ndjson(&body, max);
        }
    }
}
