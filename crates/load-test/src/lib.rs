//! Opens viewers, posts, and measures; and runs Livewall as separate processes for end-to-end tests.
//!
//! - [`stage`]: a real broker, the services in several replicas, the origin in front;
//! - [`Viewer`]: a browser's EventSource without a browser, on a plain socket; it keeps a [`Journal`];
//! - [`Series`] and [`Ledger`]: posts that are numbered, and the check that each came once and in order;
//! - [`Poster`]: posts over a kept connection, and says what was acknowledged;
//! - [`mod@bench`]: what `scripts/bench` runs;
//! - [`audit`]: what `scripts/ledger` runs.

pub mod audit;
pub mod bench;
pub mod stage;

mod body;
mod event_stream;
mod http;
mod ledger;
mod poster;
mod series;
mod subscription;
mod viewer;

pub use body::{Body, Malformed};
pub use event_stream::{EventStream, Item};
pub use http::{Connection, Head, Request, Response};
pub use ledger::{Fault, Ledger, Unbalanced};
pub use poster::{Poster, Refused};
pub use series::{Place, Series};
pub use subscription::Subscription;
pub use viewer::{Journal, Seen, Viewer};
