//! What containers and clusters are given, beside the code that has to fit it. Needs no broker.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod environment;
mod image;
mod kafka;
mod repository;
mod topics;
