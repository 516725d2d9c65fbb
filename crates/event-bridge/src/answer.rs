//! What callers are told of posts that were taken.

use actix_web::{HttpResponse, http::StatusCode};
use contracts::InvalidField;
use kafka_client::RecordPosition;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{error::Error, post::Refusal};

/// A post that stands on the topic.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Published {
    /// Its id, as given or derived.
    #[schema(example = "1234567890")]
    tweet_id: String,
    /// Its conference.
    #[schema(example = "rustconf")]
    conference: String,
    /// The partition of the topic `tweets`.
    partition: i32,
    /// The offset in it.
    offset: i64,
}

impl Published {
    pub(crate) fn new(tweet_id: String, conference: String, position: RecordPosition) -> Self {
        let RecordPosition { partition, offset } = position;
        Self { tweet_id, conference, partition, offset }
    }
}

/// What became of one post of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ItemResult {
    /// It stands on the topic.
    Published {
        /// Which post of the body, from 0.
        index: usize,
        /// 200
        status: u16,
        /// Its id, as given or derived.
        // `rename_all_fields` would not reach the schema.
        #[serde(rename = "tweetId")]
        tweet_id: String,
        /// Its conference.
        conference: String,
        /// The partition of the topic `tweets`.
        partition: i32,
        /// The offset in it.
        offset: i64,
    },
    /// It was not taken.
    Refused {
        /// Which post of the body, from 0.
        index: usize,
        /// 400: cannot be read; 413: too large; 422: the named field is outside its rule; 503: Kafka did not take it,
        /// send it again.
        status: u16,
        /// The field that was refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'static str>,
        /// What is wrong with it.
        detail: String,
    },
}

impl ItemResult {
    pub(crate) fn published(index: usize, published: Published) -> Self {
        let Published { tweet_id, conference, partition, offset } = published;
        Self::Published { index, status: StatusCode::OK.as_u16(), tweet_id, conference, partition, offset }
    }

    pub(crate) fn refused(index: usize, refusal: &Refusal) -> Self {
        let (status, field, detail) = match refusal {
            Refusal::Unreadable(reason) => (StatusCode::BAD_REQUEST, None, format!("the post {reason}")),
            Refusal::Field(InvalidField { field, .. }) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Some(*field), refusal.to_string())
            }
        };
        Self::Refused { index, status: status.as_u16(), field, detail }
    }

    pub(crate) fn unsent(index: usize, error: &Error) -> Self {
        Self::Refused { index, status: error.problem().status().as_u16(), field: None, detail: error.to_string() }
    }

    /// Whether the same post may be taken later.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Refused { status: 503, .. })
    }
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchAnswer {
    /// How many posts stand on the topic.
    accepted: usize,
    /// How many do not.
    refused: usize,
    /// Each post in its order in the body.
    results: Vec<ItemResult>,
}

impl BatchAnswer {
    pub(crate) fn new(results: Vec<ItemResult>) -> Self {
        let accepted = results.iter().filter(|result| matches!(result, ItemResult::Published { .. })).count();
        Self { accepted, refused: results.len() - accepted, results }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted
    }

    pub(crate) fn refused(&self) -> usize {
        self.refused
    }

    pub(crate) fn count_unavailable(&self) -> usize {
        self.results.iter().filter(|result| result.is_unavailable()).count()
    }

    /// 200 where all were taken, else 207.
    pub(crate) fn response(&self) -> HttpResponse {
        let status = if self.refused == 0 { StatusCode::OK } else { StatusCode::MULTI_STATUS };
        HttpResponse::build(status).json(self)
    }
}
