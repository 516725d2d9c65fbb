//! The service from outside: over real sockets, on a real Kafka.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod bad_input;
mod broker;
mod liking;
mod own_broker;
mod process;
mod service;
mod topics;
mod visitors;
