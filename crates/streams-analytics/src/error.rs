//! What a call can fail with.

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use contracts::InvalidField;
use service_shell::Problem;

/// Every failure of the calls under `/analytics`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Not a conference's name.
    #[error(transparent)]
    Conference(#[from] InvalidField),
    /// Nothing was ever posted or liked there.
    #[error("nothing is known of conference {0}")]
    UnknownConference(String),
    /// A window that is not computed.
    #[error("window: {0:?} is not computed; allowed: all")]
    Window(String),
    /// A list that is too long.
    #[error("n: {n:?} is not a number from 1 to {top}")]
    Length {
        /// As asked.
        n: String,
        /// As configured.
        top: usize,
    },
    /// A parameter that there is not.
    #[error("{0}: there is no such parameter; allowed: window, n")]
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
            Error::Conference(refused) => refused.clone().into(),
            Error::UnknownConference(_) => Self::new(StatusCode::NOT_FOUND, detail),
            Error::Window(_) => Self::bad_request(detail).with_field("window"),
            Error::Length { .. } => Self::bad_request(detail).with_field("n"),
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
