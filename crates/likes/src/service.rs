//! The service without its HTTP server.

use std::sync::Arc;

use actix_web::web;
use service_shell::{Health, ServiceConfig as _, Shutdown};

use crate::{
    Config, catalogue, publish,
    publish::Publisher,
    routes::{self, Api},
};

/// The service without its HTTP server.
pub struct Likes {
    publisher: Arc<Publisher>,
    api: web::Data<Api>,
}

impl Likes {
    /// Starts it, whether or not a broker is there. Needs a Tokio runtime.
    ///
    /// # Errors
    /// Where the configuration cannot be used.
    pub fn start(config: &Config, shutdown: &Shutdown) -> anyhow::Result<Self> {
        if let Some(option) = config.missing_secret() {
            tracing::warn!("{option} is not set: cookies are signed with a key that everybody knows");
        }
        // First, because descriptions go to the recorder that is there.
        service_shell::install_metrics();
        publish::describe_metrics();
        catalogue::describe_metrics();
        let publisher = Arc::new(Publisher::start(config, shutdown)?);
        let (connecting, config_, shutdown) = (Arc::clone(&publisher), config.clone(), shutdown.clone());
        tokio::spawn(async move { connecting.connect(config_, shutdown).await });
        let api = web::Data::new(Api::new(&config.visitor, Arc::clone(&publisher)));
        Ok(Self { publisher, api })
    }

    /// Ready while the broker answers, once everything that stood on `tweets` at the start has been read.
    pub fn health(&self, shutdown: &Shutdown) -> Health {
        let (broker, tweets) = (Arc::clone(&self.publisher), Arc::clone(&self.publisher));
        Health::new(shutdown.clone())
            .with("broker", move || broker.broker_ready())
            .with("tweets", move || tweets.tweets_ready())
    }

    /// Everything under `/likes`.
    pub fn routes(&self) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
        routes::under_likes(self.api.clone())
    }

    /// Waits, within a bound, until what was handed to Kafka is acknowledged. To be called when no request is left.
    pub async fn close(self) {
        let publisher = self.publisher;
        // On another thread: this one has to hear of a second signal.
        let _ = web::block(move || publisher.close()).await;
    }
}
