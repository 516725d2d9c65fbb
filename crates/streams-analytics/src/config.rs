//! Configuration of streams-analytics.

use std::time::Duration;

use kafka_client::{KafkaConfig, TopicsConfig};
use serde::{Deserialize, Serialize};
use service_shell::{BadConfig, HttpConfig, LogConfig, ServiceConfig};

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub http: HttpConfig,
    /// How to reach Kafka.
    pub kafka: KafkaConfig,
    /// The names of topics.
    pub topics: TopicsConfig,
    /// Logging.
    pub log: LogConfig,
    /// The computation.
    pub analytics: AnalyticsConfig,
}

/// Section `analytics`: the computation.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnalyticsConfig {
    /// The length of top lists as readers show them, at most 100. Records carry 20 more, so that as many remain when
    /// readers leave some out.
    pub top: usize,
    /// How long results may wait for their commit. A commit costs the broker about 10 ms.
    #[serde(with = "humantime_serde")]
    pub commit_interval: Duration,
    /// Records after which a commit comes before its time.
    pub commit_records: usize,
    /// The part of unreadable records, of a thousand, above which the process ends: then the producer is at fault.
    pub poison_ratio: f64,
}

impl Default for AnalyticsConfig {
    fn default() -> Self {
        Self { top: 10, commit_interval: Duration::from_millis(100), commit_records: 100_000, poison_ratio: 0.5 }
    }
}

impl AnalyticsConfig {
    /// Entries of a top list on the topic.
    pub(crate) fn entries(&self) -> usize {
        self.top + 20
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
        self.kafka.check().map_err(|bad| BadConfig::new(bad.to_string()))?;
        let analytics = &self.analytics;
        if !(1..=100).contains(&analytics.top) {
            return Err(BadConfig::new(format!("analytics.top: is {}, must be 1 to 100", analytics.top)));
        }
        let (shortest, longest) = (Duration::from_millis(5), Duration::from_secs(5));
        if !(shortest..=longest).contains(&analytics.commit_interval) {
            // A transaction that is open for longer would come near its timeout.
            return Err(BadConfig::new("analytics.commit_interval: must be 5 ms to 5 s"));
        }
        if !(1..=1_000_000).contains(&analytics.commit_records) {
            return Err(BadConfig::new("analytics.commit_records: must be 1 to 1000000"));
        }
        if !(0.0..=1.0).contains(&analytics.poison_ratio) {
            return Err(BadConfig::new("analytics.poison_ratio: must be 0 to 1"));
        }
        Ok(())
    }
}
