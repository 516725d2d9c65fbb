//! The ledger of a bad day: what `scripts/ledger` runs.
//!
//! A real Kafka, each service as processes of its own, people who post, like and watch, and a fault every few seconds.
//! When calm has returned, everything that was acknowledged, shown and counted is compared with the log and with a replay
//! of it, account by account. `docs/guarantees.md` tells what each account stands for.

mod account;
mod answers;
mod balance;
mod effects;
mod fault;
mod injector;
mod missing;
mod published;
mod reader;
mod replay;
mod silence;
mod watcher;
mod writer;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;

pub use account::{Account, Balance, Done, Silence};

use self::{
    answers::Answers,
    fault::{Faults, Kind},
    injector::{Injector, Seat},
    reader::Reader,
    replay::{Rules, Size},
    watcher::Watcher,
    writer::{Doors, Writers},
};
use crate::{
    Request, Series,
    stage::{Broker, Clock, Disk, Plan, Proxy, Stage, free_address, until},
};

/// The services, in the order of [`Stage::services_mut`], and how many processes each has.
const SERVICES: [&str; 4] = ["event-bridge", "likes", "streams-analytics", "tweet-listener"];
const PROCESSES: [usize; 4] = [2, 2, 3, 2];
/// The process of each service whose clock may jump.
const WITH_CLOCK: usize = 1;
const CONFERENCES: usize = 6;
/// Of a post.
const BYTES: usize = 300;
/// Room for the broker: far more than a run of an hour writes.
const DISK: u64 = 2 << 30;
/// So short that windows close within a run; and hopping ones, too.
const WINDOWS: &str = "10s,1m/20s";
const GRACE: Duration = Duration::from_secs(5);
/// So often that a viewer need not wait long to notice a dead connection.
const HEARTBEAT: &str = "2s";
/// The longest time beyond that of the faults: some waits, each as long as anything may take.
const AFTERWARDS: Duration = Duration::from_mins(15);

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long there are faults.
    pub time: Duration,
    /// What their order is drawn from.
    pub seed: u64,
}

/// A bad day, and its balance.
///
/// # Errors
/// What kept it from being drawn up. That it is not even is no error.
pub async fn run(options: Options) -> anyhow::Result<Balance> {
    timeout(options.time + AFTERWARDS, day(options)).await?
}

async fn day(options: Options) -> anyhow::Result<Balance> {
    let mut left_out = Vec::new();
    let disk = Disk::mount(DISK).inspect_err(|error| left_out.push(format!("{}: {error}", Kind::DiskFull))).ok();
    let clocks = clocks(&mut left_out)?;
    let mut injector = set_up(disk, clocks).await?;
    let series = Series::new(CONFERENCES, BYTES);
    let watchers = watch(&injector, &series).await?;
    let answers = Arc::new(Answers::default());
    let writers = Writers::start(&series, options.seed, |index| doors(&injector.stage, index), &answers).await?;
    everything_counts(&injector.stage, &series).await?;
    let reader = Reader::start(injector.stage.origin(), &series, Arc::clone(&answers));

    let possible = Kind::ALL.into_iter().filter(|kind| match kind {
        Kind::DiskFull => injector.disk.is_some(),
        Kind::ClockJumps => !injector.clocks.is_empty(),
        _ => true,
    });
    let faults = Faults::new(options.seed, possible.collect());
    injector.began = Instant::now();
    for fault in faults {
        if injector.began.elapsed() > options.time {
            break;
        }
        injector.meet(fault).await?;
    }
    eprintln!("{:7.1} s  calm", injector.began.elapsed().as_secs_f64());
    balance::draw_up(options, left_out, injector, &series, &watchers, writers, reader, &answers).await
}

/// A clock for one process of each service.
fn clocks(left_out: &mut Vec<String>) -> anyhow::Result<Vec<(Seat, Clock)>> {
    let mut clocks = Vec::new();
    for (service, name) in SERVICES.iter().enumerate() {
        match Clock::new(name)? {
            Some(clock) => clocks.push(((service, WITH_CLOCK), clock)),
            None => {
                left_out.push(format!("{}: libfaketime is not installed (Debian: faketime)", Kind::ClockJumps));
                break;
            }
        }
    }
    Ok(clocks)
}

