//! Configuration of likes.

use std::time::Duration;

use kafka_client::{KafkaConfig, TopicsConfig};
use serde::{Deserialize, Deserializer, Serialize};
use service_shell::{BadConfig, HttpConfig, LogConfig, Secret, ServiceConfig};

use crate::visitor::VisitorKeys;

/// As many bytes as HMAC-SHA256 puts out: a shorter key would be the weakest part.
const KEY_BYTES: usize = 32;

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
    /// How visitors are told apart.
    pub visitor: VisitorConfig,
    /// Which posts can be liked.
    pub tweets: TweetsConfig,
}

/// Section `visitor`: how visitors are told apart.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct VisitorConfig {
    /// Signs the visitors' cookies; at least 32 bytes, the same for all replicas. Without it cookies are signed with a
    /// key that everybody knows, so that anybody may pretend to be any visitor, and the service listens on loopback
    /// only.
    pub key: Secret,
    /// Earlier keys, whose cookies are still taken. A visitor stays with the key of its cookie; one whose key is taken
    /// off this list becomes a new visitor.
    #[serde(deserialize_with = "secrets")]
    pub previous_keys: Vec<Secret>,
    /// Sets cookies for https only, whatever the request says. Otherwise a request that came by https, as
    /// `X-Forwarded-Proto` tells, is given such a cookie.
    pub secure: bool,
}

/// Section `tweets`: which posts can be liked.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TweetsConfig {
    /// How long a like of an unknown post may wait until all that was published before it has been read. Then it is
    /// refused with 503.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
}

impl Default for TweetsConfig {
    fn default() -> Self {
        Self { patience: Duration::from_secs(3) }
    }
}

fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    Ok(service_shell::comma_separated(deserializer)?.into_iter().map(Secret::new).collect())
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
        if let Some(key) = self.visitor.key.expose() {
            check_key("visitor.key", key)?;
        } else if !self.visitor.previous_keys.is_empty() {
            return Err(BadConfig::new("visitor.previous_keys: are set while visitor.key is not"));
        }
        for key in &self.visitor.previous_keys {
            check_key("visitor.previous_keys", key.expose().unwrap_or_default())?;
        }
        let patience = self.tweets.patience;
        if !(Duration::from_millis(10)..=Duration::from_mins(1)).contains(&patience) {
            return Err(BadConfig::new("tweets.patience: must be from 10ms to 60s"));
        }
        Ok(())
    }

    fn missing_secret(&self) -> Option<&'static str> {
        self.visitor.key.expose().is_none().then_some("visitor.key")
    }
}

impl VisitorConfig {
    /// The keys in force.
    pub(crate) fn keys(&self) -> VisitorKeys {
        match self.key.expose() {
            Some(key) => VisitorKeys::new(key, self.previous_keys.iter().filter_map(Secret::expose)),
            None => VisitorKeys::known_to_everybody(),
        }
    }
}

/// A key must be strong, and must be able to move on to the list of previous keys as it is.
fn check_key(option: &str, key: &str) -> Result<(), BadConfig> {
    if key.len() < KEY_BYTES {
        return Err(BadConfig::new(format!("{option}: has {} bytes, at least {KEY_BYTES} are needed", key.len())));
    }
    if key.contains(',') || key.trim() != key {
        return Err(BadConfig::new(format!("{option}: must have no comma, and no blanks around it")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";

    fn with(variables: &[(&str, &str)]) -> Result<Config, BadConfig> {
        let variables = variables.iter().map(|(name, value)| (format!("LIVEWALL_{name}"), (*value).to_owned()));
        service_shell::load("likes-test", None, variables)
    }

    #[test]
    fn without_a_key_it_listens_on_loopback_only() {
        let config = with(&[]).expect("defaults");
        assert_eq!(config.missing_secret(), Some("visitor.key"));
        assert!(config.listen_address(8082, false).expect("an address").ip().is_loopback());
    }

    #[test]
    fn keys_are_read_from_the_environment_and_never_shown() {
        let config = with(&[("VISITOR__KEY", KEY), ("VISITOR__PREVIOUS_KEYS", OTHER)]).expect("a configuration");
        assert_eq!(config.missing_secret(), None);
        assert_eq!(config.visitor.previous_keys[0].expose(), Some(OTHER));
        let shown = format!("{config:?}{}", serde_json::to_string(&config).expect("serializes"));
        assert!(!shown.contains(KEY) && !shown.contains(OTHER), "{shown}");
    }

    #[test]
    fn a_weak_or_unusable_key_is_refused_by_name() {
        let with_comma = format!("{},{}", &KEY[..20], &KEY[..20]);
        for (variables, option) in [
            (vec![("VISITOR__KEY", "short")], "visitor.key: has 5 bytes"),
            (vec![("VISITOR__KEY", with_comma.as_str())], "visitor.key: must have no comma"),
            (vec![("VISITOR__KEY", KEY), ("VISITOR__PREVIOUS_KEYS", "short")], "visitor.previous_keys: has 5 bytes"),
            (vec![("VISITOR__PREVIOUS_KEYS", OTHER)], "visitor.previous_keys: are set while visitor.key is not"),
            (vec![("TWEETS__PATIENCE", "1h")], "tweets.patience"),
            (vec![("KAFKA__PROPERTIES__ACKS", "1")], "kafka.properties.acks"),
        ] {
            let line = with(&variables).expect_err(option).to_string();
            assert!(line.contains(option), "{line}");
            assert!(!line.contains(OTHER), "a key is shown: {line}");
        }
    }
}
