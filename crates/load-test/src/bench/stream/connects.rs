//! All viewers come at once.

use std::time::Instant;

use super::{ratio::Ratio, served::Served};
use crate::bench::{
    Options,
    cores::Effort,
    report::{Aim, Report, Row, medians},
};

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.stream.many();
    let (mut rounds, servers) = (Vec::new(), options.stream.servers());
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for kind in &servers {
            let served = Served::start(options, *kind, 0, None).await?;
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
    let rows = medians(&rounds);
    let ratios = (Ratio::of(&rows, 0), Ratio::of(&rows, 3), &rows[rows.len() - 1].values);
    Ok(Report {
        bench: "stream connects",
        measured: format!(
            "{viewers} viewers come as fast as the probe can bring them, 256 on their way at any time: connections/s, \
             seconds for all, and milliseconds from connect to the first block; {} rounds",
            options.rounds
        ),
        path: Served::paths(options, &servers),
        columns: vec!["per second", "all, s", "p50", "p99", "of its core %"],
        aims: vec![Aim {
            wanted: "all get their first block, none is refused".into(),
            found: format!(
                "p99 from connect to first byte {:.1} ms, {} the bare loop's, at {} its connections/s",
                ratios.2[3], ratios.1, ratios.0
            ),
            // Otherwise there is no report.
            met: true,
        }],
        rows,
        checked: "all got their first block, none was refused".into(),
    })
}
