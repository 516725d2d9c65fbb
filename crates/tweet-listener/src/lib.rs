//! From the topics to every open page: the stream of Server-Sent Events, the newest posts, and the page itself.
//!
//! `run → routes → arrival → serving` is the way of a request, `feed → hub → serving` that of a record. The pure core
//! (`position`, `filter`, `frame`, `ring`, `viewer`, `debts`, `audience`, `wheel`, `channels`, `tweet_log`, `recent`, `tables`,
//! `snapshots`, `windows`, `minutes`) knows neither Kafka's client nor HTTP nor the clock.

mod admission;
mod arrival;
mod audience;
mod channels;
mod config;
mod cors;
mod debts;
mod feed;
mod filter;
mod frame;
mod hub;
mod inbox;
mod join;
mod metrics_help;
mod minutes;
mod page;
mod pages;
mod position;
mod recent;
mod replay;
mod ring;
mod routes;
mod serving;
mod snapshots;
mod tables;
mod tweet_log;
mod viewer;
mod wheel;
mod windows;

use std::{net::TcpListener, sync::Arc};

use actix_web::web;
use contracts::Topic;
use kafka_client::ClusterWatch;
use service_shell::{Health, ServiceInfo, Shutdown, serve};
use tokio::{sync::watch, task::JoinHandle};

use crate::{admission::Admission, cors::Cors, feed::Feed, routes::Front};

pub use crate::config::{Config, StreamConfig};

/// Who this process is.
pub const INFO: ServiceInfo = ServiceInfo {
    name: "tweet-listener",
    about: "Shows the topics to every open browser by Server-Sent Events, and serves the page",
    version: env!("CARGO_PKG_VERSION"),
    default_port: 8080,
};

/// A running tweet-listener, whoever serves its routes.
pub struct TweetListener {
    watch: ClusterWatch,
    front: Front,
    feed: JoinHandle<Option<Feed>>,
}

/// Serves on `listener` until `shutdown` begins and every stream has been closed.
///
/// # Errors
/// Where it cannot start.
pub async fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> anyhow::Result<()> {
    let service = TweetListener::start(&config, &shutdown)?;
    serve(listener, &config.http, service.health(&shutdown), shutdown.clone(), service.routes()).await?;
    shutdown.close_clients();
    service.close().await;
    Ok(())
}

impl TweetListener {
    /// Begins to read, as soon as there is a broker.
    ///
    /// # Errors
    /// Where the configuration is not taken.
    pub fn start(config: &Config, shutdown: &Shutdown) -> anyhow::Result<Self> {
        // First, because descriptions go to the recorder that is there.
        service_shell::install_metrics();
        metrics_help::describe();
        let topics = [Topic::Tweets, Topic::TweetLikeCounts, Topic::TweetAnalytics];
        let watch = ClusterWatch::start(&config.kafka, &config.topics.prefix, &topics, shutdown.clients())?;
        let (stage, front_stage) = watch::channel(None);
        let stream = &config.stream;
        let admission = Admission::new(stream.max_viewers, stream.max_viewers_per_address, stream.proxies()?);
        let cors = Cors::new(&stream.allowed_origins);
        let (config, cluster, shutdown) = (config.clone(), watch.clone(), shutdown.clone());
        let feed = actix_web::rt::spawn(async move {
            feed::start(&config, &cluster, &shutdown, &stage).await.unwrap_or_else(|error| {
                shutdown.fail(format!("{error:#}"));
                None
            })
        });
        Ok(Self { watch, front: Front { stage: front_stage, admission: Arc::new(admission), cors }, feed })
    }

    /// Ready when the topics are there and have been read up to what stood on them at the start.
    pub fn health(&self, shutdown: &Shutdown) -> Health {
        let (watch, stage) = (self.watch.clone(), self.front.stage.clone());
        Health::new(shutdown.clone()).with("broker", move || watch.ready()).with("wall", move || {
            if stage.borrow().is_some() { Ok(()) } else { Err("the topics are still being read".into()) }
        })
    }

    /// Its routes; they claim everything that no other service does.
    pub fn routes(&self) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
        let front = self.front.clone();
        move |config| routes::routes(config, front.clone())
    }

    /// Waits for the readers to end, after the shutdown has told them to.
    pub async fn close(self) {
        if let Ok(Some(feed)) = self.feed.await {
            feed.close();
        }
    }
}
