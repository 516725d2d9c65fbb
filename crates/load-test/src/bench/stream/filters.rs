//! Many conferences, each watched by its own viewers.

use super::{BYTES, served::Served, watcher::Watcher};
use crate::bench::{
    Options,
    cores::Effort,
    report::{Aim, Report, Row, medians},
};

/// Distinct conferences watched.
const WATCHED: [usize; 3] = [1, 100, 10_000];
const VIEWERS: usize = 10_000;
/// Deliveries of a round.
const DELIVERIES: usize = 200_000;
/// What a delivery may cost, of what it costs where all watch the same.
const AIM: f64 = 3.0;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = VIEWERS.min(options.stream.many());
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for watched in WATCHED.map(|watched| watched.min(viewers)) {
            // So many of each conference that deliveries are as many in all.
            let each = (DELIVERIES / viewers) as u64;
            let posts = each * watched as u64;
            let mut served = Served::wall(options, watched, posts, &[]).await?;
            let mut probe = served.probe()?;
            (0..viewers).for_each(|at| probe.add(Watcher::new(Some(at % watched))));
            probe.until("every viewer to be connected", |probe| probe.open == viewers)?;
            let effort = Effort::of(served.pid()?)?;
            for post in 0..posts {
                served.post(post..post + 1)?;
                // One post at a time for each viewer, so that none are joined.
                let round = post / watched as u64;
                let wait = (post + 1) % watched as u64 == 0;
                if wait {
                    probe.until("every viewer to have its post", |probe| {
                        probe.deliveries == (round + 1) * viewers as u64
                    })?;
                }
            }
            probe.settle(each)?;
            let spent = effort.spent()?;
            let deliveries = (each * viewers as u64) as f64;
            rows.push(Row::new(
                format!("{watched} conferences watched, {} viewers each", viewers / watched),
                [1e6 * spent.own / posts as f64, 1e6 * spent.own / deliveries, deliveries / spent.seconds],
            ));
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let share = rows[2].values[1] / rows[0].values[1];
    Ok(Report {
        bench: "stream filters",
        measured: format!(
            "posts of {BYTES} bytes to {viewers} viewers, who watch ever more conferences: microseconds of CPU; {} rounds",
            options.rounds
        ),
        path: Served::path(options),
        columns: vec!["per post", "per delivery", "deliveries/s"],
        aims: vec![Aim {
            wanted: format!(
                "cost follows matching viewers: a delivery costs ≤ {AIM} × as much where a post has one viewer of {viewers} \
                 (reading the post from Kafka included) as where it has all"
            ),
            found: format!("{share:.2} × (a post {:.1} and {:.0} µs)", rows[2].values[0], rows[0].values[0]),
            met: share <= AIM,
        }],
        rows,
        checked: "every viewer had all posts of its conference once, in order, byte for byte, and no other".into(),
    })
}
