//! One post at a time.

use std::time::Duration;

use super::{
    BYTES,
    probe::Probe,
    ratio::Ratio,
    served::{Kind, Served},
};
use crate::bench::{
    Options,
    cores::Effort,
    report::{Report, Row, medians},
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
const POSTS_PER_SECOND: u64 = 1_000;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    // Each server takes its part of the time, one half for the lockstep, one for the sweep.
    let span = Duration::from_secs(options.seconds) / 4;
    let wanted: Vec<usize> = options.viewers.map_or_else(|| VIEWERS.to_vec(), |viewers| vec![viewers.max(2)]);
    let wanted: Vec<usize> = wanted.into_iter().map(|viewers| viewers.min(options.stream.many())).collect();
    let servers = options.stream.servers();
    let (mut rounds, mut checked) = (Vec::new(), 0);
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for viewers in &wanted {
            for kind in &servers {
                let most = most(span);
                let mut served = Served::start(options, *kind, most, None).await?;
                let (values, sent) = round(&mut served, *viewers, span, most).await?;
                checked += sent;
                rows.push(Row::new(format!("{viewers} viewers, {}", served.name), values));
            }
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let mut aims = Vec::new();
    for (viewers, rows) in wanted.iter().zip(rows.chunks(servers.len())) {
        aims.push(Ratio::of(rows, 0).at_least(format_args!("sweep to {viewers} viewers"), SWEEP_AIM));
        if let Some(factor) = lockstep_aim(*viewers) {
            aims.push(Ratio::of(rows, 1).at_least(format_args!("lockstep to {viewers} viewers"), factor));
        }
    }
    Ok(Report {
        bench: "stream sweep",
        measured: format!(
            "deliveries/s of posts of {BYTES} bytes, each sent when the last viewer has the one before: from its arrival \
             at the server, as the server says, to the last viewer (sweep, the median post), and the whole way (lockstep, \
             to which the processor times belong); {} rounds of 2 × {span:?}",
            options.rounds
        ),
        path: Served::paths(options, &servers),
        columns: vec!["sweep", "lockstep", "ms a sweep", "ms a post", "of its core %", "of the probe's core %"],
        rows,
        aims,
        checked: format!("every viewer had each of its round's posts once, in order, byte for byte; {checked} posts"),
    })
}

/// Seconds from a post's arrival at the bare loop to the last of `viewers`: median, p99 and p99.9.
pub(in crate::bench) async fn bare(options: &Options, viewers: usize, span: Duration) -> anyhow::Result<[f64; 3]> {
    let most = most(span);
    let mut served = Served::start(options, Kind::Bare, most, None).await?;
    let mut probe = served.probe()?;
    probe.gather(viewers)?;
    served.begin()?;
    let sweeps = sweeps(&mut served, &mut probe, span, 0..most).await?;
    probe.settle(sweeps.len() as u64)?;
    let mut sweeps = sweeps.into_iter().skip(usize::try_from(WARM)?).collect::<Vec<_>>();
    sweeps.sort_by(f64::total_cmp);
    let last = (sweeps.len() - 1) as f64;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    Ok([0.5, 0.99, 0.999].map(|quantile| sweeps[(last * quantile).round() as usize]))
}

/// Posts that are enough for both halves.
fn most(span: Duration) -> u64 {
    2 * (WARM + POSTS_PER_SECOND * span.as_secs().max(1))
}

async fn round(served: &mut Served, viewers: usize, span: Duration, most: u64) -> anyhow::Result<(Vec<f64>, u64)> {
    let mut probe = served.probe()?;
    probe.gather(viewers)?;
    served.begin()?;
    let pid = served.pid()?;
    let (mut effort, mut posts) = (Effort::of(pid)?, 0);
    while posts < most / 2 && (posts <= WARM || effort.elapsed() < span) {
        if posts == WARM {
            effort = Effort::of(pid)?;
        }
        deliver(served, &mut probe, posts)?;
        posts += 1;
    }
    let [rate, own, of_probe] = effort.spent()?.rates(posts - WARM);
    // Apart from the lockstep, because asking when a post arrived takes time between posts.
    let mut sweeps = sweeps(served, &mut probe, span, posts..most).await?;
    posts += sweeps.len() as u64;
    probe.settle(posts)?;
    anyhow::ensure!(probe.ended == 0, "{} streams ended", probe.ended);
    sweeps.sort_by(f64::total_cmp);
    let sweep = sweeps[sweeps.len() / 2];
    let viewers = viewers as f64;
    Ok((vec![viewers / sweep, viewers * rate, 1e3 * sweep, 1e3 / rate, own, of_probe], posts))
}

/// Sends `posts` for the time of `span`, and some in any case: seconds from the arrival of each to the last viewer.
async fn sweeps(
    served: &mut Served,
    probe: &mut Probe,
    span: Duration,
    posts: std::ops::Range<u64>,
) -> anyhow::Result<Vec<f64>> {
    let (began, mut sweeps) = (std::time::Instant::now(), Vec::new());
    for post in posts {
        if sweeps.len() as u64 > WARM && began.elapsed() > span {
            break;
        }
        deliver(served, probe, post)?;
        let last = probe.arrivals(0, post).map_or(began, |arrivals| arrivals.last);
        sweeps.push(last.saturating_duration_since(served.arrival().await?).as_secs_f64());
    }
    Ok(sweeps)
}

/// Sends a post and waits until every viewer has it.
fn deliver(served: &mut Served, probe: &mut Probe, post: u64) -> anyhow::Result<()> {
    served.post(post..post + 1)?;
    let viewers = probe.watchers.len();
    let whole = |probe: &Probe| probe.arrivals(0, post).is_some_and(|arrivals| arrivals.count == viewers);
    probe.until("every viewer to have the post", whole)
}
