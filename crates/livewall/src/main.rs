//! The whole of Livewall in one process, for a first look; and the tools around it.

mod cli;
mod config;
mod samples;
mod topics;
mod wall;

use std::process::ExitCode;

use crate::cli::{Command, Line};

fn main() -> ExitCode {
    let (line, config) = match cli::parse() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let Line { command, wall } = line;
    match command {
        None => service_shell::exit_code(cli::NAME, |shutdown| wall::run(wall, config, shutdown)),
        Some(Command::Samples(args)) => {
            service_shell::exit_code(cli::NAME, |shutdown| samples::send(args.target(), args.pace(), shutdown))
        }
        Some(Command::Topics { action }) => topics::run(action, config),
    }
}
