//! How to reach Kafka, and which librdkafka properties may be set.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

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
    /// How long a record may wait for its acknowledgement before the caller is told 503, in milliseconds, from 1 to
    /// 300,000 (librdkafka `message.timeout.ms`).
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
    /// A property under two of its names: one of the values would be passed over.
    #[error("kafka.properties.{0}: is set under another name too")]
    Twice(String),
    /// `brokers` is empty.
    #[error("kafka.brokers: is empty; give host:port, several separated by commas")]
    NoBrokers,
    /// `delivery_timeout_ms` is none that a caller could wait for.
    #[error("kafka.delivery_timeout_ms: is {0}, must be from 1 to {MAX_DELIVERY_TIMEOUT_MS}")]
    DeliveryTimeout(u64),
    /// Records would be given up before they are sent.
    #[error("kafka.properties.linger.ms: is {linger}, must be less than kafka.delivery_timeout_ms, which is {timeout}")]
    Linger {
        /// `linger.ms`.
        linger: String,
        /// `delivery_timeout_ms`.
        timeout: u64,
    },
}

/// The longest delivery timeout: librdkafka's default. Zero would be none at all, and a caller would wait for ever.
const MAX_DELIVERY_TIMEOUT_MS: u64 = 300_000;

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
    (&["queuing.strategy"], "records of a conference keep their order"),
    (&["delivery.report.only.error"], "callers wait for the acknowledgement of their record"),
    (&["test.mock.num.brokers", "test.mock.broker.rtt"], "records go to Kafka, not to a test double of it"),
    (&["partitioner"], "a conference's partition is murmur2 of its name"),
    (&["auto.offset.reset"], "a lost position must stop a reader, not move it"),
    (
        &["enable.auto.commit", "enable.auto.offset.store", "auto.commit.enable", "offset.store.method"],
        "offsets are committed in the transaction of their results",
    ),
    (&["group.id", "group.protocol", "group.protocol.type"], "groups are chosen by the service"),
    (
        &["partition.assignment.strategy", "group.remote.assignor"],
        "partitions of the same number go to the same member, whatever their topic",
    ),
    (&["enable.partition.eof"], "readers know by it that they have caught up"),
    (&["enabled.events", "log.queue"], "it is how the client hears of librdkafka"),
    (&["bootstrap.servers", "metadata.broker.list"], "set kafka.brokers"),
    (&["message.timeout.ms", "delivery.timeout.ms"], "set kafka.delivery_timeout_ms"),
    (&["allow.auto.create.topics"], "topics are created by `livewall topics create`"),
];

