//! The webhook token.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use service_shell::Secret;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::{bridge::Bridge, error::Error};

/// The header for callers that cannot set `Authorization`.
const HEADER: &str = "X-Webhook-Token";

/// The token that callers have to bring, as its digest.
pub(crate) struct Token(Option<[u8; 32]>);

impl Token {
    /// Of the configured secret; without one everybody may call.
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(secret.expose().map(|secret| digest(secret.as_bytes())))
    }

    /// Whether `request` brings it: as bearer token, in its own header or, for callers that can set neither, in the
    /// query.
    fn is_brought_by(&self, request: &HttpRequest) -> bool {
        let Some(expected) = &self.0 else { return true };
        let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| {
            let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii().to_vec())
        });
        let own_header = request.headers().get(HEADER).map(|value| value.as_bytes().to_vec());
        let query = form_urlencoded::parse(request.query_string().as_bytes());
        let query = query.filter(|(name, _)| name == "token").map(|(_, token)| token.into_owned().into_bytes());
        // Digests are compared, all of them and in constant time: neither content nor length of the token can be timed.
        let brought = bearer.into_iter().chain(own_header).chain(query);
        brought.fold(Choice::from(0), |found, token| found | digest(&token).ct_eq(expected)).into()
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Proof that the request brought the token; a handler that asks for it is reached by nobody else.
pub(crate) struct Authorized;

impl FromRequest for Authorized {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let bridge = request.app_data::<web::Data<Bridge>>();
        ready(match bridge {
            Some(bridge) if bridge.token().is_brought_by(request) => Ok(Self),
            _ => Err(Error::Unauthorized),
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn brought(request: TestRequest) -> bool {
        Token::new(&Secret::new("s3cret")).is_brought_by(&request.to_http_request())
    }

    #[test]
    fn the_token_is_taken_from_each_of_its_places() {
        let header = |name: &str, value: &str| brought(TestRequest::post().insert_header((name, value)));
        assert!(header("Authorization", "Bearer s3cret"));
        assert!(header("authorization", "bearer  s3cret"));
        assert!(header("x-webhook-token", "s3cret"));
        assert!(brought(TestRequest::with_uri("/eventBridge/tweets?a=b&token=s3cret")));
        assert!(brought(TestRequest::with_uri("/eventBridge/tweets?token=%733cret")));
    }

    #[test]
    fn another_token_or_none_is_refused() {
        let header = |name: &str, value: &str| brought(TestRequest::post().insert_header((name, value)));
        assert!(!brought(TestRequest::post()));
        assert!(!header("Authorization", "Basic s3cret"));
        assert!(!header("Authorization", "Bearer"));
        assert!(!header("Authorization", "Bearer s3cret2"));
        assert!(!header("Authorization", "s3cret"));
        assert!(!header("X-Webhook-Token", ""));
        assert!(!brought(TestRequest::with_uri("/eventBridge/tweets?token=s3cre")));
    }

    #[test]
    fn without_a_configured_token_everybody_may_call() {
        assert!(Token::new(&Secret::default()).is_brought_by(&TestRequest::post().to_http_request()));
    }
}
