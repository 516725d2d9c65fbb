//! The contract between the services: what travels, on which topic, under which key.
//!
//! Messages are generated from `proto-schemas/`; everything else here gives them meaning: identifiers that were checked
//! once at the edge, the topics with their settings, the partition that a conference lives in, and the headers that go
//! with a record. Nothing here knows Kafka's client, HTTP or the clock.

mod headers;
mod ids;
mod partition;
mod record;
mod time;
mod topic;
mod trace;

pub use headers::{EventHeaders, TRACEPARENT};
pub use ids::{Conference, InvalidField, TweetId, VisitorId, is_identifier};
pub use partition::{murmur2, partition_of, partition_of_key};
pub use record::{Record, UnreadableRecord};
pub use time::Timestamp;
pub use topic::{Cleanup, TimestampType, Topic, TopicSpec};
pub use trace::TraceParent;

/// The generated messages; documented in `proto-schemas/livewall/v1/`.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated from proto-schemas/, where the documentation stands"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/livewall.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/livewall.v1.serde.rs"));
}

pub use generated::*;
