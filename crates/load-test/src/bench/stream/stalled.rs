//! Some viewers stop reading.

use super::{BYTES, served::Served, steady::pace, watcher::Watcher};
use crate::bench::{
    Options,
    cores::{Effort, resident},
    report::{Aim, Report, Row, medians},
};

const VIEWERS: usize = 1_600;
/// Conferences, of each of which as many viewers watch and as many stop.
const CHANNELS: u64 = 16;
/// Posts per second of each conference.
const RATE: u64 = 50;
/// How many of a hundred stop, and with which environment. What is kept for them is bounded by default at more than a
/// round has, so the last has bounds that are reached.
const CASES: [(usize, &[(&str, &str)]); 4] = [(0, &[]), (5, &[]), (50, &[]), (50, TIGHT)];
const TIGHT: &[(&str, &str)] = &[
    ("LIVEWALL_STREAM__ALL_RINGS_BYTES", "1048576"),
    ("LIVEWALL_STREAM__RING_BYTES", "131072"),
    ("LIVEWALL_STREAM__SEND_BUFFER_BYTES", "16384"),
];
/// `stream.all_rings_bytes`, by default and as above, in MiB.
const BOUNDS: [f64; 4] = [64.0, 64.0, 64.0, 1.0];
/// What the others' p99 may be, and their rate must be, of what it is where all read.
const P99_AIM: f64 = 1.1;
const RATE_AIM: f64 = 0.9;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let each = RATE * 2 * options.seconds;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for (share, env) in CASES {
            rows.push(case(options, share, env, each).await?);
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let all = &rows[0].values;
    let worst = |column: usize, worse: fn(f64, f64) -> f64| {
        rows[1..].iter().map(|row| row.values[column] / all[column]).reduce(worse).unwrap_or(1.0)
    };
    let (p99, rate) = (worst(2, f64::max), worst(0, f64::min));
    let kept = rows.iter().zip(BOUNDS).map(|(row, bound)| row.values[4] / bound).fold(0.0, f64::max);
    let tight = &rows[rows.len() - 1].values;
    Ok(Report {
        bench: "stream stalled",
        measured: format!(
            "{RATE} posts/s of {BYTES} bytes to each of {CHANNELS} conferences, watched by {VIEWERS} viewers, of whom some \
             read nothing: deliveries/s to each of the others, milliseconds from handing a post over, MiB that are kept \
             for those who are behind, MiB that the process grew (with the tweets that it keeps for resuming), and how many \
             of those who read nothing were closed; {} rounds of {} s; tight: at most 1 MiB kept, 128 KiB a conference",
            options.rounds,
            2 * options.seconds
        ),
        path: Served::path(options),
        columns: vec!["to each of the others/s", "p50", "p99", "of its core %", "MiB kept", "MiB more", "closed"],
        aims: vec![
            Aim {
                wanted: format!("the others' p99 ≤ {P99_AIM} × what it is where all read"),
                found: format!("{p99:.2} × at worst"),
                met: p99 <= P99_AIM,
            },
            Aim {
                wanted: format!("the others' rate ≥ {RATE_AIM} × what it is where all read"),
                found: format!("{rate:.2} × at worst"),
                met: rate >= RATE_AIM,
            },
            Aim {
                wanted: "what is kept for those who are behind ≤ stream.all_rings_bytes".into(),
                found: format!("{kept:.2} × at most, tight: {:.2} × and {:.0} closed", tight[4] / BOUNDS[3], tight[6]),
                met: kept <= 1.0,
            },
        ],
        rows,
        checked: format!("everybody who read had all {each} posts of its conference once, in order, byte for byte"),
    })
}

/// Has `share` of a hundred viewers stop reading, and posts `each` posts to each conference.
async fn case(options: &Options, share: usize, env: &[(&str, &str)], each: u64) -> anyhow::Result<Row> {
    let (channels, posts) = (usize::try_from(CHANNELS)?, CHANNELS * each);
    let mut served = Served::wall(options, channels, posts, env).await?;
    let mut probe = served.probe()?;
    for at in 0..VIEWERS {
        let mut watcher = Watcher::new(Some(at % channels));
        // A hundred viewers watch each conference.
        watcher.narrow = at / channels < share;
        probe.add(watcher);
    }
    probe.until("every viewer to be connected", |probe| probe.open == VIEWERS)?;
    probe.watchers.iter_mut().for_each(|watcher| watcher.stalled = watcher.narrow);
    let (before, effort, mut kept) = (resident(served.pid()?)?.0, Effort::of(served.pid()?)?, 0.0_f64);
    for quarter in 0..4 {
        pace(&mut served, &mut probe, CHANNELS * RATE, posts * quarter / 4..posts * (quarter + 1) / 4)?;
        // Rarely, because nothing is read meanwhile.
        kept = kept.max(served.metric("tweet_listener_backlog_bytes").await?.unwrap_or(0.0));
    }
    probe.settle(each)?;
    let reading = probe.watchers.iter().filter(|watcher| !watcher.stalled).count();
    let [rate, own, _] = effort.spent()?.rates(each);
    let quantile = |quantile| probe.latencies.value_at_quantile(quantile) as f64 / 1000.0;
    let mut closed = 0.0;
    for why in ["lapped", "stalled"] {
        closed += served.metric(&format!("tweet_listener_{why}_total ")).await?.unwrap_or(0.0);
    }
    let grown = resident(served.pid()?)?.1 - before;
    let bounds = if env.is_empty() { "" } else { ", tight" };
    Ok(Row::new(
        format!("{share} % stop reading{bounds}, {reading} read"),
        [rate, quantile(0.5), quantile(0.99), own, kept / f64::from(1 << 20), grown, closed],
    ))
}
