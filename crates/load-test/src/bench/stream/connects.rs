//! All viewers come at once.

use std::time::{Duration, Instant};

use super::served::Served;
use crate::bench::{
    Options,
    cores::Effort,
    report::{Report, Row, medians},
};

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.stream.many();
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for served in [Served::bare(options, 0, Duration::ZERO).await?, Served::wall(options, 1, 0, &[]).await?] {
            let mut probe = served.probe()?;
            let (began, effort) = (Instant::now(), Effort::of(served.pid()?)?);
            probe.gather(viewers)?;
            let [rate, own, _] = effort.spent()?.rates(viewers as u64);
            anyhow::ensure!(probe.refused == 0 && probe.ended == 0, "{} refused, {} ended", probe.refused, probe.ended);
            let quantile = |quantile| probe.openings.value_at_quantile(quantile) as f64 / 1000.0;
            let values = [rate, began.elapsed().as_secs_f64(), quantile(0.5), quantile(0.99), own];
            rows.push(Row::new(served.name, values));
        }
        rounds.push(rows);
    }
    Ok(Report {
        bench: "stream connects",
        measured: format!(
            "{viewers} viewers come as fast as the probe can bring them, 256 on their way at any time: connections/s, \
             seconds for all, and milliseconds from connect to the first block; {} rounds",
            options.rounds
        ),
        path: Served::path(options)[2..4].to_vec(),
        columns: vec!["per second", "all, s", "p50", "p99", "of its core %"],
        rows: medians(&rounds),
        aims: Vec::new(),
        checked: "all got their first block, none was refused".into(),
    })
}
