//! Configuration of tweet-listener.

use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use kafka_client::{KafkaConfig, TopicsConfig};
use serde::{Deserialize, Serialize};
use service_shell::{BadConfig, HttpConfig, LogConfig, ServiceConfig, networks};

use crate::frame::farewell;

/// Everything that can be set.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub http: HttpConfig,
    /// How to reach Kafka.
    pub kafka: KafkaConfig,
    /// Which topics.
    pub topics: TopicsConfig,
    /// Log lines.
    pub log: LogConfig,
    /// The stream to browsers.
    pub stream: StreamConfig,
}

/// Section `stream`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// How long a browser waits before it reconnects, in milliseconds, give or take 20 % (`retry:`).
    pub retry_ms: u64,
    /// An id-only block goes out after this much time without an id, give or take 20 %.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// Changes of counts and results are gathered this long.
    #[serde(with = "humantime_serde")]
    pub tick: Duration,
    /// Changes of tables that one viewer gets in one tick, in bytes, and once a second as much of windows; the rest comes
    /// later, newest values only. One conference's change is sent whole.
    pub tables_bytes: usize,
    /// The most viewers of this process.
    pub max_viewers: usize,
    /// The most viewers from one address; a venue's visitors often share one.
    pub max_viewers_per_address: usize,
    /// The most distinct filters.
    pub max_filters: usize,
    /// Threads that write to viewers; 0: half as many as there are cores.
    pub threads: usize,
    /// Frames that a viewer may be behind, in bytes, before it is closed and resumes by its id.
    pub ring_bytes: usize,
    /// Frames that are kept for viewers that are behind, over all filters, in bytes. Beyond it, the slowest of a filter
    /// are closed sooner.
    pub all_rings_bytes: usize,
    /// What the kernel keeps at most of what a viewer has not taken yet, in bytes (Linux doubles it for its own needs).
    pub send_buffer_bytes: usize,
    /// How long a viewer may take nothing of what is sent to it before it is closed; at most two heartbeats more.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Tweets kept for resuming without asking Kafka, in bytes.
    pub memory_bytes: usize,
    /// Whose top list comes as `tweetLikesAnalytics`: `all`, or the size of a window, such as `5m`.
    pub likes_window: String,
    /// Tweets kept for first pages, over all conferences (at most 200 of each).
    pub recent_tweets: usize,
    /// What all viewers that catch up hold at one time, in bytes; others wait for their turn.
    pub resume_bytes: usize,
    /// How many records back a viewer may resume.
    pub max_resume: i64,
    /// Readers of old records at one time.
    pub max_kafka_readers: usize,
    /// Networks whose X-Forwarded-For entries are believed, such as `10.0.0.0/8`; separated by commas.
    #[serde(deserialize_with = "service_shell::comma_separated")]
    pub trusted_proxies: Vec<String>,
    /// Origins whose pages may read the stream by script, such as `https://wall.example`, or `*`; separated by commas. The
    /// page's own origin needs no entry.
    #[serde(deserialize_with = "service_shell::comma_separated")]
    pub allowed_origins: Vec<String>,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            retry_ms: 3000,
            heartbeat: Duration::from_secs(15),
            tick: Duration::from_millis(100),
            tables_bytes: 128 << 10,
            max_viewers: 20_000,
            max_viewers_per_address: 20_000,
            max_filters: 20_000,
            threads: 0,
            ring_bytes: 4 << 20,
            all_rings_bytes: 64 << 20,
            send_buffer_bytes: 64 << 10,
            write_timeout: Duration::from_secs(30),
            memory_bytes: 32 << 20,
            likes_window: "all".into(),
            recent_tweets: 50_000,
            resume_bytes: 32 << 20,
            max_resume: 10_000,
            max_kafka_readers: 4,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
        }
    }
}

impl StreamConfig {
    /// How many threads write to viewers.
    pub fn serving_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
            threads => threads,
        }
    }

    /// `retry_ms` give or take 20 %, so that not all come again at once, also where a replica has died without a word.
    pub fn retry(&self) -> u64 {
        let retry = Duration::from_millis(self.retry_ms).mul_f64(fastrand::f64().mul_add(0.4, 0.8));
        u64::try_from(retry.as_millis()).unwrap_or(u64::MAX)
    }

    /// A last block, which tells when to come again.
    pub fn farewell(&self) -> Bytes {
        farewell(self.retry())
    }

    /// The trusted proxies as networks.
    ///
    /// # Errors
    /// The first that is neither an address nor a network.
    pub fn proxies(&self) -> Result<Vec<IpNet>, BadConfig> {
        networks("stream.trusted_proxies", &self.trusted_proxies)
    }
}

impl ServiceConfig for Config {
    fn http(&self) -> &HttpConfig {
        &self.http
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn check(&self) -> Result<(), BadConfig> {
        self.kafka.check().map_err(|error| BadConfig::new(error.to_string()))?;
        self.stream.proxies()?;
        if self.stream.likes_window.is_empty() {
            return Err(BadConfig::new("stream.likes_window: must name a window, such as all or 5m"));
        }
        for (option, value) in [
            ("stream.heartbeat", self.stream.heartbeat.as_millis()),
            ("stream.tick", self.stream.tick.as_millis()),
            ("stream.tables_bytes", self.stream.tables_bytes as u128),
            ("stream.max_kafka_readers", self.stream.max_kafka_readers as u128),
            ("stream.ring_bytes", self.stream.ring_bytes as u128),
            ("stream.all_rings_bytes", self.stream.all_rings_bytes as u128),
            ("stream.send_buffer_bytes", self.stream.send_buffer_bytes as u128),
            ("stream.resume_bytes", self.stream.resume_bytes as u128),
            ("stream.write_timeout", self.stream.write_timeout.as_millis()),
        ] {
            if value == 0 {
                return Err(BadConfig::new(format!("{option}: must be more than 0")));
            }
        }
        Ok(())
    }
}
