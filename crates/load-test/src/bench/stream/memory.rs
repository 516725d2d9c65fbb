//! What a viewer takes of tweet-listener's own memory.

use std::time::{Duration, Instant};

use super::{
    BYTES,
    served::{Kind, Served},
    steady::pace,
};
use crate::bench::{
    Options, cores,
    report::{Aim, Report, Row, medians},
};

const RATE: u64 = 5;
const AIM_KIB: f64 = 2.0;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let (viewers, posts) = (options.stream.many(), RATE * options.seconds);
    let mut rounds = Vec::new();
    // A bare loop has no memory to speak of.
    let mut servers = options.stream.servers();
    servers.retain(|kind| *kind != Kind::Bare);
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for kind in &servers {
            let mut served = Served::start(options, *kind, posts, None).await?;
            let pid = served.pid()?;
            let none = cores::resident(pid)?.0;
            let mut probe = served.probe()?;
            probe.gather(viewers)?;
            probe.until_moment(Instant::now() + Duration::from_secs(2))?;
            let idle = cores::resident(pid)?.0;
            pace(&mut served, &mut probe, RATE, 0..posts)?;
            probe.settle(posts)?;
            let (loaded, most) = cores::resident(pid)?;
            let per_viewer = |mib: f64| (mib - none) * 1024.0 / viewers as f64;
            rows.extend([
                Row::new(format!("{}, resident, MiB", served.name), [none, idle, loaded, most]),
                Row::new("  KiB per viewer beyond none", [0.0, per_viewer(idle), per_viewer(loaded), per_viewer(most)]),
            ]);
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let wall = &rows[rows.len() - 1].values;
    let found = (wall[1], wall[2]);
    let peer = if rows.len() > 2 {
        let nchan = &rows[1].values;
        format!(
            " (nchan {:.2} and {:.2}: {:.2} and {:.2} × of it)",
            nchan[1],
            nchan[2],
            wall[1] / nchan[1],
            wall[2] / nchan[2]
        )
    } else {
        String::new()
    };
    Ok(Report {
        bench: "stream memory",
        measured: format!(
            "resident memory without viewers, with {viewers} idle ones, after {RATE} posts/s of {BYTES} \
             bytes for {} s, and at most; {} rounds",
            options.seconds, options.rounds
        ),
        path: Served::paths(options, &servers),
        columns: vec!["none", "idle", "under load", "at most"],
        rows,
        aims: vec![Aim {
            wanted: format!("≤ {AIM_KIB} KiB per viewer, idle and under load"),
            found: format!(
                "{:.2} and {:.2} KiB, {:.2} and {:.2} × the aim{peer}",
                found.0,
                found.1,
                found.0 / AIM_KIB,
                found.1 / AIM_KIB
            ),
            met: found.0 <= AIM_KIB && found.1 <= AIM_KIB,
        }],
        checked: format!("every viewer had all {posts} posts once, in order, byte for byte"),
    })
}
