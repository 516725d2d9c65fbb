//! Reminding clients where the cluster is.

use std::{
    ffi::CString,
    sync::Mutex,
    sync::PoisonError,
    time::{Duration, Instant},
};

use rdkafka::{ClientContext, bindings::rd_kafka_brokers_add, client::Client};

use crate::KafkaConfig;

/// How often a client is reminded. It costs a search through the brokers that it knows.
const EVERY: Duration = Duration::from_secs(3);

/// Gives a client its bootstrap brokers again.
///
/// A broker that has just started answers metadata requests before it is unfenced, and then names its topics but no
/// broker at all; a cluster of one does so at every restart. librdkafka (2.10 to at least 2.13, issue 5301) takes that
/// answer as "all brokers have left", drops every broker that it knows, bootstrap ones too, and never asks anybody again.
/// Adding a broker that is known already changes nothing.
pub(crate) struct Bootstrap {
    brokers: CString,
    last: Mutex<Instant>,
}

impl Bootstrap {
    pub(crate) fn new(config: &KafkaConfig) -> Self {
        // A NUL would have been refused with the configuration.
        let brokers = CString::new(config.brokers.as_str()).unwrap_or_default();
        Self { brokers, last: Mutex::new(Instant::now()) }
    }

    /// To be called often, by whoever uses `client`.
    pub(crate) fn remind<C: ClientContext>(&self, client: &Client<C>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < EVERY {
            return;
        }
        *last = Instant::now();
        #[allow(unsafe_code, reason = "rdkafka has no safe form of this call")]
        // SAFETY: `client` owns its native handle for as long as it is borrowed here, the list is a C string that outlives
        // the call, and the function may be called from any thread (rdkafka.h).
        unsafe {
            rd_kafka_brokers_add(client.native_ptr(), self.brokers.as_ptr());
        }
    }
}
