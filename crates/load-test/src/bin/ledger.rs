//! `ledger`: see `--help`, and `scripts/ledger`.

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use load_test::audit::{self, Options};

/// The ledger of a bad day: faults every few seconds while people post, like and watch, and then the balance.
#[derive(Debug, Parser)]
#[command(name = "ledger", version)]
struct Arguments {
    /// How long there are faults
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    minutes: u64,
    /// What the order of the faults is drawn from
    #[arg(long)]
    seed: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { minutes, seed } = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let balance = runtime.block_on(audit::run(Options { time: Duration::from_mins(minutes), seed }))?;
    eprintln!("{balance}");
    println!("{}", serde_json::to_string_pretty(&balance)?);
    Ok(if balance.is_even() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
