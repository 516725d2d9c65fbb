//! Topics → topics: counts and lists, exactly once.

use std::process::ExitCode;

use streams_analytics::{INFO, reset, run};

fn main() -> ExitCode {
    service_shell::launch_with(INFO, run, reset::command(), reset::run)
}
