//! Memory per fact.

use anyhow::Context as _;

use super::{
    log::{Log, Shape},
    passage, preload,
    progress::Progress,
    truth,
};
use crate::{
    bench::{
        Options, cores, only,
        report::{Aim, Report, Row},
    },
    stage::Stage,
};

/// Bytes per fact beyond the base.
const AIM: f64 = 48.0;
/// MiB without facts.
const AIM_BASE: f64 = 30.0;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let facts = options.analytics.facts;
    let log = Log::new(Shape::facts(facts), options.analytics.seed);
    let mut stage = passage::stage(options).await?;
    preload::tweets(&stage, &log)?;
    stage.start_services().await?;
    stage.ready().await?;
    Progress::of(&stage)?.complete(&stage).await?;
    let (base, base_peak) = resident(&stage)?;
    preload::likes(&stage, &log, 0..facts)?;
    Progress::of(&stage)?.complete(&stage).await?;
    let (full, full_peak) = resident(&stage)?;
    truth::check(&stage, &log)?;
    // What it took to read the likes is gone, what they come to is there.
    stage.streams_analytics.processes_mut()[0].kill();
    stage.start_services().await?;
    stage.ready().await?;
    let (restored, restored_peak) = resident(&stage)?;

    let per_fact = |mib: f64| (mib - base) * 1024.0 * 1024.0 / facts as f64;
    let (taken, read_back) = (per_fact(full), per_fact(restored));
    Ok(Report {
        bench: "analytics memory",
        measured: format!("resident memory in MiB with {} tweets", log.shape.tweets),
        path: vec![options.probe("a bare producer"), options.broker(), only(&stage.streams_analytics).to_string()],
        columns: vec!["MiB", "at most", "bytes per fact"],
        rows: vec![
            Row::new("0 facts", [base, base_peak, 0.0]),
            Row::new(format!("{facts} facts, taken as fast as they came"), [full, full_peak, taken]),
            Row::new(format!("{facts} facts, restored"), [restored, restored_peak, read_back]),
        ],
        aims: vec![
            Aim {
                wanted: format!("taken: ≤ {AIM} bytes per fact beyond the base"),
                found: format!("{taken:.1}"),
                met: taken <= AIM,
            },
            Aim {
                wanted: format!("restored: ≤ {AIM} bytes per fact beyond the base"),
                found: format!("{read_back:.1}"),
                met: read_back <= AIM,
            },
            Aim {
                wanted: format!("base ≤ {AIM_BASE} MB"),
                found: format!("{:.1}", mb(base)),
                met: mb(base) <= AIM_BASE,
            },
        ],
        checked: "the last count of every tweet and the totals of every conference were right".into(),
    })
}

fn mb(mib: f64) -> f64 {
    mib * 1.048_576
}

fn resident(stage: &Stage) -> anyhow::Result<(f64, f64)> {
    cores::resident(only(&stage.streams_analytics).pid().context("it runs")?)
}
