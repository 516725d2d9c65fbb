//! Some viewers stop reading.

use super::{BYTES, served::Served, steady::pace, watcher::Watcher};
use crate::bench::{
    Options,
    cores::{Effort, resident},
    report::{Aim, Report, Row, medians},
};

const VIEWERS: usize = 2_000;
const RATE: u64 = 50;
const SHARES: [usize; 3] = [0, 5, 50];
/// What the others' p99 may be of what it is where all read.
const AIM: f64 = 1.1;
/// Small bounds, so that they are reached within a round.
const ENV: &[(&str, &str)] =
    &[("LIVEWALL_STREAM__RING_BYTES", "65536"), ("LIVEWALL_STREAM__SEND_BUFFER_BYTES", "16384")];

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let posts = RATE * 2 * options.seconds;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for share in SHARES {
            let mut served = Served::wall(options, 1, posts, ENV).await?;
            let mut probe = served.probe()?;
            for at in 0..VIEWERS {
                let mut watcher = Watcher::new(None);
                watcher.narrow = at % 100 < share;
                probe.add(watcher);
            }
            probe.until("every viewer to be connected", |probe| probe.open == VIEWERS)?;
            probe.watchers.iter_mut().for_each(|watcher| watcher.stalled = watcher.narrow);
            let (before, effort) = (resident(served.pid()?)?.0, Effort::of(served.pid()?)?);
            pace(&mut served, &mut probe, RATE, 0..posts)?;
            probe.settle(posts)?;
            let reading = probe.watchers.iter().filter(|watcher| !watcher.stalled).count() as u64;
            let [rate, own, _] = effort.spent()?.rates(posts * reading);
            let quantile = |quantile| probe.latencies.value_at_quantile(quantile) as f64 / 1000.0;
            let grown = resident(served.pid()?)?.1 - before;
            rows.push(Row::new(format!("{share} % stop reading"), [rate, quantile(0.5), quantile(0.99), own, grown]));
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let worst = rows[1..].iter().map(|row| row.values[2] / rows[0].values[2]).fold(0.0, f64::max);
    Ok(Report {
        bench: "stream stalled",
        measured: format!(
            "{RATE} posts/s of {BYTES} bytes to {VIEWERS} viewers, of whom some read nothing: deliveries/s to the others, \
             milliseconds from handing a post over, and MiB that the process grew; at most 64 KiB behind; {} rounds of {} s",
            options.rounds,
            2 * options.seconds
        ),
        path: Served::path(options)[..4].to_vec(),
        columns: vec!["to the others/s", "p50", "p99", "of its core %", "MiB more"],
        rows,
        aims: vec![Aim {
            wanted: format!("the others' p99 ≤ {AIM} × what it is where all read"),
            found: format!("{worst:.2} ×"),
            met: worst <= AIM,
        }],
        checked: format!("everybody who read had all {posts} posts once, in order, byte for byte"),
    })
}
