//! A tweet, known from itself or from likes that came before it.

use std::sync::Arc;

use super::{Millis, top_n::Names};

/// How a tweet is shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Post {
    /// Plain text.
    pub text: Box<str>,
    /// Plain text.
    pub author: Box<str>,
}

/// A tweet. How many like it stands with its conference.
#[derive(Debug, Clone)]
pub struct Tweet {
    /// The index of its conference.
    pub conference: u32,
    /// As on the topics.
    pub id: Box<str>,
    /// `None`: only liked so far.
    pub post: Option<Arc<Post>>,
    /// The stream time of likes when it was first liked.
    pub first_like: Option<Millis>,
}

impl Tweet {
    pub(super) fn new(conference: u32, id: &str) -> Self {
        Self { conference, id: id.into(), post: None, first_like: None }
    }

    /// Whether it takes no likes any more at a stream time.
    pub fn is_closed(&self, like_period: Millis, stream_time: Option<Millis>) -> bool {
        matches!((self.first_like, stream_time), (Some(first), Some(now)) if now >= first.saturating_add(like_period))
    }
}

/// The ids of tweets, by which those with equal counts are told apart.
pub(super) struct Ids<'a>(pub(super) &'a [Tweet]);

impl Names for Ids<'_> {
    fn name(&self, index: u32) -> &[u8] {
        self.0.get(index as usize).map_or(&[], |tweet| tweet.id.as_bytes())
    }
}
