//! A calm wall with many viewers.

use std::time::{Duration, Instant};

use super::{BYTES, ratio::Ratio, served::Served};
use crate::{
    bench::{
        Options,
        cores::Effort,
        report::{Report, Row, medians},
    },
    stage::WAIT,
};

const VIEWERS: usize = 15_000;
const RATE: u64 = 5;
/// What processor time and p99 may be of the bare loop's.
const AIM: f64 = 1.2;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let (viewers, posts) = (VIEWERS.min(options.stream.many()), RATE * options.seconds);
    let (mut rounds, servers) = (Vec::new(), options.stream.servers());
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for kind in &servers {
            let mut served = Served::start(options, *kind, posts, None).await?;
            let [own, p50, p99, of_probe, _] = paced(&mut served, viewers, RATE, posts)?;
            rows.push(Row::new(served.name, [own, p50, p99, of_probe]));
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let aims = [("CPU", 0), ("p99", 2)].map(|(what, column)| Ratio::of(&rows, column).at_most(what, AIM));
    Ok(Report {
        bench: "stream steady",
        measured: format!(
            "{RATE} posts/s of {BYTES} bytes to {viewers} viewers; from handing a post over to each viewer, in \
             milliseconds; {} rounds of {} s",
            options.rounds, options.seconds
        ),
        path: Served::paths(options, &servers),
        columns: vec!["of its core %", "p50", "p99", "of the probe's core %"],
        rows,
        aims: aims.into(),
        checked: format!("every viewer had all {posts} posts once, in order, byte for byte"),
    })
}

/// Hands `posts` over at `rate` per second: processor time of the server in percent, p50 and p99 in milliseconds, processor
/// time of the probe, and milliseconds from handing the last post over until all viewers have everything.
pub(super) fn paced(served: &mut Served, viewers: usize, rate: u64, posts: u64) -> anyhow::Result<[f64; 5]> {
    let mut probe = served.probe()?;
    probe.gather(viewers)?;
    served.begin()?;
    let effort = Effort::of(served.pid()?)?;
    pace(served, &mut probe, rate, 0..posts)?;
    let handed_over = Instant::now();
    probe.settle(posts)?;
    let caught_up = handed_over.elapsed();
    anyhow::ensure!(probe.ended == 0, "{} streams ended", probe.ended);
    let [_, own, of_probe] = effort.spent()?.rates(posts);
    let quantile = |quantile| probe.latencies.value_at_quantile(quantile) as f64 / 1000.0;
    Ok([own, quantile(0.5), quantile(0.99), of_probe, 1e3 * caught_up.as_secs_f64()])
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
        anyhow::ensure!(due.elapsed() < WAIT, "posts are taken {:?} late", due.elapsed());
        // A post that the probe was too busy to send in time counts from when it was due.
        probe.sent.push(due);
        served.post(post..post + 1)?;
    }
    Ok(())
}
