//! What a call can fail with.

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use contracts::{InvalidField, Timestamp};
use service_shell::Problem;

/// Every failure of the calls under `/analytics`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Not a conference's name, or not a time.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// Nothing was ever posted or liked there.
    #[error("nothing is known of conference {0}")]
    UnknownConference(String),
    /// A window that is not computed.
    #[error("window: {asked:?} is not computed; allowed: {allowed}")]
    Window {
        /// As asked.
        asked: String,
        /// As configured.
        allowed: String,
    },
    /// A list that is too long.
    #[error("n: {n:?} is not a number from 1 to {top}")]
    Length {
        /// As asked.
        n: String,
        /// As configured.
        top: usize,
    },
    /// A time at which no window of this size begins.
    #[error("start: no window of {size} begins at {start}; the nearest before begins at {before}")]
    Start {
        /// The window's size.
        size: String,
        /// As asked.
        start: Timestamp,
        /// When one begins.
        before: Timestamp,
    },
    /// All time has no beginning to ask for.
    #[error("start: all time has none; name a window: {0}")]
    StartOfAll(String),
    /// A window that is kept no longer.
    #[error(
        "start: {start} is more than 24 h before {now}, the newest time in {conference}; older windows are on the topic only"
    )]
    Gone {
        /// As asked.
        start: Timestamp,
        /// The newest stream time.
        now: Timestamp,
        /// The conference.
        conference: String,
    },
    /// A window that nothing fell into.
    #[error("nothing was posted or liked in the window of {size} that begins at {start}")]
    NoWindow {
        /// Its size.
        size: String,
        /// As asked.
        start: Timestamp,
    },
    /// A parameter that there is not.
    #[error("{0}: there is no such parameter; allowed: window, n, start")]
    Parameter(String),
    /// A parameter that is there twice.
    #[error("{0}: is given more than once")]
    Repeated(&'static str),
    /// The results so far are still being read.
    #[error("{0}")]
    NotReady(String),
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Field(refused) => refused.clone().into(),
            Error::UnknownConference(_) | Error::NoWindow { .. } => Self::new(StatusCode::NOT_FOUND, detail),
            Error::Window { .. } => Self::bad_request(detail).with_field("window"),
            Error::Length { .. } => Self::bad_request(detail).with_field("n"),
            Error::Start { .. } | Error::StartOfAll(_) => Self::bad_request(detail).with_field("start"),
            Error::Gone { .. } => Self::new(StatusCode::GONE, detail).with_field("start"),
            Error::Parameter(name) => Self::bad_request(detail).with_field(name.as_str()),
            Error::Repeated(name) => Self::bad_request(detail).with_field(*name),
            Error::NotReady(_) => Self::unavailable(detail),
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        Problem::from(self).status()
    }

    fn error_response(&self) -> HttpResponse {
        Problem::from(self).response()
    }
}
