//! Everything that can go wrong with a request, and what the caller is told.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use contracts::InvalidField;
use kafka_client::SendError;
use service_shell::Problem;

use crate::{batch::BadBody, post::Refusal};

/// Why a request was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Without the webhook token.
    #[error("the webhook token is missing or wrong")]
    Unauthorized,
    /// With a body that nobody here can read.
    #[error("the Content-Type must be one of: {}", allowed.join(", "))]
    UnsupportedType {
        /// The media types that are read.
        allowed: &'static [&'static str],
    },
    /// With a compressed body: it could be larger than any limit.
    #[error("the body must not be compressed (Content-Encoding: {0})")]
    Compressed(String),
    /// Text in another encoding.
    #[error("the body is not UTF-8: byte {0} begins no character")]
    NotUtf8(usize),
    /// The body did not arrive whole.
    #[error("{0}")]
    Transfer(Problem),
    /// Nothing in the body can be taken.
    #[error("the body {0}")]
    Body(BadBody),
    /// A field is outside its rule.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// Kafka cannot be reached, or not as it should be.
    #[error("{0}")]
    Unavailable(String),
    /// Kafka did not take the record.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Error {
    pub(crate) fn problem(&self) -> Problem {
        let of = |status| Problem::new(status, self.to_string());
        match self {
            Self::Unauthorized => of(StatusCode::UNAUTHORIZED),
            Self::UnsupportedType { .. } | Self::Compressed(_) => of(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::NotUtf8(_) | Self::Body(BadBody::Empty | BadBody::Refused(Refusal::Unreadable(_))) => {
                of(StatusCode::BAD_REQUEST)
            }
            Self::Body(BadBody::TooMany { .. }) | Self::Send(SendError::TooLarge) => of(StatusCode::PAYLOAD_TOO_LARGE),
            Self::Body(BadBody::Refused(Refusal::Field(refused))) | Self::Field(refused) => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, refused.to_string()).with_field(refused.field)
            }
            Self::Transfer(problem) => problem.clone(),
            Self::Unavailable(_) | Self::Send(SendError::Busy | SendError::Unacknowledged(_)) => {
                Problem::unavailable(self.to_string())
            }
        }
    }

    /// The label in metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        if self.problem().status().is_server_error() { "unavailable" } else { "refused" }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Body(BadBody::Refused(refusal))
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Transfer(problem)
    }
}

impl From<BadBody> for Error {
    fn from(bad: BadBody) -> Self {
        Self::Body(bad)
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.problem().status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.problem().response();
        if matches!(self, Self::Unauthorized) {
            // RFC 9110, section 15.5.2: a 401 says how to authenticate.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
