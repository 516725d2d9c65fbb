//! Acknowledged posts per second, beside a bare producer with the same records.

use anyhow::Context as _;
use futures_util::future::try_join_all;
use kafka_client::BareProducer;

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

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let (mut rounds, mut path) = (Vec::new(), Vec::new());
    let batched = options.posts * 10;
    for _ in 0..options.rounds {
        // Topics of their own for each round, so that reading them again stays as short.
        let stage = options.stage(&["event-bridge"]).await?;
        path = vec![options.probe("posts"), only(&stage.event_bridge).to_string(), options.broker()];
        let warm_up = posting(&stage, SINGLE_CONNECTIONS, options.posts / 10, 1).await;
        warm_up.context("warming up")?;
        rounds.push(vec![
            bare(&stage, options, batched).await.context("a bare producer")?,
            posting(&stage, BATCH_CONNECTIONS, batched, BATCH).await.context("in batches")?,
            posting(&stage, SINGLE_CONNECTIONS, options.posts, 1).await.context("singly")?,
        ]);
    }
    path[2] = format!("{}; beside it load-test, a bare producer ({})", path[2], cores::named(options.service_core.0));
    let rows = medians(&rounds);
    let share = rows[1].values[0] / rows[0].values[0];
    Ok(Report {
        bench: "ingest",
        measured: format!(
            "acknowledged posts of {BYTES} bytes: {batched} by a bare producer with the service's settings; {batched} in \
             NDJSON batches of {BATCH} over {BATCH_CONNECTIONS} connections; {} singly over {SINGLE_CONNECTIONS}; {} rounds",
            options.posts, options.rounds
        ),
        path,
        columns: vec!["posts/s", "of its core %", "of the probe's core %"],
        rows,
        aims: vec![Aim {
            wanted: format!("in batches ≥ {AIM} of the bare producer"),
            found: format!("{share:.2}"),
            met: share >= AIM,
        }],
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
    Ok(Row::new("a bare producer", [rate, own, 0.0]))
}

/// Posts over kept connections, `batch` posts per request.
async fn posting(stage: &Stage, connections: usize, posts: u64, batch: u64) -> anyhow::Result<Row> {
    let series = Series::new(connections * CONFERENCES, BYTES);
    // Whole batches, and as many posts in each conference.
    let unit = batch.max(CONFERENCES as u64);
    let per_connection = (posts / connections as u64 / unit).max(1) * unit;
    // Made in advance: making them is not what is measured.
    let requests: Vec<Vec<Vec<u8>>> =
        (0..connections).map(|connection| requests(stage, &series, connection, per_connection, batch)).collect();
    let pid = only(&stage.event_bridge).pid().context("event-bridge runs")?;

    let effort = Effort::of(pid)?;
    try_join_all(requests.iter().map(|requests| {
        let mut poster = Poster::new(only(&stage.event_bridge).address(), stage.token());
        async move {
            for request in requests {
                poster.send(request).await?;
            }
            anyhow::Ok(())
        }
    }))
    .await?;
    let spent = effort.spent()?;

    let sent = vec![per_connection / CONFERENCES as u64; connections * CONFERENCES];
    check(stage, &series, &sent).await?;
    let name = if batch == 1 { "event-bridge, singly" } else { "event-bridge, in batches" };
    Ok(Row::new(name, spent.rates(per_connection * connections as u64)))
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
