//! The service from outside: over sockets, on a real Kafka whose address stands in `LIVEWALL_TEST_BROKERS`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

mod app;
mod broker;
mod ifttt;
mod limits;
mod process;
mod refusals;
mod topic;
mod tweets;
