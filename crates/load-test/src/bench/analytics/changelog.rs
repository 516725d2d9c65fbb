//! What the state costs on its topic.

use super::{
    follower::{Account, Follower},
    log::{Log, Shape},
    passage, preload,
    progress::Progress,
    steady, truth,
};
use crate::bench::{
    Options, only,
    report::{Aim, Report, Row},
};

/// Bytes per like at full speed.
const AIM_BYTES: f64 = 40.0;
/// How often the state the topic may hold.
const AIM_STATES: f64 = 6.0;
/// How often each fact is given and taken back in all.
const TURNS: usize = 10;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let log = Log::new(Shape::mixed(options.analytics.likes), options.analytics.seed);
    let mut stage = passage::loaded(options, &log).await?;
    let (follower, ends) = (Follower::start(&stage)?, Progress::of(&stage)?);
    passage::through(&mut stage, &log).await?;
    let likes = log.opinions().len() as f64;
    let full_speed = sum(&follower.finish(ends.likes_ends())?, |account| account.written) / likes;
    let path = vec![
        options.broker(),
        only(&stage.streams_analytics).to_string(),
        options.broker(),
        options.probe("reads the changelog before it is cut"),
    ];
    drop(stage);

    let steady = steady::run(options).await?;

    let facts = (options.analytics.churn / TURNS).max(1);
    let mut log = Log::new(Shape::facts(facts), options.analytics.seed);
    log.churn(options.analytics.churn);
    let mut stage = passage::stage(options).await?;
    preload::tweets(&stage, &log)?;
    preload::likes(&stage, &log, 0..facts)?;
    let filled = Progress::of(&stage)?;
    preload::likes(&stage, &log, facts..log.opinions().len())?;
    let follower = Follower::start(&stage)?;
    follower.watch_from(filled.likes_ends());
    let ends = Progress::of(&stage)?;
    stage.start_services().await?;
    ends.complete(&stage).await?;
    truth::check(&stage, &log)?;
    let accounts = follower.finish(ends.likes_ends())?;
    let churned = (log.opinions().len() - facts) as f64;
    let state = sum(&accounts, |account| account.state);
    let (kept, needed) = (sum(&accounts, |account| account.kept), sum(&accounts, |account| account.needed));
    anyhow::ensure!(state > 0.0 && kept > 0.0, "no round was complete: --churn is too small");
    let states = kept / state;

    Ok(Report {
        bench: "analytics changelog",
        measured: format!(
            "bytes of values on the changelog: {} likes as in throughput; {} likes/s for {} s; {churned:.0} unlikes and likes \
             in turn on {facts} facts that stand, at full speed. The state: one complete round of slices, its last; the \
             topic: from the first offset to the end, the most of each partition; needed: from restoreFrom",
            options.analytics.likes,
            steady::RATE,
            options.seconds
        ),
        path,
        columns: vec!["bytes"],
        rows: vec![
            Row::new("per like, at full speed", [full_speed]),
            Row::new(format!("per like, at {} likes/s", steady::RATE), [steady.changelog]),
            Row::new(
                "per unlike or like, in turn",
                [sum(&accounts, |account| account.written) / (churned + facts as f64)],
            ),
            Row::new("the state", [state]),
            Row::new("the state, per fact", [state / facts as f64]),
            Row::new("the topic at most", [kept]),
            Row::new("the topic at most, of the state", [states]),
            Row::new("needed at most, of the state", [needed / state]),
        ],
        aims: vec![
            Aim {
                wanted: format!("≤ {AIM_BYTES} bytes per like at full speed"),
                found: format!("{full_speed:.1}"),
                met: full_speed <= AIM_BYTES,
            },
            Aim {
                wanted: format!("the topic ≤ {AIM_STATES} × the state"),
                found: format!("{states:.1}"),
                met: states <= AIM_STATES,
            },
        ],
        checked:
            "everything on the changelog was read, up to the last commit; the last count of every tweet and the totals \
                  of every conference were right"
                .into(),
    })
}

fn sum(accounts: &[Account], of: impl Fn(&Account) -> u64) -> f64 {
    accounts.iter().map(of).sum::<u64>() as f64
}
