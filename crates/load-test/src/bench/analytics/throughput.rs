//! Likes per second, beside a bare poll loop.

use anyhow::Context as _;

use super::{
    bare_poll::{self, Polled},
    log::{Log, Shape},
    passage,
};
use crate::{
    bench::{
        Options, cores, only,
        report::{Aim, Report, Row, medians},
    },
    stage::Stage,
};

/// The share of the rate of a loop that only parses.
const AIM: f64 = 0.5;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let (mut rounds, mut path) = (Vec::new(), Vec::new());
    let log = Log::new(Shape::mixed(options.analytics.likes), options.analytics.seed);
    // The first one warms up broker and page cache.
    for round in 0..=options.rounds {
        let mut stage = passage::loaded(options, &log).await?;
        let only_polled = bare(options, &stage, &log, false).await.context("a bare poll loop")?;
        let parsing = bare(options, &stage, &log, true).await.context("a bare poll loop that parses")?;
        let passage = passage::through(&mut stage, &log).await?;
        let likes = log.opinions().len() as f64;
        if round > 0 {
            rounds.push(vec![
                row("a bare poll loop", &only_polled),
                row("a bare poll loop that parses", &parsing),
                Row::new(
                    "streams-analytics, first to last commit",
                    [passage.rate, passage.spent.own, likes / passage.spent.own],
                ),
                Row::new(
                    "streams-analytics, process start to last commit",
                    [likes / passage.spent.seconds, passage.spent.own, likes / passage.spent.own],
                ),
            ]);
        }
        path = vec![
            format!("{} (all likes are there before)", options.broker()),
            format!(
                "{}; beside it load-test, bare poll loops ({})",
                only(&stage.streams_analytics),
                cores::named(options.service_core.0)
            ),
            options.broker(),
            options.probe("looks at committed offsets"),
        ];
    }
    let rows = medians(&rounds);
    let share = rows[2].values[0] / rows[1].values[0];
    let Shape { likes, tweets, visitors, repeats, unlikes, .. } = log.shape;
    Ok(Report {
        bench: "analytics throughput",
        measured: format!(
            "{likes} likes over {tweets} tweets (Zipf 1.1), {visitors} visitors, {} conferences, {repeats} % repeats, \
             {unlikes} % unlikes, up to a minute out of order, seed {}; until all are committed; {} rounds",
            log.conferences().len(),
            options.analytics.seed,
            options.rounds
        ),
        path,
        columns: vec!["per second", "CPU s", "per CPU s"],
        rows,
        aims: vec![Aim {
            wanted: format!("first to last commit ≥ {AIM} × the loop that parses"),
            found: format!("{share:.2}"),
            met: share >= AIM,
        }],
        checked: "in each round the last count of every tweet and the totals of every conference were right".into(),
    })
}

fn row(name: &str, polled: &Polled) -> Row {
    let records = polled.records as f64;
    Row::new(name, [records / polled.seconds, polled.cpu, records / polled.cpu])
}

/// Reads everything, and checks that it was everything.
async fn bare(options: &Options, stage: &Stage, log: &Log, parse: bool) -> anyhow::Result<Polled> {
    let polled = bare_poll::poll(options, stage, parse).await?;
    let records = log.opinions().len() as u64 + u64::from(log.shape.tweets);
    let liked = if parse { log.opinions().iter().filter(|opinion| opinion.is_like()).count() as u64 } else { 0 };
    let found = (polled.records, polled.liked);
    anyhow::ensure!(found == (records, liked), "(records, likes) {found:?}, {:?} are right", (records, liked));
    Ok(polled)
}
