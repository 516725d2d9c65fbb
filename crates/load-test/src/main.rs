//! `load-test bench`: see `--help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    load_test::bench::main()
}
