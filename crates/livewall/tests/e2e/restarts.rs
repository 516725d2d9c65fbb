//! Restarts of everything, one after the other, while people post, like and watch.

use std::time::{Duration, Instant};

use load_test::{
    Request, Series, Viewer,
    stage::{Broker, Stage},
};
use serde_json::json;

use crate::{
    browser::Browser,
    traffic::{Sent, Traffic},
    wall::{is_of, plan},
};

const CONFERENCES: usize = 4;
const PACE: Duration = Duration::from_millis(150);

/// How a service ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Terminated,
    Killed,
}

/// In the page: notes every post that was ever shown, and whether one was ever shown twice.
const RECORDER: &str = "
  window.recorder = { seen: {}, doubled: [] };
  const feed = document.getElementById('feed');
  const look = () => {
    const ids = [...feed.querySelectorAll('article')].map((article) => article.dataset.tweetId);
    ids.forEach((id, at) => ids.indexOf(id) !== at && window.recorder.doubled.push(id));
    ids.forEach((id) => { window.recorder.seen[id] = true; });
  };
  new MutationObserver(look).observe(feed, { childList: true });
  look();";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_of_every_service_and_of_the_broker_lose_and_double_nothing() -> anyhow::Result<()> {
    let began = Instant::now();
    let mut stage = Stage::start(Broker::own().await?, plan()).await?;
    let series = Series::new(CONFERENCES, 300);
    let viewers = watch(&stage);
    for viewer in &viewers {
        viewer.connected().await?;
    }
    let browser = Browser::open(&stage.url()).await?;
    browser.live().await?;
    browser.run::<()>(RECORDER, &[]).await?;

    let traffic = Traffic::start(&stage, &series, PACE).await?;
    traffic.moves_on().await?;
    for end in [End::Terminated, End::Killed] {
        restart_services(&mut stage, end, &traffic, began).await?;
    }
    for end in [End::Terminated, End::Killed] {
        println!("{:6.1?} broker: {end:?}", began.elapsed());
        match end {
            End::Terminated => stage.broker.stop().await?,
            End::Killed => stage.broker.kill().await?,
        }
        stage.broker.start().await?;
        traffic.moves_on().await?;
    }
    println!("{:6.1?} checks", began.elapsed());
    let sent = traffic.stop().await?;
    // Without this the test would have tested nothing.
    assert!(sent.iter().all(|sent| sent.posts > 20 && sent.likes > 5), "{sent:?}");

    let checks = async {
        nothing_is_lost_or_doubled(&viewers, &series, &sent).await?;
        everything_is_counted_once(&viewers, &series, &sent).await?;
        the_page_has_each_row_once(&browser, &series, &sent).await
    };
    if let Err(error) = checks.await {
        anyhow::bail!("{error:#}\n{}\n{}", results(&stage, &series, &viewers).await, stage.state().await);
    }
    browser.close().await
}

/// Viewers at each of the two replicas and at the origin; those at the replicas go on at the other one.
fn watch(stage: &Stage) -> Vec<Viewer> {
    let mut replicas = stage.tweet_listener.addresses();
    let first = Viewer::start("of the first replica", &replicas, "/updates");
    replicas.reverse();
    let second = Viewer::start("of the second replica", &replicas, "/updates");
    let origin = Viewer::start("of the origin", &[stage.origin()], "/updates");
    vec![first, second, origin]
}

async fn restart_services(stage: &mut Stage, end: End, traffic: &Traffic, began: Instant) -> anyhow::Result<()> {
    for replicas in stage.services_mut() {
        for process in replicas.processes_mut() {
            println!("{:6.1?} {}: {end:?}", began.elapsed(), process.name());
            match end {
                End::Terminated => {
                    let ended = process.terminate().await?;
                    assert!(ended.status.success(), "{}: {}", process.name(), ended.status);
                    // The drain of this stage is 2 s, and what comes after it has bounds too.
                    assert!(ended.took < Duration::from_secs(12), "{}: {:?}", process.name(), ended.took);
                }
                End::Killed => process.kill(),
            }
            traffic.moves_on().await?;
            process.start()?;
            process.ready().await?;
        }
    }
    traffic.moves_on().await
}

