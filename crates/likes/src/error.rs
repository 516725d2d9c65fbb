//! Everything that can go wrong with a request, and what the caller is told.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use contracts::{Conference, InvalidField, TweetId};
use kafka_client::SendError;
use service_shell::Problem;

/// Why a request was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Without a cookie of ours.
    #[error(
        "the visitor cookie is missing or was not made here; this answer brings one, send the request again with it"
    )]
    NoVisitor,
    /// With a body that is not JSON by its media type.
    #[error("the body must be of type application/json")]
    UnsupportedType,
    /// With a compressed body: it could be larger than any limit.
    #[error("the body must not be compressed (Content-Encoding: {0})")]
    Compressed(String),
    /// The body cannot be read.
    #[error("the body {0}")]
    Body(String),
    /// The body did not arrive whole.
    #[error("{0}")]
    Transfer(Problem),
    /// A field is outside its rule.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// A tweet that does not exist, or not any more.
    #[error("there is no tweet {0}")]
    UnknownTweet(TweetId),
    /// A tweet that does not stand in the named conference.
    #[error("there is no tweet {0} in the conference {1}")]
    NotInConference(TweetId, Conference),
    /// Whether the tweet exists cannot be told now.
    #[error("whether this tweet exists cannot be told now: {0}")]
    Undecided(String),
    /// Kafka cannot be reached, or not as it should be.
    #[error("{0}")]
    Unavailable(String),
    /// Kafka did not take the record.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Error {
    /// `tweet` does not stand where it was looked for.
    pub(crate) fn unknown(tweet: &TweetId, conference: Option<&Conference>) -> Self {
        match conference {
            None => Self::UnknownTweet(tweet.clone()),
            Some(conference) => Self::NotInConference(tweet.clone(), conference.clone()),
        }
    }

    fn problem(&self) -> Problem {
        let of = |status| Problem::new(status, self.to_string());
        match self {
            Self::NoVisitor => of(StatusCode::UNAUTHORIZED),
            Self::UnsupportedType | Self::Compressed(_) => of(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::Body(_) => of(StatusCode::BAD_REQUEST),
            Self::Transfer(problem) => problem.clone(),
            Self::Field(refused) => refused.clone().into(),
            Self::UnknownTweet(_) | Self::NotInConference(..) => of(StatusCode::NOT_FOUND),
            // A like has a few hundred bytes: a broker that finds them too many is set up wrongly.
            Self::Send(SendError::TooLarge) => of(StatusCode::INTERNAL_SERVER_ERROR),
            Self::Undecided(_) | Self::Unavailable(_) | Self::Send(SendError::Busy | SendError::Unacknowledged(_)) => {
                Problem::unavailable(self.to_string())
            }
        }
    }

    /// The value of the metric's label `outcome`.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::NoVisitor => "no_visitor",
            Self::UnknownTweet(_) | Self::NotInConference(..) => "unknown_tweet",
            Self::Undecided(_) => "undecided",
            Self::Unavailable(_) | Self::Send(_) => "unavailable",
            Self::UnsupportedType | Self::Compressed(_) | Self::Body(_) | Self::Transfer(_) | Self::Field(_) => {
                "refused"
            }
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.problem().status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.problem().response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if matches!(self, Self::NoVisitor) {
            // RFC 9110, section 15.5.2: a 401 says how to authenticate. No browser asks its user for this scheme.
            let challenge = header::HeaderValue::from_static("Cookie cookie-name=\"livewall_visitor\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
