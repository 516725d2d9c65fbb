//! streams-analytics on a real broker: how fast, how soon, and what it takes.

pub(super) mod bare_poll;
mod changelog;
mod cost;
mod follower;
mod latency;
mod log;
mod memory;
mod passage;
mod preload;
mod progress;
mod restore;
mod steady;
mod throughput;
mod truth;

use clap::{Args, ValueEnum};

use super::{Options, report::Report};

/// How much of what.
#[derive(Debug, Clone, Args)]
pub(super) struct Scale {
    /// The parts of analytics; all where none is named
    #[arg(long = "part", value_name = "PART", value_delimiter = ',')]
    parts: Vec<Part>,
    /// Likes of throughput, changelog and cost
    #[arg(long, default_value_t = 1_000_000, value_parser = count(100_000))]
    likes: usize,
    /// Likes that stand, of restore and memory
    #[arg(long, default_value_t = 1_000_000, value_parser = count(1_000))]
    facts: usize,
    /// Unlikes and likes that take turns on a tenth as many facts, of changelog
    #[arg(long, default_value_t = 2_000_000, value_parser = count(100_000))]
    churn: usize,
    /// What likes are made of
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// At least `least`, at most ten millions.
fn count(least: u64) -> impl clap::builder::TypedValueParser<Value = usize> {
    use clap::builder::TypedValueParser as _;
    clap::value_parser!(u64).range(least..=10_000_000).map(|count| usize::try_from(count).expect("small"))
}

/// What is measured of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Likes per second, beside a bare poll loop
    Throughput,
    /// From process start to ready, after a SIGKILL
    Restore,
    /// Memory per fact
    Memory,
    /// From a like's acknowledgement to its count
    Latency,
    /// What the state costs on its topic
    Changelog,
    /// What a like costs where there is more of everything
    Cost,
}

impl Scale {
    /// What was asked for.
    pub(super) fn parts(&self) -> Vec<Part> {
        let asked_for = |part: &Part| self.parts.is_empty() || self.parts.contains(part);
        Part::value_variants().iter().copied().filter(asked_for).collect()
    }
}

pub(super) async fn measure(options: &Options, part: Part) -> anyhow::Result<Report> {
    match part {
        Part::Throughput => throughput::measure(options).await,
        Part::Restore => restore::measure(options).await,
        Part::Memory => memory::measure(options).await,
        Part::Latency => latency::measure(options).await,
        Part::Changelog => changelog::measure(options).await,
        Part::Cost => cost::measure(options).await,
    }
}
