//! Topics → topics: counts and lists, exactly once.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_shell::launch(streams_analytics::INFO, streams_analytics::run)
}
