//! HTTP → topic `tweet-likes`.

use std::process::ExitCode;

fn main() -> ExitCode {
    service_shell::launch(likes::INFO, likes::run)
}
