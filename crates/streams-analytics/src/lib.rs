//! Counts and lists from the stream, exactly once.

pub mod changelog;
pub mod key;
pub mod record;
pub mod results;
pub mod store;
pub mod topology;
