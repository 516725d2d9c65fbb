//! Configuration of streams-analytics.

use std::{collections::BTreeSet, time::Duration};

use kafka_client::{KafkaConfig, TopicsConfig, transaction::Assignment};
use serde::{Deserialize, Deserializer, Serialize};
use service_shell::{BadConfig, HttpConfig, LogConfig, ServiceConfig, comma_separated};

use crate::{
    store::Millis,
    windows::{WindowSpec, Windowing},
};

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
    /// The windows that there are results for: sizes such as `5m`, or `1h/5m` for windows of an hour that begin every
    /// five minutes. What they are may not change while results stand: see `streams-analytics reset`.
    #[serde(deserialize_with = "window_specs")]
    pub windows: Vec<WindowSpec>,
    /// How long after its end, in stream time, a window still takes what comes late.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How long a tweet takes likes, in stream time, from its first like on. Then its likes need no memory any more.
    #[serde(with = "humantime_serde")]
    pub like_period: Duration,
    /// How the instances share the partitions: `eager`, or `cooperative` (brokers of Kafka 4), where tasks that stay go on
    /// while others move. The same for all instances.
    pub assignment: Assignment,
    /// The longest time from a record to its result, as long as all input is taken at once: commits begin early enough to
    /// be over by then. Where input waits, the time between commits. A commit costs the broker about 10 ms.
    #[serde(with = "humantime_serde")]
    pub commit_interval: Duration,
    /// Records after which a commit comes before its time.
    pub commit_records: usize,
    /// The part of unreadable records, of a thousand, above which the process ends: then the producer is at fault.
    pub poison_ratio: f64,
}

/// In milliseconds.
const MINUTE: Millis = 60_000;

impl Default for AnalyticsConfig {
    fn default() -> Self {
        Self {
            top: 10,
            windows: [5, 60].map(|minutes| WindowSpec { size: minutes * MINUTE, advance: minutes * MINUTE }).to_vec(),
            grace: Duration::from_mins(1),
            like_period: Duration::from_hours(30 * 24),
            assignment: Assignment::Eager,
            commit_interval: Duration::from_millis(100),
            commit_records: 100_000,
            poison_ratio: 0.5,
        }
    }
}

impl AnalyticsConfig {
    /// What results depend on besides the input.
    pub(crate) fn windowing(&self) -> Windowing {
        // Bounded by the check.
        let millis = |duration: Duration| Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX);
        Windowing { windows: self.windows.clone(), grace: millis(self.grace), like_period: millis(self.like_period) }
    }

    /// Entries of a top list on the topic.
    pub(crate) fn entries(&self) -> usize {
        self.top + 20
    }
}

fn window_specs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<WindowSpec>, D::Error> {
    comma_separated(deserializer)?.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
}

/// What the largest records stay below.
const RECORD_BYTES: usize = 1_000_000;

/// Most sizes of windows: each is counted for every like.
const MOST_SIZES: usize = 8;

impl AnalyticsConfig {
    fn check_windows(&self) -> Result<(), BadConfig> {
        let names: BTreeSet<String> = self.windows.iter().map(WindowSpec::name).collect();
        if names.len() < self.windows.len() {
            return Err(BadConfig::new(
                "analytics.windows: the same size is there twice; results are told apart by it",
            ));
        }
        if names.len() > MOST_SIZES {
            return Err(BadConfig::new(format!("analytics.windows: more than {MOST_SIZES} sizes")));
        }
        if self.grace > Duration::from_hours(24) {
            return Err(BadConfig::new("analytics.grace: must be at most 24h: open windows are kept in memory"));
        }
        let (shortest, longest) = (Duration::from_mins(1), Duration::from_hours(24 * 3650));
        if !(shortest..=longest).contains(&self.like_period) {
            return Err(BadConfig::new("analytics.like_period: must be 1m to 3650d"));
        }
        Ok(())
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
        let largest = self.kafka.property("message.max.bytes").and_then(|bytes| bytes.parse().ok());
        if largest.is_some_and(|bytes: usize| bytes < RECORD_BYTES) {
            return Err(BadConfig::new(format!(
                "kafka.properties.message.max.bytes: must be at least {RECORD_BYTES}: results and state come in records of \
                 nearly so many"
            )));
        }
        let analytics = &self.analytics;
        if !(1..=100).contains(&analytics.top) {
            return Err(BadConfig::new(format!("analytics.top: is {}, must be 1 to 100", analytics.top)));
        }
        analytics.check_windows()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_takes_no_large_records_is_refused() {
        let mut config = Config::default();
        config.kafka.brokers = "localhost:9092".into();
        assert!(config.check().is_ok());
        config.kafka.properties.insert("message_max_bytes".into(), "500000".into());
        let refused = config.check().expect_err("too few").to_string();
        assert!(refused.contains("message.max.bytes: must be at least 1000000"), "{refused}");
    }
}
