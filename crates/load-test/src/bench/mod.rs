//! What `scripts/bench` runs: measurements that check that nothing was missing.

mod analytics;
mod cores;
mod crowd;
mod ingest;
mod latency;
mod memory;
mod report;
mod stream;
mod topic;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::report::Report;
use crate::stage::{Broker, Plan, Process, Replicas, Stage};

/// Something that was asked for is not installed (`EX_UNAVAILABLE` of sysexits.h).
const UNAVAILABLE: u8 = 69;

/// Load tests of Livewall.
#[derive(Debug, Parser)]
#[command(name = "load-test", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, with the services as processes of their own, on one core, and viewers and posters on another
    ///
    /// Every bench prints the path that it measured, checks at every receiver that each post came once and in order, and
    /// fails if one is missing. Values are medians of the rounds.
    Bench(Options),
    /// A bare loop of sends, which a bench starts as a process of its own
    #[command(hide = true)]
    BareSend(stream::bare_send::Task),
    /// A bare poll loop, which a bench starts as a process of its own
    #[command(hide = true)]
    BarePoll(analytics::bare_poll::Task),
}

/// What is measured, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// What to measure; all where nothing is named
    which: Vec<Which>,
    /// A running broker, host:port
    #[arg(long, env = "LIVEWALL_TEST_BROKERS")]
    brokers: String,
    /// How often each bench is done; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// How long a round of latency and memory is, and of what analytics does at 1,000 likes/s
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Viewers [default: latency 100, memory 1,000, stream sweep 1,000 and 5,000 and 15,000, stream burst 5,000]
    #[arg(long)]
    viewers: Option<usize>,
    /// Posts per second of latency and memory
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    rate: u64,
    /// Posts of a round of ingest that are sent singly; ten times as many are sent in batches
    #[arg(long, default_value_t = 32_000, value_parser = clap::value_parser!(u64).range(1000..=1_000_000))]
    posts: u64,
    /// The core of the services, a number or `any`
    #[arg(long, default_value = "0", value_parser = core)]
    service_core: Core,
    /// The core of viewers, posters and bare clients, a number or `any`
    #[arg(long, default_value = "1", value_parser = core)]
    probe_core: Core,
    #[command(flatten)]
    analytics: analytics::Scale,
    #[command(flatten)]
    stream: stream::Scale,
    /// Print JSON, one document with all benches
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// From POST to the page, beside a bare consumer
    Latency,
    /// Acknowledged posts per second, singly and in batches, beside a bare producer
    Ingest,
    /// Memory of each service, idle and under load
    Memory,
    /// Viewers in their thousands beside a bare loop of sends: sweep, lockstep, CPU, memory, bursts, connects, restart
    Stream,
    /// streams-analytics: throughput beside a bare poll loop, restore, memory, latency, changelog, cost per like
    Analytics,
}

/// A core, or any.
#[derive(Debug, Clone, Copy)]
struct Core(Option<usize>);

fn core(text: &str) -> Result<Core, String> {
    match text {
        "any" => Ok(Core(None)),
        number => match number.parse() {
            Ok(number) if cores::is_there(number) => Ok(Core(Some(number))),
            Ok(_) => Err("there is no such core for this process; say `any`".into()),
            Err(_) => Err("not a number and not `any`".into()),
        },
    }
}

/// `load-test`, from its command line to its exit code.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bench(options) => run(&options),
        Command::BarePoll(task) => task.run(),
        Command::BareSend(task) => task.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load-test: {error:#}");
            if error.is::<stream::Missing>() { ExitCode::from(UNAVAILABLE) } else { ExitCode::FAILURE }
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    if options.stream.peer().is_some() {
        stream::nchan()?;
    }
    let (service, probe) = (options.service_core.0, options.probe_core.0);
    anyhow::ensure!(
        service != probe || service.is_none(),
        "services and probe on one core would measure each other; say `any` where there is no other core"
    );
    // Before any other thread is there, so that all of them inherit it.
    if let Some(core) = options.probe_core.0 {
        cores::pin_thread(core)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut reports = Vec::new();
    let mut publish = |report: Report| {
        if !options.json {
            println!("{report}");
        }
        reports.push(report);
    };
    for which in Which::value_variants() {
        if !options.which.is_empty() && !options.which.contains(which) {
            continue;
        }
        match which {
            Which::Latency => publish(runtime.block_on(latency::measure(options))?),
            Which::Ingest => publish(runtime.block_on(ingest::measure(options))?),
            Which::Memory => publish(runtime.block_on(memory::measure(options))?),
            Which::Stream => {
                for part in options.stream.parts() {
                    publish(runtime.block_on(stream::measure(options, part))?);
                }
            }
            Which::Analytics => {
                for part in options.analytics.parts() {
                    publish(runtime.block_on(analytics::measure(options, part))?);
                }
            }
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    }
    Ok(())
}

impl Options {
    /// One of each of `services`, on the services' core, without an origin.
    async fn stage(&self, services: &'static [&'static str]) -> anyhow::Result<Stage> {
        let plan = Plan { services, replicas: 1, core: self.service_core.0, origin: false, env: Vec::new() };
        Stage::start(Broker::shared(&self.brokers), plan).await
    }

    /// How the probe reads in a path.
    fn probe(&self, role: &str) -> String {
        format!("load-test, {role} ({})", cores::named(self.probe_core.0))
    }

    /// How the broker reads in a path. Where it runs is its owner's choice.
    fn broker(&self) -> String {
        format!("Kafka {} (not pinned here)", self.brokers)
    }
}

/// The one process of a service.
fn only(replicas: &Replicas) -> &Process {
    &replicas.processes()[0]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
