//! Errors as RFC 9457 problem details.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;

/// An answer of type `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    field: Option<String>,
    retry_after_seconds: Option<u32>,
}

/// The body of a [`Problem`] (RFC 9457, section 3.1).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemBody {
    /// `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// The field that was refused, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    /// A problem with this status and explanation.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), field: None, retry_after_seconds: None }
    }

    /// 400: the request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 503 with Retry-After: not the caller's fault, and over soon.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after_seconds: Some(2), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// Names the field that was refused.
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The explanation.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What is sent.
    pub fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.content_type("application/problem+json").body(
            serde_json::to_vec(&ProblemBody {
                kind: "about:blank",
                title: self.status.canonical_reason().unwrap_or("Error"),
                status: self.status.as_u16(),
                detail: self.detail.clone(),
                field: self.field.clone(),
            })
            .expect("strings and numbers serialize"),
        )
    }
}

impl From<contracts::InvalidField> for Problem {
    fn from(refused: contracts::InvalidField) -> Self {
        Self::bad_request(refused.to_string()).with_field(refused.field)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.response()
    }
}
