//! Topics → topics: counts and lists from the stream, exactly once.
//!
//! The way of a record: [`record`] reads it, [`topology`] takes it into the [`store`], [`results`] are what changed by
//! it, and [`changelog`] writes the changed state down; all that is pure. `tasks` do it on Kafka, where the results, the
//! state and the offsets of a commit are one transaction. The HTTP side reads the results back from their topic, so that
//! any replica answers for any conference.

mod asked;
mod board;
pub mod changelog;
mod config;
mod error;
pub mod key;
mod lag;
mod openapi;
mod proof;
pub mod record;
pub mod reset;
pub mod results;
mod routes;
pub mod store;
mod tasks;
pub mod topology;
pub mod windows;

use std::{
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use actix_web::web;
use contracts::Topic;
use kafka_client::{BroadcastReader, ClusterWatch, Layout, ReaderEvent};
use service_shell::{Health, ServiceInfo, Shutdown, serve};

pub use config::{AnalyticsConfig, Config};

use crate::{board::Board, routes::Analytics, tasks::Status};

/// Who this service is.
pub const INFO: ServiceInfo = ServiceInfo {
    name: "streams-analytics",
    about: "Counts posts and likes and keeps top lists, exactly once.",
    version: env!("CARGO_PKG_VERSION"),
    default_port: 8083,
};

/// The topics that it reads and writes.
const TOPICS: [Topic; 7] = [
    Topic::Tweets,
    Topic::TweetLikes,
    Topic::TweetLikeCounts,
    Topic::TweetAnalytics,
    Topic::TweetWindows,
    Topic::StreamsAnalyticsChangelog,
    Topic::DeadLetters,
];

/// How long the last commit may take at shutdown: a transaction's timeout, and leaving the group.
const LAST_COMMIT: Duration = Duration::from_secs(12);

/// Runs the service on `listener` until `shutdown`.
///
/// # Errors
/// Where the configuration or the listener cannot be used.
pub async fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> anyhow::Result<()> {
    let service = StreamsAnalytics::start(&config, &shutdown)?;
    serve(listener, &config.http, service.health(&shutdown), shutdown.clone(), service.routes()).await?;
    shutdown.close_clients();
    service.close().await;
    Ok(())
}

/// The service without its HTTP server.
pub struct StreamsAnalytics {
    watch: ClusterWatch,
    status: Arc<Status>,
    board: Arc<Board>,
    analytics: web::Data<Analytics>,
    /// There once the topics were found.
    threads: Arc<Mutex<Option<Threads>>>,
}

struct Threads {
    tasks: JoinHandle<()>,
    /// The tasks have committed and closed.
    ended: mpsc::Receiver<()>,
    readers: [BroadcastReader; 2],
}

impl StreamsAnalytics {
    /// Starts it, whether or not a broker is there. Needs a Tokio runtime.
    ///
    /// # Errors
    /// Where the configuration cannot be used.
    pub fn start(config: &Config, shutdown: &Shutdown) -> anyhow::Result<Self> {
        // First, because descriptions go to the recorder that is there.
        service_shell::install_metrics();
        describe_metrics();
        let watch = ClusterWatch::start(&config.kafka, &config.topics.prefix, &TOPICS, shutdown.clients())?;
        let board = Arc::new(Board::default());
        let analytics =
            web::Data::new(Analytics::new(Arc::clone(&board), config.analytics.top, config.analytics.windows.clone()));
        let service = Self { watch, status: Arc::default(), board, analytics, threads: Arc::default() };
        let (watch, status, board) = (service.watch.clone(), Arc::clone(&service.status), Arc::clone(&service.board));
        let (config, shutdown, threads) = (config.clone(), shutdown.clone(), Arc::clone(&service.threads));
        tokio::spawn(async move {
            let Some(layout) = watch.layout().await else { return };
            match Threads::start(&config, &layout, status, board, &shutdown) {
                Ok(started) => *threads.lock().unwrap_or_else(PoisonError::into_inner) = Some(started),
                Err(error) => shutdown.fail(format!("{error:#}")),
            }
        });
        Ok(service)
    }

    /// Ready when all assigned tasks run and the results so far have been read.
    pub fn health(&self, shutdown: &Shutdown) -> Health {
        let (watch, status, board) = (self.watch.clone(), Arc::clone(&self.status), Arc::clone(&self.board));
        Health::new(shutdown.clone())
            .with("broker", move || watch.ready())
            .with("tasks", move || status.ready())
            .with("results", move || board.ready())
    }

    /// Everything under `/analytics`.
    pub fn routes(&self) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
        routes::under_analytics(self.analytics.clone())
    }

    /// Waits, within a bound, until the tasks have committed and closed. To be called after `close_clients`.
    pub async fn close(self) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(threads) = threads {
            // On another thread: this one has to hear of a second signal.
            let _ = web::block(move || threads.close()).await;
        }
    }
}

