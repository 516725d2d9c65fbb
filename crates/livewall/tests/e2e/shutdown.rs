//! SIGTERM.

use std::{net::SocketAddr, time::Duration};

use load_test::{
    Request, Viewer,
    stage::{Broker, Plan, Process, Replicas, Stage},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_is_heard_while_kafka_clients_close() -> anyhow::Result<()> {
    let services = &["event-bridge", "likes", "streams-analytics"];
    let mut stage = Stage::start(Broker::own().await?, Plan { replicas: 1, services, origin: false, ..plan() }).await?;
    let id = unique("second");
    let post = Request::new("POST", "/eventBridge/tweets").header("X-Webhook-Token", stage.token()).body(
        "application/json",
        json!({"tweetId": id, "text": "hi", "author": "ferris", "tagFilter": id}).to_string(),
    );
    let like = Request::new("POST", "/likes").body("application/json", json!({"tweetId": id}).to_string());
    let (event_bridge, likes) = (stage.event_bridge.addresses()[0], stage.likes.addresses()[0]);
    assert_eq!(post.clone().send(event_bridge).await?.head.status, 200);
    assert_eq!(like.clone().send(likes).await?.head.status, 200);
    stage.streams_analytics.processes_mut()[0].answers(&format!("/analytics/{id}"), 200).await?;

    stage.broker.pause().await?;
    // These wait for acknowledgements that do not come.
    let _callers = (begin(&post, event_bridge).await?, begin(&like, likes).await?);
    for process in stage.services_mut().into_iter().flat_map(Replicas::processes_mut) {
        process.signal_term();
        until_it_says(process, "closing Kafka clients").await?;
        let ended = process.terminate().await?;
        let log = process.log();
        assert_eq!(ended.status.code(), Some(1), "{}: {:?}: {log}", process.name(), ended.status);
        assert!(log.lines().last().is_some_and(|line| line.contains("second signal")), "{log}");
        assert!(ended.took < Duration::from_secs(3), "{}: {:?}", process.name(), ended.took);
    }
    Ok(())
}

/// Sends a request; returns when it is being worked on.
async fn begin(request: &Request, address: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&request.clone().header("Expect", "100-continue").to_bytes()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await?;
    anyhow::ensure!(&answer == b"HTTP/1.1 100", "{}", String::from_utf8_lossy(&answer));
    Ok(stream)
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
