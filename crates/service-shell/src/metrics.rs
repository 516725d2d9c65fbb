//! Prometheus metrics of the process.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Buckets for every `…_seconds` histogram: 0.5 ms to 10 s, since an acknowledgement takes about 1 ms and a bound is 10 s.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Installs the process's recorder, once, and returns what renders it.
pub fn install_metrics() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
            .expect("the list of buckets is not empty")
            .install_recorder()
            .expect("nothing else installs a recorder");
        metrics::describe_counter!(
            "http_requests_total",
            "Requests that were answered, by method (other: none that HTTP itself defines), route and status"
        );
        metrics::describe_histogram!(
            "http_request_seconds",
            metrics::Unit::Seconds,
            "From a request's head to the head of its answer, by route"
        );
        handle
    })
}
