//! Viewers that get heartbeats only.

use std::time::{Duration, Instant};

use super::served::Served;
use crate::bench::{
    Options,
    cores::Effort,
    report::{Aim, Report, Row, medians},
};

const HEARTBEAT: Duration = Duration::from_secs(15);
/// What processor time may be of the bare loop's.
const AIM: f64 = 1.3;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.stream.many();
    let span = Duration::from_secs(options.seconds) * 3;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for mut served in [Served::bare(options, 0, HEARTBEAT).await?, Served::wall(options, 1, 0, &[]).await?] {
            // What the process does without viewers, such as asking Kafka for news, is not theirs.
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
            let of_viewers = (own - alone) / 100.0 * spent.seconds;
            rows.push(Row::new(served.name, [own, alone, rate, 1e6 * of_viewers / beats.max(1) as f64]));
        }
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    // Jittered heartbeats are not exactly as many.
    let share = rows[1].values[3] / rows[0].values[3];
    Ok(Report {
        bench: "stream idle",
        measured: format!(
            "{viewers} viewers that get a heartbeat every {} s only; {} rounds of {span:?}",
            HEARTBEAT.as_secs(),
            options.rounds
        ),
        path: Served::path(options),
        columns: vec!["of its core %", "without viewers %", "heartbeats/s", "CPU µs per heartbeat"],
        rows,
        aims: vec![Aim {
            wanted: format!("CPU per heartbeat ≤ {AIM} × that of bare sends"),
            found: format!("{share:.2} ×"),
            met: share <= AIM,
        }],
        checked: "no stream ended".into(),
    })
}
