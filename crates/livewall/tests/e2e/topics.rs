//! Topics that are not as they should be.

use contracts::Topic;
use load_test::{
    Request,
    stage::{Broker, PARTITIONS, Plan, Process, Stage, until},
};

/// Waits until every service says `why` in one line of its log and in its answer, and is not ready.
async fn every_service_says(stage: &mut Stage, why: &[&str]) -> anyhow::Result<()> {
    for replicas in stage.services_mut() {
        for process in replicas.processes_mut() {
            let (address, name) = (process.address(), process.name().to_owned());
            until(format_args!("{name} to say {why:?}"), async || {
                let response = Request::get("/health/ready").send(address).await?;
                let said = |text: &str| why.iter().all(|word| text.contains(word));
                anyhow::ensure!(response.head.status == 503 && said(&response.text()), "{}", response.text());
                let log = process.log();
                let lines = log.lines().filter(|line| said(line) && line.contains("WARN")).count();
                anyhow::ensure!(lines == 1, "{lines} lines say so: {log}");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_topics_and_other_partition_counts_are_one_line_and_not_ready() -> anyhow::Result<()> {
    let plan = Plan { replicas: 1, origin: false, ..Plan::default() };
    let mut stage = Stage::prepare(Broker::own().await?, plan)?;
    stage.start_services().await?;
    every_service_says(&mut stage, &["topics missing", "livewall topics create"]).await?;

    stage.create_topics().await?;
    stage.ready().await?;

    // While they run: the one topic that all of them read, or write.
    let tweets = Topic::Tweets.with_prefix(stage.prefix());
    for replicas in stage.services_mut() {
        replicas.processes().iter().for_each(Process::forget_log);
    }
    let more = (PARTITIONS + 1).to_string();
    stage.broker.topics(&["--alter", "--topic", &tweets, "--partitions", &more]).await?;
    every_service_says(&mut stage, &["partition"]).await?;

    // And at a start.
    for replicas in stage.services_mut() {
        for process in replicas.processes_mut() {
            process.kill();
            process.forget_log();
            process.start()?;
            let (address, name) = (process.address(), process.name().to_owned());
            until(format_args!("{name} to refuse to begin"), async || {
                let response = Request::get("/health/ready").send(address).await?;
                anyhow::ensure!(response.text().contains("differ in partitions"), "{}", response.text());
                anyhow::ensure!(response.head.status == 503, "it is ready");
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}