/// The stage, ready, with proxies in between.
async fn set_up(disk: Option<Disk>, clocks: Vec<(Seat, Clock)>) -> anyhow::Result<Injector> {
    let seats: Vec<Seat> = PROCESSES
        .iter()
        .enumerate()
        .flat_map(|(service, count)| (0..*count).map(move |index| (service, index)))
        .collect();
    let mut via = Vec::new();
    for _ in &seats {
        via.push((free_address()?, free_address()?));
    }
    let broker = Broker::own_with(&via, disk.as_ref().map(Disk::path)).await?;
    let mut kafka = Vec::new();
    for (listens, told) in &via {
        kafka.push(Proxy::start(*told, *listens).await?);
    }
    let env = [
        ("LIVEWALL_HTTP__DRAIN", "2s"),
        ("LIVEWALL_STREAM__HEARTBEAT", HEARTBEAT),
        ("LIVEWALL_ANALYTICS__WINDOWS", WINDOWS),
        ("LIVEWALL_ANALYTICS__GRACE", "5s"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let of = |service: &str| SERVICES.iter().position(|name| *name == service).unwrap_or_default();
    let mut stage = Stage::prepare_each(
        broker,
        Plan { env, ..Plan::default() },
        |service| PROCESSES[of(service)],
        |process, service, index| {
            let seat = (of(service), index);
            let place = seats.iter().position(|other| *other == seat).unwrap_or_default();
            let process = process.env("LIVEWALL_KAFKA__BROKERS", &via[place].1.to_string());
            match clocks.iter().find(|(other, _)| *other == seat) {
                Some((_, clock)) => clock.seen_by(process),
                None => process,
            }
        },
    )?;
    stage.create_topics().await?;
    stage.start_services().await?;
    stage.ready().await?;
    let mut viewers = Vec::new();
    for listener in stage.tweet_listener.addresses() {
        viewers.push(Proxy::start(free_address()?, listener).await?);
    }
    Ok(Injector {
        stage,
        seats,
        kafka,
        viewers,
        clocks,
        disk,
        began: Instant::now(),
        done: Vec::new(),
        spans: Vec::new(),
        restarted: Vec::new(),
        stuck: Account::default(),
        last_starts: HashMap::new(),
    })
}

/// Viewers with and without filters, who begin at either replica and go on at the other, and one at the origin.
async fn watch(injector: &Injector, series: &Series) -> anyhow::Result<Vec<Watcher>> {
    let there: Vec<SocketAddr> = injector.viewers.iter().map(Proxy::address).collect();
    let back: Vec<SocketAddr> = there.iter().rev().copied().collect();
    let of = |from, to| (from..to).map(|index| series.conference(index)).collect();
    let watchers = vec![
        Watcher::start("all, first at 0", there.clone(), Vec::new()),
        Watcher::start("all, first at 1", back.clone(), Vec::new()),
        Watcher::start("one conference, first at 0", there.clone(), of(0, 1)),
        Watcher::start("two conferences, first at 1", back, of(1, 3)),
        Watcher::start("three conferences, first at 0", there, of(3, 6)),
        Watcher::start("all, at the origin", vec![injector.stage.origin()], Vec::new()),
    ];
    until("all viewers to begin", async || {
        watchers.iter().find(|watcher| !watcher.has_begun()).map_or(Ok(()), |watcher| Err(watcher.name.clone()))
    })
    .await?;
    Ok(watchers)
}

/// Every other writer comes by the origin, the others ask the replicas themselves.
fn doors(stage: &Stage, index: usize) -> Doors {
    let token = stage.token().to_owned();
    if index.is_multiple_of(2) {
        return Doors { tweets: vec![stage.origin()], likes: vec![stage.origin()], token };
    }
    Doors { tweets: stage.event_bridge.addresses(), likes: stage.likes.addresses(), token }
}

/// Waits until every conference has results, so that asking for them is never wrong.
async fn everything_counts(stage: &Stage, series: &Series) -> anyhow::Result<()> {
    for (address, index) in
        stage.streams_analytics.addresses().into_iter().flat_map(|at| (0..series.conferences()).map(move |of| (at, of)))
    {
        let target = format!("/analytics/{}/top?window=10s", series.conference(index));
        until(format_args!("{target} of {address}"), async || {
            let response = Request::get(&target).send(address).await?;
            anyhow::ensure!(response.head.status == 200, "{}", response.text());
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// As the services are configured.
fn rules() -> Rules {
    let size = |name, length: i64, advance: i64| Size { name, length: length * 1000, advance: advance * 1000 };
    let grace = i64::try_from(GRACE.as_millis()).unwrap_or(i64::MAX);
    Rules { sizes: vec![size("10s", 10, 10), size("1m", 60, 20)], grace, entries: 30 }
}
