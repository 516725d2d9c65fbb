//! What a viewer takes of tweet-listener's own memory.

use std::time::{Duration, Instant};

use super::{BYTES, served::Served, steady::pace};
use crate::bench::{
    Options, cores,
    report::{Aim, Report, Row, medians},
};

const RATE: u64 = 5;
const AIM_KIB: f64 = 2.0;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let (viewers, posts) = (options.stream.many(), RATE * options.seconds);
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut served = Served::wall(options, 1, posts, &[]).await?;
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
        rounds.push(vec![
            Row::new("resident, MiB", [none, idle, loaded, most]),
            Row::new("KiB per viewer beyond none", [0.0, per_viewer(idle), per_viewer(loaded), per_viewer(most)]),
        ]);
    }
    let rows = medians(&rounds);
    let found = (rows[1].values[1], rows[1].values[2]);
    Ok(Report {
        bench: "stream memory",
        measured: format!(
            "resident memory of tweet-listener without viewers, with {viewers} idle ones, after {RATE} posts/s of {BYTES} \
             bytes for {} s, and at most; {} rounds",
            options.seconds, options.rounds
        ),
        path: Served::path(options)[..4].to_vec(),
        columns: vec!["none", "idle", "under load", "at most"],
        rows,
        aims: vec![Aim {
            wanted: format!("≤ {AIM_KIB} KiB per viewer, idle and under load"),
            found: format!("{:.2} and {:.2}", found.0, found.1),
            met: found.0 <= AIM_KIB && found.1 <= AIM_KIB,
        }],
        checked: format!("every viewer had all {posts} posts once, in order, byte for byte"),
    })
}
