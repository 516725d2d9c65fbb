//! tweet-listener as its viewers see it: over sockets, on real Kafka.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod arriving;
mod page;
mod proxies;
mod readers;
mod resuming;
mod streaming;
mod wall;
mod wire;
