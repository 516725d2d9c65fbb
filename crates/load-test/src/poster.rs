//! Posts, and knows what was acknowledged.

use std::{io, net::SocketAddr, time::Duration};

use contracts::{Record as _, Tweet};

use crate::{
    http::{Connection, Request, Response},
    stage::WAIT,
};

/// Posts over a connection of its own, which is kept.
#[derive(Debug)]
pub struct Poster {
    connection: Connection,
    token: String,
}

/// A post that was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The service said no.
    #[error("{status}: {detail}")]
    Status {
        /// The status code.
        status: u16,
        /// The whole answer.
        detail: String,
        /// After which time to try again, where it says so.
        retry_after: Option<Duration>,
    },
    /// Nothing was said.
    #[error("no answer: {0}")]
    NoAnswer(#[from] io::Error),
}

impl Poster {
    /// To event-bridge, or an origin in front of it, at `address`.
    pub fn new(address: SocketAddr, token: &str) -> Self {
        Self { connection: Connection::new(address), token: token.to_owned() }
    }

    /// The request that posts `tweet` alone.
    pub fn request(&self, tweet: &Tweet) -> Request {
        self.to_tweets().body("application/json", tweet.to_json())
    }

    /// The request that posts `tweets` together, one line each.
    pub fn batch_request<'a>(&self, tweets: impl IntoIterator<Item = &'a Tweet>) -> Request {
        let mut lines = Vec::new();
        for tweet in tweets {
            lines.extend(tweet.to_json());
            lines.push(b'\n');
        }
        self.to_tweets().body("application/x-ndjson", lines)
    }

    fn to_tweets(&self) -> Request {
        Request::new("POST", "/eventBridge/tweets").header("X-Webhook-Token", &self.token)
    }

    /// Sends a request that [`Poster::request`] or [`Poster::batch_request`] made.
    ///
    /// # Errors
    /// Whatever is not 200: then not all of it was acknowledged.
    pub async fn send(&mut self, request: &[u8]) -> Result<Response, Refused> {
        let response = self.connection.send(request).await?;
        if response.head.status == 200 {
            return Ok(response);
        }
        let retry_after = response.head.header("retry-after").and_then(|seconds| seconds.parse().ok());
        Err(Refused::Status {
            status: response.head.status,
            detail: response.text(),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    /// Posts `tweet`.
    ///
    /// # Errors
    /// Whatever is not 200.
    pub async fn post(&mut self, tweet: &Tweet) -> Result<Response, Refused> {
        let request = self.request(tweet).to_bytes();
        self.send(&request).await
    }

    /// Posts `tweet` again and again until it is acknowledged, and returns how often it was not: 503, or a connection
    /// that broke.
    ///
    /// # Errors
    /// Any other refusal, or no acknowledgement within [`WAIT`].
    pub async fn insist(&mut self, tweet: &Tweet) -> Result<u32, Refused> {
        let request = self.request(tweet).to_bytes();
        let began = tokio::time::Instant::now();
        let mut refusals = 0;
        loop {
            match self.send(&request).await {
                Ok(_) => return Ok(refusals),
                Err(Refused::Status { status: 503, .. } | Refused::NoAnswer(_)) if began.elapsed() < WAIT => {
                    refusals += 1;
                    // Far sooner than Retry-After asks for: a test has no time to lose.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(refused) => return Err(refused),
            }
        }
    }
}
