//! HTTP → topic `tweets`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_shell::launch(event_bridge::INFO, event_bridge::run)
}
