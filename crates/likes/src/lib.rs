//! HTTP → topic `tweet-likes`: visitors like posts and take it back; each answer is given when Kafka has the record.
//!
//! The way of a like: `routes` reads the request and finds the visitor by the signed cookie (`cookie`, `visitor`),
//! `catalogue` tells in which conferences the tweet stands (`known_tweets`, fed from the topic `tweets`), `publish` hands
//! one record per conference to Kafka and waits for the acknowledgements. `visitor` and `known_tweets` are pure: they
//! know neither HTTP nor Kafka nor the clock.

mod answer;
mod catalogue;
mod config;
mod cookie;
mod error;
mod known_tweets;
mod openapi;
mod publish;
mod request;
mod routes;
mod service;
mod visitor;

use std::net::TcpListener;

use service_shell::{ServiceInfo, Shutdown, serve};

pub use config::{Config, TweetsConfig, VisitorConfig};
pub use service::Likes;

/// Who this service is.
pub const INFO: ServiceInfo = ServiceInfo {
    name: "likes",
    about: "Takes visitors' likes of posts and publishes them on the topic `tweet-likes`.",
    version: env!("CARGO_PKG_VERSION"),
    default_port: 8082,
};

/// Runs the service on `listener` until `shutdown`.
///
/// # Errors
/// Where the configuration or the listener cannot be used.
pub async fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> anyhow::Result<()> {
    let service = Likes::start(&config, &shutdown)?;
    serve(listener, &config.http, service.health(&shutdown), shutdown.clone(), service.routes()).await?;
    shutdown.close_clients();
    service.close().await;
    Ok(())
}
