//! Livewall as its users meet it: the services as processes of their own, two of each, on a real Kafka with four
//! partitions, behind the origin; browsers are Chromium, callers are curl.
//!
//! `scripts/test -p livewall` builds what is needed and brings up a broker.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod bad_start;
mod boards;
mod broker_trouble;
mod browser;
mod clients;
mod curl;
mod demo;
mod described;
mod journey;
mod openapi;
mod original_page;
mod page;
mod page_connection;
mod poison;
mod readme;
mod replicas;
mod restarts;
mod shutdown;
mod topics;
mod trace;
mod traffic;
mod wall;
