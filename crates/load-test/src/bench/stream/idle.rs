//! Viewers that get heartbeats only.

use std::time::{Duration, Instant};

use super::{ratio::Ratio, served::Served};
use crate::bench::{
    Options,
    cores::Effort,
    report::{Report, Row, medians},
};

const HEARTBEAT: Duration = Duration::from_secs(15);
/// What processor time may be of the bare loop's.
const AIM: f64 = 1.3;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.stream.many();
    let span = Duration::from_secs(options.seconds) * 3;
    let (mut rounds, servers) = (Vec::new(), options.stream.servers());
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for kind in &servers {
            let mut served = Served::start(options, *kind, 0, Some(HEARTBEAT)).await?;
            // What the process does without viewers, such as asking Kafka for news, is shown for itself.
            let effort = Effort::of(served.pid()?)?;
            tokio::time::sleep(span / 2).await;
            let [_, alone, _] = effort.spent()?.rates(1);
            let mut probe = served.probe()?;
            probe.gather(viewers)?;
            served.begin()?;
            // The first heartbeats come when those who came first have been silent for their time.
            probe.until_moment(Instant::now() + HEARTBEAT.mul_f64(0.8))?;
            let (before, effort) = (probe.blocks, Effort::of(served.pid()?)?);
            probe.until_moment(Instant::now() + span)?;
            let spent = effort.spent()?;
            let beats = probe.blocks - before;
            anyhow::ensure!(probe.ended == 0 && probe.open == viewers, "{} streams ended", probe.ended);
            let [rate, own, _] = spent.rates(beats);
            let per_beat = |share: f64| 1e6 * share / 100.0 * spent.seconds / beats.max(1) as f64;
            rows.push(Row::new(served.name, [own, alone, rate, per_beat(own), per_beat(own - alone)]));
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    Ok(Report {
        bench: "stream idle",
        measured: format!(
            "{viewers} viewers that get a heartbeat every {} s only; {} rounds of {span:?}",
            HEARTBEAT.as_secs(),
            options.rounds
        ),
        path: Served::paths(options, &servers),
        columns: vec![
            "of its core %",
            "without viewers %",
            "heartbeats/s",
            "CPU µs per heartbeat",
            "without the process's own",
        ],
        // Per heartbeat: jittered ones are not exactly as many.
        aims: vec![
            Ratio::of(&rows, 3).at_most("CPU of the whole process per heartbeat", AIM),
            Ratio::of(&rows, 4).at_most("CPU per heartbeat beyond what each does without viewers", AIM),
        ],
        rows,
        checked: "no stream ended".into(),
    })
}