impl Threads {
    fn start(
        config: &Config,
        layout: &Layout,
        status: Arc<Status>,
        board: Arc<Board>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        lag::watch(config, layout, Arc::clone(&status), shutdown.clients())?;
        let windows = Arc::clone(&board);
        let read = |topic: Topic, handler: Box<dyn FnMut(ReaderEvent<'_>) + Send>| {
            let topic = topic.with_prefix(&config.topics.prefix);
            BroadcastReader::start(&config.kafka, topic, layout, shutdown.clients(), handler)
        };
        let readers = [
            read(Topic::TweetAnalytics, Box::new(move |event| board.take_analytics(event)))?,
            read(Topic::TweetWindows, Box::new(move |event| windows.take_windows(event)))?,
        ];
        let (sender, ended) = mpsc::channel();
        let failing = shutdown.clone();
        let tasks = tasks::start(config, layout, status, shutdown.clients(), move |outcome| {
            if let Err(stop) = outcome {
                failing.fail(stop.to_string());
            }
            let _ = sender.send(());
        })?;
        Ok(Self { tasks, ended, readers })
    }

    fn close(self) {
        match self.ended.recv_timeout(LAST_COMMIT) {
            Err(mpsc::RecvTimeoutError::Timeout) => tracing::warn!("the last commit did not end in time"),
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                let _ = self.tasks.join();
            }
        }
        self.readers.into_iter().for_each(BroadcastReader::join);
    }
}

fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("analytics_records_total", "Input records by topic and by whether they were news");
    describe_counter!(
        "analytics_late_total",
        "Likes that a window or a tweet no longer takes: late, taken back after_close, of a closed tweet"
    );
    describe_counter!(
        "analytics_unreadable_records_total",
        "Results that could not be read back, and are not answered with, by topic"
    );
    describe_counter!("analytics_dead_letters_total", "Input records that could not be processed");
    describe_counter!("analytics_commits_total", "Transactions that were committed");
    describe_histogram!("analytics_commit_seconds", Unit::Seconds, "How long a transaction took, from begin to commit");
    describe_counter!("analytics_aborts_total", "Transactions that were aborted and done again");
    describe_counter!("analytics_restores_total", "States that were read back from the changelog");
    describe_histogram!("analytics_restore_seconds", Unit::Seconds, "How long reading a state back took");
    describe_gauge!("analytics_restore_records", "Records read back so far, by partition; 0 where none is read back");
    describe_gauge!("analytics_restore_records_per_second", "How fast a partition's state is being read back");
    describe_gauge!(
        "analytics_restore_remaining_records",
        "Changelog offsets that are still to be read back, by partition"
    );
    describe_gauge!("analytics_tasks_assigned", "Partitions that the group has given to this instance");
    describe_gauge!("analytics_tasks_running", "Those of them whose task runs");
    describe_gauge!("analytics_state_entries", "Entries in memory, by partition and kind");
    describe_gauge!("analytics_lag_records", "Input records that are not committed yet, by topic and partition");
}
