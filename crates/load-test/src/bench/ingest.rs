//! Acknowledged posts per second, beside a bare producer with the same records.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use kafka_client::BareProducer;
use tokio::time::{Instant, sleep_until};

use crate::{
    bench::{
        Options,
        cores::{self, Effort},
        only,
        report::{Aim, Report, Row, medians},
        topic::{Records, TopicReader},
    },
    poster::Poster,
    series::{Place, Series},
    stage::{Stage, WAIT},
};

const BYTES: usize = 250;
/// Connections that post singly: enough that the service always has work.
const SINGLE_CONNECTIONS: usize = 64;
const BATCH_CONNECTIONS: usize = 8;
/// Conferences of each connection, so that a batch goes to several partitions.
const CONFERENCES: usize = 4;
/// Posts of a batch: as many as the service takes by default.
const BATCH: u64 = 1_000;
/// The share of the bare producer's rate that batches should reach.
const AIM: f64 = 0.8;
/// Posts per second that one core should take singly.
const AIM_SINGLY: f64 = 30_000.0;

/// Posting over kept connections.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    connections: usize,
    posts: u64,
    /// Posts of a request.
    batch: u64,
    /// Posts per second of all connections; `None`: as fast as answers come.
    rate: Option<f64>,
}

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let (mut rounds, mut path) = (Vec::new(), Vec::new());
    let batched = options.posts * 10;
    // The first one does not count: a broker that has just started takes a third of what it takes later.
    for round in 0..=options.rounds {
        // Topics of their own for each round, so that reading them again stays as short.
        let stage = options.stage(&["event-bridge"]).await?;
        path = vec![options.probe("posts"), only(&stage.event_bridge).to_string(), options.broker()];
        let singly = Load {
            name: "event-bridge, singly",
            connections: SINGLE_CONNECTIONS,
            posts: options.posts,
            batch: 1,
            rate: None,
        };
        let batches = Load {
            name: "event-bridge, in batches",
            connections: BATCH_CONNECTIONS,
            posts: batched,
            batch: BATCH,
            rate: None,
        };
        posting(&stage, Load { posts: options.posts / 10, ..singly }).await.context("warming up")?;
        let mut rows = vec![bare(&stage, options, batched).await.context("a bare producer")?];
        rows.push(posting(&stage, batches).await.context("in batches")?);
        rows.push(posting(&stage, singly).await.context("singly")?);
        let half = Load { name: "the same at half that rate", rate: Some(rows[2].values[0] / 2.0), ..singly };
        rows.push(posting(&stage, half).await.context("singly, at half the rate")?);
        if round > 0 {
            rounds.push(rows);
        }
    }
    path[2] = format!("{}; beside it load-test, a bare producer ({})", path[2], cores::named(options.service_core.0));
    let rows = medians(&rounds);
    let (share, singly) = (rows[1].values[0] / rows[0].values[0], rows[2].values[0]);
    Ok(Report {
        bench: "ingest",
        measured: format!(
            "acknowledged posts of {BYTES} bytes: {batched} by a bare producer with the service's settings; {batched} in \
             NDJSON batches of {BATCH} over {BATCH_CONNECTIONS} connections; {} singly over {SINGLE_CONNECTIONS}; {} rounds",
            options.posts, options.rounds
        ),
        path,
        columns: vec!["posts/s", "of its core %", "of the probe's core %", "answer p50 ms", "p99 ms"],
        rows,
        aims: vec![
            Aim {
                wanted: format!("in batches ≥ {AIM} of the bare producer"),
                found: format!("{share:.2}"),
                met: share >= AIM,
            },
            Aim {
                wanted: format!("singly ≥ {AIM_SINGLY} posts/s on one core"),
                found: format!("{singly:.0}"),
                met: singly >= AIM_SINGLY,
            },
        ],
        checked: "in each round the topic had every acknowledged post once, in the order of its conference".into(),
    })
}

