//! One post at a time.

use std::time::Duration;

use super::{BYTES, served::Served};
use crate::bench::{
    Options,
    cores::Effort,
    report::{Aim, Report, Row, medians},
};

const VIEWERS: [usize; 3] = [1_000, 5_000, 15_000];
/// What a sweep, and the whole way in lockstep, are to be of the bare loop's.
const SWEEP_AIM: f64 = 0.9;
fn lockstep_aim(viewers: usize) -> Option<f64> {
    // With few viewers the way through Kafka takes more time than the sweep.
    if viewers < 5_000 { None } else { Some(if viewers < 15_000 { 0.85 } else { 0.9 }) }
}

/// Posts before it counts.
const WARM: u64 = 5;
/// More than any server delivers of them.
const POSTS_PER_SECOND: u64 = 500;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    // Each of the six takes its part of the time.
    let span = Duration::from_secs(options.seconds) / 2;
    let posts = WARM + POSTS_PER_SECOND * span.as_secs().max(1);
    let wanted: Vec<usize> = options.viewers.map_or_else(|| VIEWERS.to_vec(), |viewers| vec![viewers.max(2)]);
    let (mut rounds, mut checked) = (Vec::new(), 0);
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for viewers in &wanted {
            let viewers = viewers.min(&options.stream.many()).to_owned();
            for mut served in
                [Served::bare(options, posts, Duration::ZERO).await?, Served::wall(options, 1, posts, &[]).await?]
            {
                let (values, sent) = round(&mut served, viewers, span, posts)?;
                checked += sent;
                rows.push(Row::new(format!("{viewers} viewers, {}", served.name), values));
            }
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let mut aims = Vec::new();
    for (at, viewers) in wanted.iter().enumerate() {
        let (bare, wall) = (&rows[2 * at].values, &rows[2 * at + 1].values);
        let mut aim = |what: &str, column: usize, factor: f64| {
            let share = wall[column] / bare[column];
            aims.push(Aim {
                wanted: format!("{what} to {viewers} viewers ≥ {factor} × the bare loop"),
                found: format!("{share:.2} ×"),
                met: share >= factor,
            });
        };
        aim("sweep", 0, SWEEP_AIM);
        if let Some(factor) = lockstep_aim(*viewers) {
            aim("lockstep", 1, factor);
        }
    }
    Ok(Report {
        bench: "stream sweep",
        measured: format!(
            "deliveries/s of posts of {BYTES} bytes, each sent when the last viewer has the one before: from the first \
             viewer to the last (sweep, the median post), and the whole way (lockstep); {} rounds of {span:?}",
            options.rounds
        ),
        path: Served::path(options),
        columns: vec!["sweep", "lockstep", "ms a sweep", "ms a post", "of its core %", "of the probe's core %"],
        rows,
        aims,
        checked: format!("every viewer had each of its round's posts once, in order, byte for byte; {checked} posts"),
    })
}

fn round(served: &mut Served, viewers: usize, span: Duration, most: u64) -> anyhow::Result<(Vec<f64>, u64)> {
    let mut probe = served.probe()?;
    probe.gather(viewers)?;
    served.begin()?;
    let pid = served.pid()?;
    let (mut effort, mut posts, mut sweeps) = (Effort::of(pid)?, 0, Vec::new());
    while posts < most && (posts <= WARM || effort.elapsed() < span) {
        if posts == WARM {
            effort = Effort::of(pid)?;
        }
        served.post(posts..posts + 1)?;
        let whole =
            |post| move |probe: &super::probe::Probe| probe.arrivals(0, post).is_some_and(|a| a.count == viewers);
        probe.until("every viewer to have the post", whole(posts))?;
        if let Some(arrivals) = probe.arrivals(0, posts).filter(|_| posts >= WARM) {
            sweeps.push((arrivals.last - arrivals.first).as_secs_f64());
        }
        posts += 1;
    }
    let [rate, own, of_probe] = effort.spent()?.rates(posts - WARM);
    let lockstep = 1.0 / rate;
    probe.settle(posts)?;
    anyhow::ensure!(probe.ended == 0, "{} streams ended", probe.ended);
    sweeps.sort_by(f64::total_cmp);
    let sweep = sweeps[sweeps.len() / 2];
    let viewers = viewers as f64;
    Ok((vec![(viewers - 1.0) / sweep, viewers / lockstep, 1e3 * sweep, 1e3 * lockstep, own, of_probe], posts))
}
