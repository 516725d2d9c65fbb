//! What stands in the headers of every record: CloudEvents 1.0 in the binary mode of its Kafka binding, and the trace.

use crate::{Timestamp, TraceParent};

/// The header that carries [`TraceParent`].
pub const TRACEPARENT: &str = "traceparent";

/// The headers of one record (CloudEvents Kafka protocol binding 1.0.2, section 3.2: attributes as `ce_*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHeaders {
    /// `ce_id`: with `ce_source` the same for a repeated delivery of the same event.
    pub id: String,
    /// `ce_source`: the path of the service that wrote it, such as `/event-bridge`.
    pub source: &'static str,
    /// `ce_time`.
    pub time: Timestamp,
    /// `traceparent`.
    pub trace: Option<TraceParent>,
}

impl EventHeaders {
    /// Name and value of each header, for a record of type `kind`.
    pub fn pairs(&self, kind: &'static str) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("content-type", "application/json".to_owned()),
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id.clone()),
            ("ce_source", self.source.to_owned()),
            ("ce_type", kind.to_owned()),
            ("ce_time", self.time.to_string()),
        ];
        if let Some(trace) = self.trace {
            pairs.push((TRACEPARENT, trace.to_string()));
        }
        pairs
    }
}