/// Second names that librdkafka has for what may be set, and the first.
const ALIASES: &[(&str, &str)] = &[
    ("queue.buffering.max.ms", "linger.ms"),
    ("compression.codec", "compression.type"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("sasl.mechanism", "sasl.mechanisms"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
];

impl KafkaConfig {
    /// Checks everything that can be checked without a broker.
    ///
    /// # Errors
    /// The first property that is reserved or unknown, missing brokers, or a timeout that nobody could wait for.
    pub fn check(&self) -> Result<(), BadKafkaConfig> {
        if self.brokers.trim().is_empty() {
            return Err(BadKafkaConfig::NoBrokers);
        }
        if !(1..=MAX_DELIVERY_TIMEOUT_MS).contains(&self.delivery_timeout_ms) {
            return Err(BadKafkaConfig::DeliveryTimeout(self.delivery_timeout_ms));
        }
        for (property, _) in self.properties() {
            if let Some((_, why)) = RESERVED.iter().find(|(names, _)| names.contains(&property.as_str())) {
                return Err(BadKafkaConfig::Reserved { property, why });
            }
        }
        let spelt: BTreeSet<String> = self.properties.keys().map(|name| with_dots(name)).collect();
        if let Some((alias, _)) = ALIASES.iter().find(|(alias, name)| spelt.contains(*alias) && spelt.contains(*name)) {
            return Err(BadKafkaConfig::Twice((*alias).to_owned()));
        }
        self.client().create_native_config().map_err(|error| match error {
            rdkafka::error::KafkaError::ClientConfig(_, description, property, value) => {
                let value = if is_secret(&property) { "***".to_owned() } else { value };
                BadKafkaConfig::Unknown(format!("{property} = {value}: {description}"))
            }
            other => BadKafkaConfig::Unknown(other.to_string()),
        })?;
        let linger = self.properties().find(|(property, _)| property == "linger.ms");
        match linger {
            Some((_, linger)) if linger.parse().is_ok_and(|millis: f64| millis >= self.delivery_timeout_ms as f64) => {
                Err(BadKafkaConfig::Linger { linger, timeout: self.delivery_timeout_ms })
            }
            _ => Ok(()),
        }
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
        client.set("client.id", "livewall");
        for (property, value) in self.properties() {
            client.set(property, value);
        }
        client.set("bootstrap.servers", &self.brokers);
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

    /// Each under librdkafka's first name for it, so that defaults of ours give way to it whatever it is called.
    fn properties(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.properties.iter().map(|(name, value)| {
            let name = with_dots(name);
            let first = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, first)| (*first).to_owned());
            (first.unwrap_or(name), value.clone())
        })
    }
}

/// No librdkafka property that may be set has an underscore in its name, so environment variables can use it.
fn with_dots(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', ".")
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
        for property in [
            "acks",
            "enable_idempotence",
            "isolation.level",
            "transactional_id",
            "partitioner",
            "delivery_report_only_error",
            "test.mock.num.brokers",
            "test_mock_broker_rtt",
            "queuing.strategy",
            "offset.store.method",
            "group.protocol.type",
        ] {
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
    fn a_property_that_would_be_overwritten_is_refused() {
        for (property, value) in [
            ("partition.assignment.strategy", "roundrobin"),
            ("group.remote.assignor", "uniform"),
            ("enable.partition.eof", "false"),
            ("enabled_events", "1"),
            ("log_queue", "false"),
        ] {
            let refused = with(property, value).check();
            assert!(matches!(refused, Err(BadKafkaConfig::Reserved { .. })), "{property}: {refused:?}");
        }
    }

    #[test]
    fn what_is_configured_has_the_last_word_under_each_of_its_names() {
        for (property, value, first) in [
            ("client_id", "wall-7", "client.id"),
            ("linger.ms", "7", "linger.ms"),
            ("queue_buffering_max_ms", "7", "linger.ms"),
            ("compression.codec", "gzip", "compression.type"),
            ("compression.type", "gzip", "compression.type"),
            ("topic.metadata.refresh.interval.ms", "7000", "topic.metadata.refresh.interval.ms"),
        ] {
            let config = with(property, value);
            assert_eq!(config.check(), Ok(()), "{property}");
            let native = crate::producer::settings(&config).create_native_config().expect("good");
            assert_eq!(native.get(first).as_deref(), Ok(value), "{property}");
        }
    }

    #[test]
    fn a_property_under_two_names_is_refused() {
        let mut config = with("linger.ms", "7");
        config.properties.insert("queue_buffering_max_ms".into(), "8".into());
        assert_eq!(config.check(), Err(BadKafkaConfig::Twice("queue.buffering.max.ms".into())));
    }

    #[test]
    fn a_delivery_timeout_that_nobody_could_wait_for_is_refused() {
        for (delivery_timeout_ms, good) in
            [(0, false), (1, true), (300_000, true), (300_001, false), (u64::from(u32::MAX), false)]
        {
            let refused = KafkaConfig { delivery_timeout_ms, ..KafkaConfig::default() }.check();
            assert_eq!(refused.is_ok(), good, "{refused:?}");
        }
        let linger = with("queue.buffering.max.ms", "10000").check().expect_err("as long as the timeout").to_string();
        assert!(linger.contains("linger.ms") && linger.contains("kafka.delivery_timeout_ms"), "{linger}");
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
