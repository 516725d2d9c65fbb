//! A calm wall with many viewers.

use std::time::{Duration, Instant};

use super::{BYTES, served::Served};
use crate::bench::{
    Options,
    cores::Effort,
    report::{Aim, Report, Row, medians},
};

const VIEWERS: usize = 15_000;
const RATE: u64 = 5;
/// What processor time and p99 may be of the bare loop's.
const AIM: f64 = 1.2;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let (viewers, posts) = (VIEWERS.min(options.stream.many()), RATE * options.seconds);
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for mut served in
            [Served::bare(options, posts, Duration::ZERO).await?, Served::wall(options, 1, posts, &[]).await?]
        {
            let values = paced(&mut served, viewers, RATE, posts)?;
            rows.push(Row::new(served.name, values));
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let aims = [("CPU", 0), ("p99", 2)].map(|(what, column)| {
        let share = rows[1].values[column] / rows[0].values[column];
        Aim {
            wanted: format!("{what} ≤ {AIM} × the bare loop's"), found: format!("{share:.2} ×"), met: share <= AIM
        }
    });
    Ok(Report {
        bench: "stream steady",
        measured: format!(
            "{RATE} posts/s of {BYTES} bytes to {viewers} viewers; from handing a post over to each viewer, in \
             milliseconds; {} rounds of {} s",
            options.rounds, options.seconds
        ),
        path: Served::path(options),
        columns: vec!["of its core %", "p50", "p99", "of the probe's core %"],
        rows,
        aims: aims.into(),
        checked: format!("every viewer had all {posts} posts once, in order, byte for byte"),
    })
}

/// Hands `posts` over at `rate` per second: processor time of the server in percent, p50 and p99 in milliseconds, and
/// processor time of the probe.
pub(super) fn paced(served: &mut Served, viewers: usize, rate: u64, posts: u64) -> anyhow::Result<Vec<f64>> {
    let mut probe = served.probe()?;
    probe.gather(viewers)?;
    served.begin()?;
    let effort = Effort::of(served.pid()?)?;
    pace(served, &mut probe, rate, 0..posts)?;
    probe.settle(posts)?;
    anyhow::ensure!(probe.ended == 0, "{} streams ended", probe.ended);
    let [_, own, of_probe] = effort.spent()?.rates(posts);
    let quantile = |quantile| probe.latencies.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(vec![own, quantile(0.5), quantile(0.99), of_probe])
}

/// Hands posts over at `rate` per second, and reads meanwhile.
pub(super) fn pace(
    served: &mut Served,
    probe: &mut super::probe::Probe,
    rate: u64,
    posts: std::ops::Range<u64>,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    for (at, post) in (1..).zip(posts) {
        let due = begin + Duration::from_nanos(at * 1_000_000_000 / rate);
        probe.until_moment(due)?;
        // A post that the probe was too busy to send in time counts from when it was due.
        probe.sent.push(due);
        served.post(post..post + 1)?;
    }
    Ok(())
}