/// Sends `posts` records from the core that the service has otherwise.
async fn bare(stage: &Stage, options: &Options, posts: u64) -> anyhow::Result<Row> {
    let series = Series::new(BATCH_CONNECTIONS * CONFERENCES, BYTES);
    let records = Records::of(stage, (0..posts).map(|post| series.tweet(series.place(post))));
    let config = stage.broker.config();
    let spent = cores::on_core(options.service_core.0, || {
        let producer = BareProducer::new(&config)?;
        let effort = Effort::of(std::process::id())?;
        for at in 0..records.len() {
            records.send(&producer, at)?;
        }
        producer.flush(WAIT)?;
        let spent = effort.spent()?;
        anyhow::ensure!(producer.acknowledged() == posts, "{} of {posts} acknowledged", producer.acknowledged());
        Ok(spent)
    })?;
    check(stage, &series, &series.sent(posts)).await?;
    let [rate, own, _] = spent.rates(posts);
    Ok(Row::new("a bare producer", [rate, own, 0.0, 0.0, 0.0]))
}

async fn posting(stage: &Stage, load: Load) -> anyhow::Result<Row> {
    let Load { connections, batch, .. } = load;
    let series = Series::new(connections * CONFERENCES, BYTES);
    // Whole batches, and as many posts in each conference.
    let unit = batch.max(CONFERENCES as u64);
    let per_connection = (load.posts / connections as u64 / unit).max(1) * unit;
    // Made in advance: making them is not what is measured.
    let requests: Vec<Vec<Vec<u8>>> =
        (0..connections).map(|connection| requests(stage, &series, connection, per_connection, batch)).collect();
    let pid = only(&stage.event_bridge).pid().context("event-bridge runs")?;

    let effort = Effort::of(pid)?;
    let began = Instant::now();
    let answers = try_join_all(requests.iter().enumerate().map(|(connection, requests)| {
        let mut poster = Poster::new(only(&stage.event_bridge).address(), stage.token());
        async move {
            // Microseconds, up to a minute.
            let mut answers = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
            for (at, request) in requests.iter().enumerate() {
                let mut sent = Instant::now();
                if let Some(rate) = load.rate {
                    // The connections in turn. What had to wait for the answer before it counts from when it was due.
                    let due = began + Duration::from_secs_f64((at * connections + connection) as f64 / rate);
                    sleep_until(due).await;
                    sent = due;
                }
                poster.send(request).await?;
                answers.record(u64::try_from(sent.elapsed().as_micros())?.max(1))?;
            }
            anyhow::Ok(answers)
        }
    }))
    .await?;
    let spent = effort.spent()?;
    let mut all = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    answers.into_iter().try_for_each(|answers| all.add(answers))?;

    let sent = vec![per_connection / CONFERENCES as u64; connections * CONFERENCES];
    check(stage, &series, &sent).await?;
    let [rate, own, probe] = spent.rates(per_connection * connections as u64);
    let answer = |quantile| all.value_at_quantile(quantile) as f64 / 1000.0;
    Ok(Row::new(load.name, [rate, own, probe, answer(0.5), answer(0.99)]))
}

/// The requests of one connection: posts of its own conferences in turn, `posts` in all.
fn requests(stage: &Stage, series: &Series, connection: usize, posts: u64, batch: u64) -> Vec<Vec<u8>> {
    let poster = Poster::new(only(&stage.event_bridge).address(), stage.token());
    let own = CONFERENCES as u64;
    let tweet = |post: u64| {
        let conference = connection * CONFERENCES + usize::try_from(post % own).expect("below 4");
        series.tweet(Place { conference, number: post / own })
    };
    let request = |from: u64| {
        let tweets: Vec<_> = (from..from + batch).map(tweet).collect();
        let request = if batch == 1 { poster.request(&tweets[0]) } else { poster.batch_request(&tweets) };
        request.to_bytes()
    };
    (0..posts).step_by(usize::try_from(batch).expect("small")).map(request).collect()
}

/// Reads the topic and checks that it has what was acknowledged.
async fn check(stage: &Stage, series: &Series, sent: &[u64]) -> anyhow::Result<()> {
    let reader = TopicReader::start(stage, series, |_| {})?;
    reader.caught_up().await?;
    reader.close(sent)
}
