//! The trace of a request.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use contracts::{TRACEPARENT, TraceParent};

/// Extracts the caller's `traceparent`, or starts a trace; what it holds is the parent of what this request causes.
#[derive(Debug, Clone, Copy)]
pub struct RequestTrace(pub TraceParent);

impl RequestTrace {
    /// The trace of `request`, the same one each time.
    pub fn of(request: &HttpRequest) -> Self {
        let known = request.extensions().get::<Self>().copied();
        known.unwrap_or_else(|| {
            let header = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
            let trace = header.and_then(TraceParent::parse).map_or_else(TraceParent::start, TraceParent::child);
            request.extensions_mut().insert(Self(trace));
            Self(trace)
        })
    }
}

impl FromRequest for RequestTrace {
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
