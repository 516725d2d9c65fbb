//! tweet-listener and its viewers, beside a bare loop of `send` over as many sockets that gets the same posts in the same
//! run.

pub(super) mod bare_send;
mod burst;
mod connects;
mod filters;
mod idle;
mod memory;
mod nchan;
mod probe;
mod ratio;
mod restart;
mod served;
mod stalled;
mod steady;
mod sweep;
mod watcher;

use clap::{Args, ValueEnum};

use self::served::Kind;
use super::{Options, report::Report};

pub(super) use self::{
    nchan::{Missing, check as nchan},
    sweep::bare as bare_sweep,
};

/// How the bare loop reads in a path.
pub(super) fn bare_loop(options: &Options) -> String {
    bare_send::BareSend::named(options)
}

/// Bytes of a post.
const BYTES: usize = 250;

/// How much of what.
#[derive(Debug, Clone, Args)]
#[group(id = "stream_scale")]
pub(super) struct Scale {
    /// The parts of stream; all where none is named
    #[arg(long = "stream-part", value_name = "PART", value_delimiter = ',')]
    stream_parts: Vec<Part>,
    /// Viewers of the parts that have many: at most as many as one process may open files, less a hundred
    #[arg(long, default_value_t = 18_000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    many: u64,
    /// Gives the same load to another server too, in the parts that have a bare loop beside them, and in memory
    #[arg(long)]
    peer: Option<Peer>,
}

/// Another server, on the services' core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Peer {
    /// nginx with nchan (Debian: nginx-light and libnginx-mod-nchan), which is posted to over HTTP
    Nchan,
}

/// What is measured of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// One post at a time: how fast it reaches all viewers, and how soon the next can follow
    Sweep,
    /// 5 posts/s to 15,000 viewers: processor time and latency
    Steady,
    /// 1,000 posts/s to 5,000 viewers
    Burst,
    /// User memory per viewer, idle and under load
    Memory,
    /// Viewers that get heartbeats only
    Idle,
    /// All viewers come at once
    Connects,
    /// Some viewers stop reading
    Stalled,
    /// tweet-listener restarts under its viewers
    Restart,
    /// Many conferences, each watched by its own viewers
    Filters,
}

impl Scale {
    /// What was asked for.
    pub(super) fn parts(&self) -> Vec<Part> {
        let asked_for = |part: &Part| self.stream_parts.is_empty() || self.stream_parts.contains(part);
        Part::value_variants().iter().copied().filter(asked_for).collect()
    }

    /// Which other server.
    pub(super) fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// What is measured beside each other: the bare loop first, tweet-listener last.
    fn servers(&self) -> Vec<Kind> {
        let peer = self.peer.map(|Peer::Nchan| Kind::Nchan);
        [Some(Kind::Bare), peer, Some(Kind::Wall)].into_iter().flatten().collect()
    }

    fn many(&self) -> usize {
        usize::try_from(self.many).unwrap_or(usize::MAX)
    }
}

pub(super) async fn measure(options: &Options, part: Part) -> anyhow::Result<Report> {
    match part {
        Part::Sweep => sweep::measure(options).await,
        Part::Steady => steady::measure(options).await,
        Part::Burst => burst::measure(options).await,
        Part::Memory => memory::measure(options).await,
        Part::Idle => idle::measure(options).await,
        Part::Connects => connects::measure(options).await,
        Part::Stalled => stalled::measure(options).await,
        Part::Restart => restart::measure(options).await,
        Part::Filters => filters::measure(options).await,
    }
}
