//! HTTP → topic `tweets`: posts come in by webhook and stand on the topic before the answer goes out.
//!
//! The way of a post: `routes` checks the token and reads the body, `ifttt` or `batch` makes a `Post` of it, `rules` a
//! tweet, `publish` hands it to Kafka, and `bridge` waits for the acknowledgement. From body to tweet everything is pure:
//! it knows neither HTTP nor Kafka nor the clock.

mod answer;
mod batch;
mod bridge;
mod conferences;
mod config;
mod error;
mod hashtag;
mod ifttt;
mod ifttt_time;
mod ingredient;
mod json_repair;
mod openapi;
mod plain_text;
mod post;
mod publish;
mod routes;
mod rules;
mod token;
mod tweet_id;

use std::{net::TcpListener, sync::Arc};

use actix_web::web;
use service_shell::{Health, ServiceInfo, Shutdown, serve};

pub use config::{Config, IftttConfig, LimitsConfig, PostsConfig, WebhookConfig};

use crate::{bridge::Bridge, publish::Publisher};

/// Who this service is.
pub const INFO: ServiceInfo = ServiceInfo {
    name: "event-bridge",
    about: "Takes posts by webhook and publishes them on the topic `tweets`.",
    version: env!("CARGO_PKG_VERSION"),
    default_port: 8081,
};

/// Runs the service on `listener` until `shutdown`.
///
/// # Errors
/// Where the configuration or the listener cannot be used.
pub async fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> anyhow::Result<()> {
    let service = EventBridge::start(&config, &shutdown)?;
    serve(listener, &config.http, service.health(&shutdown), shutdown.clone(), service.routes()).await?;
    shutdown.close_clients();
    service.close().await;
    Ok(())
}

/// The service without its HTTP server.
pub struct EventBridge {
    publisher: Arc<Publisher>,
    bridge: web::Data<Bridge>,
}

impl EventBridge {
    /// Starts it, whether or not a broker is there. Needs a Tokio runtime.
    ///
    /// # Errors
    /// Where the configuration cannot be used.
    pub fn start(config: &Config, shutdown: &Shutdown) -> anyhow::Result<Self> {
        // First, because descriptions go to the recorder that is there.
        service_shell::install_metrics();
        publish::describe_metrics();
        let publisher = Arc::new(Publisher::start(config, shutdown)?);
        let bridge = web::Data::new(Bridge::new(config, Arc::clone(&publisher))?);
        Ok(Self { publisher, bridge })
    }

    /// Ready while the broker answers and the topic is there.
    pub fn health(&self, shutdown: &Shutdown) -> Health {
        let publisher = Arc::clone(&self.publisher);
        Health::new(shutdown.clone()).with("broker", move || publisher.ready())
    }

    /// Everything under `/eventBridge`.
    pub fn routes(&self) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
        routes::under_event_bridge(self.bridge.clone())
    }

    /// Waits, within a bound, until what was handed to Kafka is acknowledged. To be called when no request is left.
    pub async fn close(self) {
        let publisher = self.publisher;
        // On another thread: this one has to hear of a second signal.
        let _ = web::block(move || publisher.close()).await;
    }
}
