//! What every process does before and after its work: configuration, telemetry, health, problem answers, shutdown.
//!
//! A service is a library with one door, `run(config, listener, shutdown)`, and a `main` that calls [`launch`].

mod cli;
mod comma;
mod config;
mod health;
mod heap;
mod http;
mod launch;
mod metrics;
mod problem;
mod secret;
mod shutdown;
mod telemetry;
mod trace;

pub use cli::CommonArgs;
pub use comma::comma_separated;
pub use config::{BadConfig, HttpConfig, LogConfig, LogFormat, ServiceConfig, load, networks};
pub use health::Health;
pub use heap::give_back_freed_memory;
pub use http::{body, serve, takeover};
pub use launch::{ServiceInfo, exit_code, launch, launch_with, listen, open_file_limit};
pub use metrics::install_metrics;
pub use problem::{Problem, ProblemBody};
pub use secret::Secret;
pub use shutdown::{Shutdown, signals};
pub use telemetry::start_telemetry;
pub use trace::RequestTrace;
