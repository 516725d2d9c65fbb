//! From process start to ready, after a SIGKILL.

use std::time::{Duration, Instant};

use super::{
    log::{Log, Shape},
    passage, preload,
    progress::Progress,
    truth,
};
use crate::{
    bench::{
        Options, only,
        report::{Aim, Report, Row, medians},
    },
    http::Request,
    stage::{Stage, WAIT},
};

/// Likes that come after the last restore: that the state is whole shows in what they come to.
const LATER: usize = 20_000;
/// How often it is asked whether it is ready.
const EVERY: Duration = Duration::from_millis(2);
/// What the facts may add.
const AIM_MS: f64 = 500.0;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let facts = options.analytics.facts;
    let log = Log::new(Shape::facts(facts + LATER), options.analytics.seed);
    let mut full = passage::stage(options).await?;
    preload::tweets(&full, &log)?;
    preload::likes(&full, &log, 0..facts)?;
    full.start_services().await?;
    Progress::of(&full)?.complete(&full).await?;
    let with_facts = lives(&mut full, options.rounds).await?;
    preload::likes(&full, &log, facts..log.opinions().len())?;
    Progress::of(&full)?.complete(&full).await?;
    truth::check(&full, &log)?;
    let path = vec![only(&full.streams_analytics).to_string(), options.broker()];
    drop(full);

    let mut empty = passage::stage(options).await?;
    empty.start_services().await?;
    empty.ready().await?;
    let without = lives(&mut empty, options.rounds).await?;

    let rounds: Vec<Vec<Row>> = without
        .iter()
        .zip(&with_facts)
        .map(|(without, with)| vec![Row::new("no facts", [*without]), Row::new(format!("{facts} facts"), [*with])])
        .collect();
    let mut rows = medians(&rounds);
    let more = rows[1].values[0] - rows[0].values[0];
    rows.push(Row::new("more", [more]));
    Ok(Report {
        bench: "analytics restore",
        measured: format!(
            "SIGKILL, then from process start to ready (all partitions run), same instance id; {} rounds, milliseconds",
            options.rounds
        ),
        path,
        columns: vec!["ms"],
        rows,
        aims: vec![Aim {
            wanted: format!("≤ {AIM_MS} ms more than with no facts"),
            found: format!("{more:.0}"),
            met: more <= AIM_MS,
        }],
        checked: format!(
            "after the last restore {LATER} more likes came, and the last count of every tweet and the totals of every \
             conference were right"
        ),
    })
}

/// Kills it and starts it anew, so often; how long each start took, in milliseconds.
async fn lives(stage: &mut Stage, rounds: u8) -> anyhow::Result<Vec<f64>> {
    let mut took = Vec::new();
    for _ in 0..rounds {
        let process = &mut stage.streams_analytics.processes_mut()[0];
        process.kill();
        let began = Instant::now();
        process.start()?;
        let request = Request::get("/health/ready");
        while !request.send(process.address()).await.is_ok_and(|response| response.head.status == 200) {
            anyhow::ensure!(began.elapsed() < WAIT, "not ready after {WAIT:?}:\n{}", process.log());
            tokio::time::sleep(EVERY).await;
        }
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(took)
}
