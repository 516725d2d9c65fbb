//! Configuration of the whole wall: what its services have in common. What is a service's own comes from that service's
//! sections, as if it ran alone.

use std::{net::SocketAddr, time::Duration};

use kafka_client::{KafkaConfig, TopicsConfig};
use serde::{Deserialize, Serialize};
use service_shell::{BadConfig, HttpConfig, LogConfig, ServiceConfig};

/// `config/livewall.toml` and the environment.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The one HTTP server.
    pub(crate) http: HttpConfig,
    /// How to reach Kafka, where `--brokers` asks for one.
    pub(crate) kafka: KafkaConfig,
    /// The names of topics.
    pub(crate) topics: TopicsConfig,
    /// Logging.
    pub(crate) log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: HttpConfig {
                listen: Some(SocketAddr::from(([127, 0, 0, 1], 8080))),
                // Whoever presses Ctrl-C at a first look does not want to wait.
                drain: Duration::from_secs(1),
                ..HttpConfig::default()
            },
            kafka: KafkaConfig::default(),
            topics: TopicsConfig::default(),
            // What the four services have to say when all is well would only hide the address.
            log: LogConfig { filter: "warn".to_owned(), ..LogConfig::default() },
        }
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
        self.kafka.check().map_err(|bad| BadConfig::new(bad.to_string()))
    }
}
