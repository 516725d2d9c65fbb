//! The broker is down at the start, comes, goes away, and comes back.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use load_test::{
    Place, Poster, Refused, Request, Series, Viewer,
    stage::{Broker, Stage, until},
};

use crate::wall::{plan, visitor};

/// Sent again and again meanwhile, for what the caller is told.
async fn refused(stage: &Stage, series: &Series, number: u64) -> anyhow::Result<()> {
    let tweet = series.tweet(series.place(number));
    let mut poster = Poster::new(stage.origin(), stage.token());
    match poster.post(&tweet).await {
        Err(Refused::Status { status: 503, retry_after: Some(_), detail }) => {
            assert!(detail.contains("\"detail\""), "{detail}");
            Ok(())
        }
        other => anyhow::bail!("not 503 with Retry-After: {other:?}"),
    }
}

/// Waits until every replica of every service is not ready, and says why.
async fn all_are_unready(stage: &mut Stage, why: &str) -> anyhow::Result<()> {
    for replicas in stage.services_mut() {
        for process in replicas.processes_mut() {
            let (address, name) = (process.address(), process.name().to_owned());
            until(format_args!("{name} not to be ready, for {why:?}"), async || {
                let response = Request::get("/health/ready").send(address).await?;
                anyhow::ensure!(response.head.status == 503, "it is ready");
                anyhow::ensure!(response.text().contains(why), "{}", response.text());
                Ok(())
            })
            .await?;
            process.answers("/health/live", 200).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_broker_callers_get_503_and_when_it_is_back_everything_goes_on_by_itself() -> anyhow::Result<()> {
    let mut plan = plan();
    // So that the test need not wait longer for a refusal.
    plan.env.push(("LIVEWALL_KAFKA__DELIVERY_TIMEOUT_MS".into(), "2000".into()));
    let mut stage = Stage::prepare(Broker::own().await?, plan)?;
    stage.create_topics().await?;
    if let Err(error) = trouble(&mut stage).await {
        anyhow::bail!("{error:#}\n{}", stage.state().await);
    }
    for replicas in stage.services_mut() {
        for process in replicas.processes_mut() {
            let ended = process.terminate().await?;
            assert!(ended.status.success() && ended.took < Duration::from_secs(12), "{}: {ended:?}", process.name());
        }
    }
    Ok(())
}

async fn trouble(stage: &mut Stage) -> anyhow::Result<()> {
    let series = Series::new(1, 300);
    // Down at the start.
    stage.broker.stop().await?;
    stage.start_services().await?;
    all_are_unready(stage, "broker").await?;
    refused(stage, &series, 0).await?;
    let like =
        Request::new("POST", "/likes").body("application/json", r#"{"tweetId":"1"}"#).send(stage.origin()).await?;
    assert_eq!(like.head.status, 503, "{}", like.text());
    assert!(like.head.header("retry-after").is_some());
    let page = Request::get("/tweets").send(stage.origin()).await?;
    assert_eq!((page.head.status, page.head.header("retry-after").is_some()), (503, true), "{}", page.text());
    let analytics = Request::get("/analytics/any").send(stage.origin()).await?;
    assert_eq!(analytics.head.status, 503, "{}", analytics.text());
    // A browser's EventSource gives up for good on anything else than 200.
    let early = Viewer::start("that came early", &[stage.origin()], "/updates");
    early.until("to be told when to come again", |journal| journal.retries.first().copied()).await?;

    // It comes.
    stage.broker.start().await?;
    stage.ready().await?;
    early.connected().await?;
    let mut poster = Poster::new(stage.origin(), stage.token());
    let mut acknowledged = 0;
    for _ in 0..3 {
        poster.insist(&series.tweet(series.place(acknowledged))).await?;
        acknowledged += 1;
    }

    // It keeps its connections and answers nothing.
    stage.broker.pause().await?;
    refused(stage, &series, acknowledged).await?;
    stage.broker.resume().await?;
    // The same post again: it may have been written, and must not be shown twice.
    poster.insist(&series.tweet(series.place(acknowledged))).await?;
    acknowledged += 1;

    // It goes away.
    stage.broker.kill().await?;
    refused(stage, &series, acknowledged).await?;
    all_are_unready(stage, "broker").await?;
    refused(stage, &series, acknowledged).await?;
    // Who is watching stays connected, and who comes gets what was there.
    let late = Viewer::start("that came while it was away", &[stage.origin()], "/updates");
    late.connected().await?;

    // It comes back.
    stage.broker.start().await?;
    for _ in 0..3 {
        poster.insist(&series.tweet(series.place(acknowledged))).await?;
        acknowledged += 1;
    }
    stage.ready().await?;
    let cookie = visitor(stage).await?;
    let liked = until("a like to be taken", async || {
        let request = Request::new("PUT", &format!("/likes/{}", series.tweet_id(series.place(0))));
        let response = request.header("Cookie", &cookie).send(stage.origin()).await?;
        anyhow::ensure!(response.head.status == 200, "{}: {}", response.head.status, response.text());
        Ok(())
    });
    liked.await?;

    early.reaches(&series, &[acknowledged]).await?;
    early.journal().ledger(&series).balance(&[acknowledged])?;
    late.reaches(&series, &[acknowledged]).await?;
    let conference = series.conference(0);
    for viewer in [&early, &late] {
        viewer
            .until("what was acknowledged, counted once", |journal| {
                let seen = journal.last("tweetAnalytics", |data| data["conference"] == conference.as_str())?;
                assert!(seen.data["tweetCount"].as_u64() <= Some(acknowledged), "{}", seen.data);
                (seen.data["tweetCount"] == acknowledged && seen.data["likeCount"] == 1).then_some(())
            })
            .await?;
        assert!(viewer.journal().last("reset", |_| true).is_none());
    }
    flood(stage).await
}

/// Far more than fits into the queues, while the broker takes nothing: refused, and the memory stays within them.
async fn flood(stage: &mut Stage) -> anyhow::Result<()> {
    const CONNECTIONS: usize = 48;
    const REQUESTS: usize = 4;
    let series = Series::new(CONNECTIONS, 300);
    let before = most_memory(stage)?;
    stage.broker.pause().await?;
    let (origin, token) = (stage.origin(), stage.token().to_owned());
    let floods = (0..CONNECTIONS).map(|conference| {
        let mut poster = Poster::new(origin, &token);
        let tweets: Vec<_> = (0..1_000).map(|number| series.tweet(Place { conference, number })).collect();
        async move {
            for _ in 0..REQUESTS {
                match poster.send(&poster.batch_request(&tweets).to_bytes()).await {
                    Err(Refused::Status { status: 503, retry_after: Some(_), .. }) => {}
                    other => anyhow::bail!("not 503 with Retry-After: {other:?}"),
                }
            }
            Ok(())
        }
    });
    let outcome = try_join_all(floods).await;
    let after = most_memory(stage)?;
    stage.broker.resume().await?;
    outcome?;
    for (name, before, after) in before.into_iter().zip(after).map(|((name, before), (_, after))| (name, before, after))
    {
        // The queue takes 64 MiB of records (queue.buffering.max.kbytes); what they cost beyond their bytes, and the
        // requests themselves, may take as much again.
        assert!(after < before + 160.0, "{name} grew from {before} to {after} MiB");
    }
    Ok(())
}

/// What each event-bridge has had at most, in MiB.
fn most_memory(stage: &Stage) -> anyhow::Result<Vec<(String, f64)>> {
    let most = stage.event_bridge.processes().iter().map(|process| {
        let pid = process.pid().context("it runs")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok((process.name().to_owned(), kib / 1024.0))
    });
    most.collect()
}
