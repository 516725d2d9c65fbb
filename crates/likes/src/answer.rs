//! What callers are told of what was done.

use actix_web::{HttpResponse, http::header};
use contracts::{Conference, TweetId};
use serde::Serialize;
use utoipa::ToSchema;

/// Whether the caller had a cookie.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "visitor", rename_all = "lowercase")]
pub(crate) enum VisitorAnswer {
    /// The answer brings a cookie.
    New,
    /// The request brought one that is good.
    Known,
}

impl VisitorAnswer {
    pub(crate) fn response(&self) -> HttpResponse {
        uncached(self)
    }
}

/// A like, or its withdrawal, that Kafka has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LikeAnswer {
    /// The tweet.
    #[schema(example = "1234567890")]
    tweet_id: String,
    /// The conferences in which it is liked now, or no more.
    #[schema(example = json!(["rustconf"]))]
    conferences: Vec<String>,
    /// Whether the visitor likes it now.
    liked: bool,
}

impl LikeAnswer {
    pub(crate) fn new(tweet: &TweetId, conferences: &[Conference], liked: bool) -> Self {
        let conferences = conferences.iter().map(Conference::to_string).collect();
        Self { tweet_id: tweet.to_string(), conferences, liked }
    }

    pub(crate) fn response(&self) -> HttpResponse {
        uncached(self)
    }
}

/// 200 that no cache keeps: it is one visitor's.
fn uncached(answer: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer)
}