async fn nothing_is_lost_or_doubled(viewers: &[Viewer], series: &Series, sent: &[Sent]) -> anyhow::Result<()> {
    let posts: Vec<u64> = sent.iter().map(|sent| sent.posts).collect();
    for viewer in viewers {
        viewer.reaches(series, &posts).await?;
        let journal = viewer.journal();
        journal.ledger(series).balance(&posts)?;
        assert_eq!(journal.odd, Vec::<String>::new());
        let reset = journal.last("reset", |_| true);
        assert!(reset.is_none(), "a resumed viewer lost its place: {reset:?}");
        assert!(journal.connections.len() > 3, "it was hardly ever cut off: {:?}", journal.connections);
    }
    Ok(())
}

/// On every viewer, whichever replica it is at, the last totals are what was acknowledged.
async fn everything_is_counted_once(viewers: &[Viewer], series: &Series, sent: &[Sent]) -> anyhow::Result<()> {
    for viewer in viewers {
        for (index, sent) in sent.iter().enumerate() {
            let conference = series.conference(index);
            let expected = (Some(sent.posts), Some(sent.likes));
            viewer
                .until(format_args!("{sent:?} counted for {conference}"), |journal| {
                    let seen = journal.last("tweetAnalytics", |data| is_of(data, "tweetAnalytics", &conference))?;
                    let found = (seen.data["tweetCount"].as_u64(), seen.data["likeCount"].as_u64());
                    assert!(found <= expected, "more was counted than sent: {found:?}, {expected:?}");
                    (found == expected).then_some(())
                })
                .await?;
        }
    }
    Ok(())
}

/// What each replica of streams-analytics and each viewer has for each conference, for the message of a failure.
async fn results(stage: &Stage, series: &Series, viewers: &[Viewer]) -> String {
    let mut found = Vec::new();
    for conference in (0..series.conferences()).map(|index| series.conference(index)) {
        for address in stage.streams_analytics.addresses() {
            let answer = Request::get(&format!("/analytics/{conference}")).send(address).await;
            let answer = answer.map_or_else(|error| error.to_string(), |response| response.text());
            found.push(format!("{address}: {}", answer.chars().take(250).collect::<String>()));
        }
        for viewer in viewers {
            let journal = viewer.journal();
            let totals = journal.last("tweetAnalytics", |data| is_of(data, "tweetAnalytics", &conference));
            found.push(format!("a viewer: {:?}", totals.map(|seen| seen.data.to_string())));
        }
    }
    found.join("\n")
}

async fn the_page_has_each_row_once(browser: &Browser, series: &Series, sent: &[Sent]) -> anyhow::Result<()> {
    let ids: Vec<String> = sent
        .iter()
        .enumerate()
        .flat_map(|(conference, sent)| (0..sent.posts).map(move |number| load_test::Place { conference, number }))
        .map(|place| series.tweet_id(place))
        .collect();
    browser
        .until::<bool>("every post", "return arguments[0].every((id) => window.recorder.seen[id])", &[json!(ids)])
        .await?;
    let doubled: Vec<String> = browser.run("return window.recorder.doubled", &[]).await?;
    assert_eq!(doubled, Vec::<String>::new());
    // Newest on top: per conference the numbers go down, without a gap, to where the page's memory ends.
    let shown: Vec<String> = browser
        .run("return [...document.querySelectorAll('#feed article')].map((article) => article.dataset.tweetId)", &[])
        .await?;
    for (conference, sent) in sent.iter().enumerate() {
        let places = shown.iter().filter_map(|id| series.place_of(id)).filter(|place| place.conference == conference);
        let numbers: Vec<u64> = places.map(|place| place.number).collect();
        let expected: Vec<u64> = (0..sent.posts).rev().take(numbers.len()).collect();
        assert_eq!(numbers, expected, "conference {conference}");
        assert!(!numbers.is_empty());
    }
    Ok(())
}
