//! librdkafka's log lines as tracing events.

use rdkafka::{ClientContext, config::RDKafkaLogLevel, error::KafkaError};

/// The context of every client: sends librdkafka's words to tracing.
///
/// Lost connections are everyday news to librdkafka, which reconnects by itself, and [`crate::ClusterWatch`] says once
/// that a broker is gone; so its own lines stay at debug level unless they are alarming.
#[derive(Clone, Copy, Default)]
pub(crate) struct Logged;

/// One librdkafka line.
pub(crate) fn line(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{text}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{text}"),
    }
}

/// One librdkafka error that it handles itself.
pub(crate) fn error(error: &KafkaError, reason: &str) {
    tracing::debug!(target: "librdkafka", %error, "{reason}");
}

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        line(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self::error(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for Logged {}
