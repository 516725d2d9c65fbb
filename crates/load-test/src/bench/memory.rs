//! Memory of each service, idle and under load.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::{try_join, try_join_all};
use tokio::time::{Instant, sleep_until};

use crate::{
    bench::{
        Options, cores,
        crowd::Crowd,
        only,
        report::{Report, Row, medians},
    },
    http::{Connection, Request},
    poster::Poster,
    series::Series,
    stage::{Stage, until},
    viewer::Viewer,
};

const CONFERENCES: usize = 4;
const BYTES: usize = 250;
/// Visitors who like in turn.
const VISITORS: usize = 20;
const SERVICES: [&str; 4] = ["event-bridge", "likes", "streams-analytics", "tweet-listener"];

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.viewers.unwrap_or(1_000).max(1);
    let posts = options.rate * options.seconds;
    let (mut rounds, mut path) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        // Idle is what a fresh process is.
        let mut stage = options.stage(&SERVICES).await?;
        rounds.push(round(&stage, viewers, options.rate, posts).await?);
        path = vec![options.probe("posts and likes")];
        path.extend(stage.services_mut().map(|replicas| only(replicas).to_string()));
        path.extend([options.broker(), options.probe("viewers")]);
    }
    Ok(Report {
        bench: "memory",
        measured: format!(
            "resident memory in MiB: idle; with {viewers} viewers connected; at the end of {} s with {} posts/s and as \
             many likes; at most; {} rounds",
            options.seconds, options.rate, options.rounds
        ),
        path,
        columns: vec!["idle", "viewers connected", "under load", "at most"],
        rows: medians(&rounds),
        aims: Vec::new(),
        checked: format!(
            "each of {viewers} viewers had all {posts} posts once, in order, and the total of all likes was right"
        ),
    })
}

async fn round(stage: &Stage, viewers: usize, rate: u64, posts: u64) -> anyhow::Result<Vec<Row>> {
    let processes = [&stage.event_bridge, &stage.likes, &stage.streams_analytics, &stage.tweet_listener].map(only);
    let resident = || {
        processes
            .map(|process| cores::resident(process.pid().context("it runs")?))
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
    };
    let idle = resident()?;
    let series = Series::new(CONFERENCES, BYTES);
    let crowd = Crowd::gather(processes[3].address(), viewers, &series, |_| {}).await?;
    let totals = Viewer::start("totals", &[processes[3].address()], "/updates");
    totals.connected().await?;
    let connected = resident()?;

    let begin = Instant::now();
    let due = |count: u64| begin + Duration::from_nanos(count * 1_000_000_000 / rate);
    let posting = try_join_all((0..CONFERENCES as u64).map(|first| {
        let mut poster = Poster::new(processes[0].address(), stage.token());
        let series = &series;
        async move {
            for post in (first..posts).step_by(CONFERENCES) {
                sleep_until(due(post)).await;
                poster.post(&series.tweet(series.place(post))).await?;
            }
            anyhow::Ok(())
        }
    }));
    let liking = try_join_all((0..VISITORS as u64).map(|visitor| {
        let mut connection = Connection::new(processes[1].address());
        let series = &series;
        async move {
            let cookie = visitor_cookie(&mut connection).await?;
            // Each visitor likes every 20th post, once it has been there for a second.
            for post in (visitor..posts).step_by(VISITORS) {
                sleep_until(due(post) + Duration::from_secs(1)).await;
                like(&mut connection, &cookie, &series.tweet_id(series.place(post))).await?;
            }
            anyhow::Ok(())
        }
    }));
    try_join(posting, liking).await?;
    crowd.settle(&series.sent(posts)).await?;
    likes_are(&totals, &series, posts).await?;
    let loaded = resident()?;

    let rows = processes
        .iter()
        .enumerate()
        .map(|(at, process)| Row::new(process.name(), [idle[at].0, connected[at].0, loaded[at].0, loaded[at].1]));
    let per_viewer = |then: f64| (then - idle[3].0) * 1024.0 / viewers as f64;
    let (with_viewers, under_load) = (per_viewer(connected[3].0), per_viewer(loaded[3].0));
    let viewer = Row::new(
        "tweet-listener, KiB per viewer beyond idle",
        [0.0, with_viewers, under_load, per_viewer(loaded[3].1)],
    );
    Ok(rows.chain([viewer]).collect())
}

/// A new visitor's cookie, as it is sent back.
async fn visitor_cookie(connection: &mut Connection) -> anyhow::Result<String> {
    let response = connection.send(&Request::get("/likes/visitor").to_bytes()).await?;
    let cookie = response.head.header("set-cookie").and_then(|cookie| cookie.split(';').next());
    Ok(cookie.with_context(|| format!("{}: no cookie", response.head.status))?.to_owned())
}

async fn like(connection: &mut Connection, cookie: &str, tweet_id: &str) -> anyhow::Result<()> {
    let request = Request::new("PUT", &format!("/likes/{tweet_id}")).header("Cookie", cookie);
    let response = connection.send(&request.to_bytes()).await?;
    anyhow::ensure!(response.head.status == 200, "{}: {}", response.head.status, response.text());
    Ok(())
}

/// Waits until the likes of all conferences are `likes`.
async fn likes_are(totals: &Viewer, series: &Series, likes: u64) -> anyhow::Result<()> {
    until(format_args!("{likes} likes"), async || {
        let journal = totals.journal();
        let count = |conference: usize| {
            let name = series.conference(conference);
            let seen = journal.last("tweetAnalytics", |data| data["conference"] == name.as_str());
            seen.and_then(|seen| seen.data["likeCount"].as_u64()).unwrap_or(0)
        };
        let found: u64 = (0..series.conferences()).map(count).sum();
        if found == likes { Ok(()) } else { Err(format!("{found} are counted")) }
    })
    .await?;
    Ok(())
}
