//! Many posts to many viewers.

use super::{
    BYTES,
    ratio::Ratio,
    served::{Kind, Served},
    steady::paced,
};
use crate::bench::{
    Options,
    report::{Aim, Report, Row, medians},
};

const VIEWERS: usize = 5_000;
const RATE: u64 = 1_000;
/// What p99 may be of the bare loop's.
const AIM: f64 = 1.5;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.viewers.unwrap_or(VIEWERS);
    // Three times as long as a round of others.
    let seconds = 3 * options.seconds;
    let posts = RATE * seconds;
    let (mut rounds, servers) = (Vec::new(), options.stream.servers());
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for kind in &servers {
            let mut served = Served::start(options, *kind, posts, None).await?;
            let values = match paced(&mut served, viewers, RATE, posts) {
                Ok([own, p50, p99, of_probe, caught_up]) => [own, p50, p99, caught_up, of_probe],
                // That a peer is flooded is a finding about it.
                Err(error) if *kind == Kind::Nchan => {
                    eprintln!("nchan did not keep up: {error:#}");
                    [f64::INFINITY; 5]
                }
                Err(error) => return Err(error),
            };
            rows.push(Row::new(served.name, values));
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let (bare, wall) = (&rows[0].values, &rows[rows.len() - 1].values);
    // Whoever is not behind has the last post as soon as any other.
    let (caught_up, allowed) = (wall[3], AIM * bare[2]);
    Ok(Report {
        bench: "stream burst",
        measured: format!(
            "{RATE} posts/s of {BYTES} bytes to {viewers} viewers; from handing a post over to each viewer, and from the \
             last one until all have everything, in milliseconds; the bare loop sends what has come meanwhile at once; {} \
             rounds of {seconds} s",
            options.rounds
        ),
        path: Served::paths(options, &servers),
        columns: vec!["of its core %", "p50", "p99", "caught up", "of the probe's core %"],
        aims: vec![
            Ratio::of(&rows, 2).at_most("p99 while it lasts", AIM),
            Aim {
                wanted: format!("caught up at once after, within {AIM} × the bare loop's p99"),
                found: format!(
                    "{caught_up:.0} ms of {allowed:.0} ms ({:.2} × the bare loop's p99)",
                    caught_up / bare[2]
                ),
                met: caught_up <= allowed,
            },
        ],
        rows,
        checked: format!("every viewer had all {posts} posts once, in order, byte for byte"),
    })
}
