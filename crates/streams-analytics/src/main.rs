//! Topics → topics: counts and lists, exactly once.

use std::process::ExitCode;

use service_shell::give_back_freed_memory;
use streams_analytics::{INFO, reset, run};

fn main() -> ExitCode {
    give_back_freed_memory();
    service_shell::launch_with(INFO, run, reset::command(), reset::run)
}
