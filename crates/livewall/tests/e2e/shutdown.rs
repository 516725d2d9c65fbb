//! SIGTERM.

use std::time::Duration;

use load_test::{
    Viewer,
    stage::{Broker, Plan, Process, Stage},
};

use crate::wall::{plan, unique};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_sigterm_every_open_stream_is_told_when_to_come_again_and_the_end_is_orderly() -> anyhow::Result<()> {
    let plan = Plan { services: &["tweet-listener"], origin: false, ..plan() };
    let mut stage = Stage::start(Broker::of_tests(), plan).await?;
    let addresses = stage.tweet_listener.addresses();
    // Nobody listens at the second address of these, so that what they see is the first one's farewell.
    let nobody = load_test::stage::free_address()?;
    let target = format!("/updates?conference={}", unique("drain"));
    let viewers: Vec<Viewer> =
        (0..20).map(|number| Viewer::start(format!("{number}"), &[addresses[0], nobody], &target)).collect();
    for viewer in &viewers {
        viewer.connected().await?;
    }
    let process = &mut stage.tweet_listener.processes_mut()[0];
    let ended = process.terminate().await?;
    assert!(ended.status.success(), "{:?}: {}", ended.status, process.log());
    assert!(ended.took < Duration::from_secs(2 + 5), "{:?}", ended.took);
    let mut retries = Vec::new();
    for viewer in &viewers {
        let first = addresses[0].to_string();
        let of_first = |ends: &[String]| ends.iter().find(|end| end.starts_with(&first)).cloned();
        let end = viewer.until("the end of its stream", |journal| of_first(&journal.ends)).await?;
        // Not cut off: the last chunk said that it was the last.
        assert_eq!(end, format!("{first}: ended"));
        let journal = viewer.journal();
        assert_eq!(journal.retries.len(), 2, "one at the beginning, one at the end: {:?}", journal.retries);
        retries.push(journal.retries[1]);
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 10, "they would all come back at once: {retries:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_ends_at_once() -> anyhow::Result<()> {
    // A drain so long that only the second signal can have ended it.
    let mut plan = Plan { replicas: 1, services: &["tweet-listener"], origin: false, ..plan() };
    plan.env.push(("LIVEWALL_HTTP__DRAIN".into(), "10m".into()));
    let mut stage = Stage::start(Broker::of_tests(), plan).await?;
    let address = stage.tweet_listener.addresses()[0];
    let viewer = Viewer::start("that stays", &[address], "/updates");
    viewer.connected().await?;
    let process = &mut stage.tweet_listener.processes_mut()[0];
    process.signal_term();
    until_it_says(process, "shutting down").await?;
    let ended = process.terminate().await?;
    assert_eq!(ended.status.code(), Some(1), "{:?}", ended.status);
    assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
    let log = process.log();
    assert!(log.lines().last().is_some_and(|line| line.contains("second signal")), "{log}");
    Ok(())
}

async fn until_it_says(process: &Process, words: &str) -> anyhow::Result<()> {
    load_test::stage::until(format_args!("{} to say {words:?}", process.name()), async || {
        let log = process.log();
        if log.contains(words) { Ok(()) } else { Err(log) }
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_ends_in_order_also_without_a_broker() -> anyhow::Result<()> {
    for name in ["event-bridge", "likes", "streams-analytics", "tweet-listener"] {
        let mut process = Process::service(name)?.env("LIVEWALL_KAFKA__BROKERS", "127.0.0.1:1");
        process.start()?;
        process.answers("/health/live", 200).await?;
        let ended = process.terminate().await?;
        assert!(ended.status.success(), "{name}: {:?}: {}", ended.status, process.log());
        assert!(ended.took < Duration::from_secs(10), "{name}: {:?}", ended.took);
    }
    Ok(())
}
