//! The command line from outside: the topics on a real Kafka, the wall without one, and what cannot be used.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod command;
mod samples;
mod topics;
mod wall;
