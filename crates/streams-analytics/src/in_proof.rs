//! The service as `main.rs` has it, with failpoints.

use std::process::ExitCode;

fn main() -> ExitCode {
    let _scenario = fail::FailScenario::setup();
    service_shell::launch(streams_analytics::INFO, streams_analytics::run)
}
