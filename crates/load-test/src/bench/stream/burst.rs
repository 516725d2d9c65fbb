//! Many posts to many viewers.

use std::time::Duration;

use super::{BYTES, served::Served, steady::paced};
use crate::bench::{
    Options,
    report::{Aim, Report, Row, medians},
};

const VIEWERS: usize = 5_000;
const RATE: u64 = 1_000;
/// What p99 may be of the bare loop's.
const AIM: f64 = 1.5;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    // Three times as long as a round of others.
    let seconds = 3 * options.seconds;
    let posts = RATE * seconds;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for mut served in
            [Served::bare(options, posts, Duration::ZERO).await?, Served::wall(options, 1, posts, &[]).await?]
        {
            let values = paced(&mut served, VIEWERS, RATE, posts)?;
            rows.push(Row::new(served.name, values));
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let share = rows[1].values[2] / rows[0].values[2];
    Ok(Report {
        bench: "stream burst",
        measured: format!(
            "{RATE} posts/s of {BYTES} bytes to {VIEWERS} viewers; from handing a post over to each viewer, in \
             milliseconds; {} rounds of {seconds} s",
            options.rounds
        ),
        path: Served::path(options),
        columns: vec!["of its core %", "p50", "p99", "of the probe's core %"],
        rows,
        aims: vec![Aim {
            wanted: format!("p99 ≤ {AIM} × that of a bare loop that sends what has come meanwhile at once"),
            found: format!("{share:.2} ×"),
            met: share <= AIM,
        }],
        checked: format!("every viewer had all {posts} posts once, in order, byte for byte"),
    })
}
