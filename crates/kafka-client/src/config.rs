//! How to reach Kafka, and which librdkafka properties may be set.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize, Serializer};

/// Section `kafka` of every service's configuration.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Bootstrap brokers, `host:port,host:port`.
    pub brokers: String,
    /// Any librdkafka property, dots written as dots or as underscores; except those that carry promises.
    #[serde(serialize_with = "masked")]
    pub properties: BTreeMap<String, String>,
    /// How long a record may wait for its acknowledgement before the caller is told 503, in milliseconds
    /// (librdkafka `message.timeout.ms`).
    pub delivery_timeout_ms: u64,
    /// Stable name of this replica, such as a StatefulSet's pod name: makes the group member static (KIP-345) and fences
    /// a dead predecessor at once. Empty: members are dynamic. Only streams-analytics uses it.
    pub instance_id: String,
}

/// Section `topics` of every service's configuration.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicsConfig {
    /// Put before every topic's name, so that several walls share a cluster.
    pub prefix: String,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            properties: BTreeMap::new(),
            delivery_timeout_ms: 10_000,
            instance_id: String::new(),
        }
    }
}

/// A Kafka configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKafkaConfig {
    /// A property that carries one of the promises.
    #[error("kafka.properties.{property}: may not be set, {why}")]
    Reserved {
        /// In librdkafka's spelling.
        property: String,
        /// What it carries, and what to set instead.
        why: &'static str,
    },
    /// librdkafka does not know the property or its value.
    #[error("kafka.properties: {0}")]
    Unknown(String),
    /// `brokers` is empty.
    #[error("kafka.brokers: is empty; give host:port, several separated by commas")]
    NoBrokers,
}

/// Properties that are ours to set, each with the reason; aliases as in librdkafka's CONFIGURATION.md.
const RESERVED: &[(&[&str], &str)] = &[
    (&["acks", "request.required.acks"], "records are acknowledged by all in-sync replicas"),
    (
        &[
            "enable.idempotence",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "enable.gapless.guarantee",
            "retries",
            "message.send.max.retries",
        ],
        "retries must neither repeat nor reorder records",
    ),
    (&["isolation.level"], "readers see committed records only"),
    (&["transactional.id", "group.instance.id"], "it follows from kafka.instance_id"),
    (&["partitioner", "partitioner_cb"], "a conference's partition is murmur2 of its name"),
    (&["auto.offset.reset"], "a lost position must stop a reader, not move it"),
    (
        &["enable.auto.commit", "enable.auto.offset.store", "auto.commit.enable"],
        "offsets are committed in the transaction of their results",
    ),
    (&["group.id", "group.protocol"], "groups are chosen by the service"),
    (&["bootstrap.servers", "metadata.broker.list"], "set kafka.brokers"),
    (&["message.timeout.ms", "delivery.timeout.ms"], "set kafka.delivery_timeout_ms"),
    (&["allow.auto.create.topics"], "topics are created by `livewall topics create`"),
];

impl KafkaConfig {
    /// Checks everything that can be checked without a broker.
    ///
    /// # Errors
    /// The first property that is reserved or unknown, or missing brokers.
    pub fn check(&self) -> Result<(), BadKafkaConfig> {
        if self.brokers.trim().is_empty() {
            return Err(BadKafkaConfig::NoBrokers);
        }
        for (property, _) in self.properties() {
            if let Some((_, why)) = RESERVED.iter().find(|(names, _)| names.contains(&property.as_str())) {
                return Err(BadKafkaConfig::Reserved { property, why });
            }
        }
        self.client().create_native_config().map_err(|error| match error {
            rdkafka::error::KafkaError::ClientConfig(_, description, property, value) => {
                let value = if is_secret(&property) { "***".to_owned() } else { value };
                BadKafkaConfig::Unknown(format!("{property} = {value}: {description}"))
            }
            other => BadKafkaConfig::Unknown(other.to_string()),
        })?;
        Ok(())
    }

    /// A librdkafka configuration that every client begins with.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        // A broker that comes back is found within a second, not within librdkafka's default of ten.
        client.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "1000");
        // A partition whose leader was not known when a broker came back is looked for again within seconds; librdkafka's
        // default of five minutes would leave its readers and writers waiting that long.
        client.set("topic.metadata.refresh.interval.ms", "5000");
        client.set("socket.keepalive.enable", "true").set("socket.nagle.disable", "true");
        for (property, value) in self.properties() {
            client.set(property, value);
        }
        client.set("bootstrap.servers", &self.brokers);
        client.set("client.id", "livewall");
        client
    }

    /// How long an acknowledgement may take.
    pub fn delivery_timeout(&self) -> Duration {
        Duration::from_millis(self.delivery_timeout_ms)
    }

    /// What one of librdkafka's properties is set to.
    pub fn property(&self, name: &str) -> Option<String> {
        self.properties().find(|(property, _)| property == name).map(|(_, value)| value)
    }

    fn properties(&self) -> impl Iterator<Item = (String, String)> + '_ {
        // No librdkafka property that may be set has an underscore in its name, so environment variables can use it.
        self.properties.iter().map(|(name, value)| (name.to_ascii_lowercase().replace('_', "."), value.clone()))
    }
}

fn is_secret(property: &str) -> bool {
    ["password", "secret", "key", "pem", "token", "sasl.jaas", "oauthbearer.config"]
        .iter()
        .any(|part| property.replace('_', ".").to_ascii_lowercase().contains(part))
}

fn masked<S: Serializer>(properties: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        properties.iter().map(|(name, value)| (name, if is_secret(name) { "***" } else { value.as_str() })),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(property: &str, value: &str) -> KafkaConfig {
        let properties = BTreeMap::from([(property.to_owned(), value.to_owned())]);
        KafkaConfig { properties, ..KafkaConfig::default() }
    }

    #[test]
    fn a_property_that_carries_a_promise_is_refused_by_name() {
        for property in ["acks", "enable_idempotence", "isolation.level", "transactional_id", "partitioner"] {
            let refused = with(property, "1").check().expect_err("reserved").to_string();
            assert!(refused.contains(&property.replace('_', ".")), "{refused}");
        }
    }

    #[test]
    fn an_unknown_property_is_named_and_a_known_one_taken() {
        assert!(with("no.such.property", "1").check().expect_err("unknown").to_string().contains("no.such.property"));
        assert!(with("fetch_wait_max_ms", "often").check().is_err());
        assert_eq!(with("fetch_wait_max_ms", "5").check(), Ok(()));
    }

    #[test]
    fn passwords_are_masked_where_the_configuration_is_shown() {
        let shown = serde_json_like(&with("sasl_password", "hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    fn serde_json_like(config: &KafkaConfig) -> String {
        serde_json::to_string(config).expect("serializes")
    }
}
