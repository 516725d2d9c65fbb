//! Steps of a viewer towards the live stream.

use bytes::Bytes;

use crate::position::Position;

/// What stands between a viewer and the live stream.
pub enum Join {
    /// Nothing: a serving thread has it.
    Entered,
    /// Tweets from memory; the position has moved along.
    Tweets(Bytes),
    /// Records before this position must be read from Kafka again.
    Kafka(Position),
    /// The viewer has seen more than this replica: it waits.
    Ahead,
}

/// A viewer that is ready for the live stream.
pub struct Opening<S> {
    /// Where it is sent to.
    pub socket: S,
    /// What it is to get first.
    pub bytes: Bytes,
    /// Whether heartbeats fire an event.
    pub ping: bool,
}
