//! One log through streams-analytics.

use anyhow::Context as _;

use super::{log::Log, preload, progress::Progress, truth};
use crate::{
    bench::{
        Options,
        cores::{Effort, Spent},
        only,
    },
    stage::{Broker, Plan, Stage},
};

/// How long it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passage {
    /// Likes per second from the first commit to the last one.
    pub(super) rate: f64,
    /// From process start to the last commit.
    pub(super) spent: Spent,
}

/// Topics of their own, and a streams-analytics that does not run yet.
pub(super) async fn stage(options: &Options) -> anyhow::Result<Stage> {
    let services = &["streams-analytics"];
    let plan = Plan { services, replicas: 1, core: options.service_core.0, origin: false, env: Vec::new() };
    let stage = Stage::prepare(Broker::shared(&options.brokers), plan)?;
    stage.create_topics().await?;
    Ok(stage)
}

/// The same with the whole log on its topics.
pub(super) async fn loaded(options: &Options, log: &Log) -> anyhow::Result<Stage> {
    let stage = stage(options).await?;
    preload::tweets(&stage, log)?;
    preload::likes(&stage, log, 0..log.opinions().len())?;
    Ok(stage)
}

/// Starts streams-analytics on what is loaded, waits until all is committed, and checks it.
pub(super) async fn through(stage: &mut Stage, log: &Log) -> anyhow::Result<Passage> {
    let progress = Progress::of(stage)?;
    stage.start_services().await?;
    let effort = Effort::of(only(&stage.streams_analytics).pid().context("it runs")?)?;
    let (first, last) = progress.complete(stage).await?;
    let spent = effort.spent()?;
    let likes = last.likes - first.likes;
    anyhow::ensure!(likes > 0, "all likes came with the first commit: there are too few of them");
    let rate = likes as f64 / (last.at - first.at).as_secs_f64();
    truth::check(stage, log)?;
    Ok(Passage { rate, spent })
}
