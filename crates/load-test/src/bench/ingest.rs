//! Acknowledged posts per second, beside a bare producer with the same records.
//!
//! A connection that posts as fast as answers come waits while the broker pauses, and posts little meanwhile: such a pause
//! is in few of its times. At a rate, every post that was due in the pause is late. So the times of full load are shown as
//! they are, and with the posts that would have been due; those of half the load from when each was due, and from when it
//! was sent; and beside them those of the service's producer without the service.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use kafka_client::{BareProducer, Layout, Producer};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    bench::{
        Options,
        cores::{self, Busy, Effort},
        only,
        report::{Aim, Report, Row, medians},
        topic::{Records, TopicReader, headers},
    },
    poster::Poster,
    series::{Place, Series},
    stage::{PARTITIONS, Stage, WAIT},
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
        posting(&stage, options, Load { posts: options.posts / 10, ..singly }).await.context("warming up")?;
        let mut rows = vec![bare(&stage, options, batched).await.context("a bare producer")?];
        rows.extend(posting(&stage, options, batches).await.context("in batches")?.into_iter().take(1));
        rows.extend(posting(&stage, options, singly).await.context("singly")?);
        let rate = rows[2].values[0] / 2.0;
        let half = Load { name: "at half that rate, from when each was due", rate: Some(rate), ..singly };
        rows.extend(posting(&stage, options, half).await.context("singly, at half the rate")?);
        rows.push(without_service(&stage, options, rate).await.context("without the service")?);
        if round > 0 {
            rounds.push(rows);
        }
    }
    path[2] = format!("{}; beside it load-test, a bare producer ({})", path[2], cores::named(options.service_core.0));
    let rows = medians(&rounds);
    let (share, singly) = (rows[1].values[0] / rows[0].values[0], &rows[2].values);
    // What a whole core would take at the same cost.
    let whole = 100.0 * singly[0] / singly[1];
    Ok(Report {
        bench: "ingest",
        measured: format!(
            "acknowledged posts of {BYTES} bytes: {batched} by a bare producer with the service's settings; {batched} in \
             NDJSON batches of {BATCH} over {BATCH_CONNECTIONS} connections; {} singly over {SINGLE_CONNECTIONS}; {} rounds",
            options.posts, options.rounds
        ),
        path,
        columns: vec![
            "posts/s",
            "of its core %",
            "its core in all %",
            "of the probe's core %",
            "answer p50 ms",
            "p99 ms",
            "p99.9 ms",
            "most ms",
        ],
        aims: vec![
            Aim {
                wanted: format!("in batches ≥ {AIM} of the bare producer"),
                found: format!("{share:.2} ×"),
                met: share >= AIM,
            },
            Aim {
                wanted: format!("singly ≥ {AIM_SINGLY} posts/s on one core"),
                found: format!(
                    "{:.0}, {:.2} ×; it had {:.0} % of its core and others {:.0} %: {whole:.0} posts per second of its own \
                     processor time, {:.2} ×",
                    singly[0],
                    singly[0] / AIM_SINGLY,
                    singly[1],
                    singly[2] - singly[1],
                    whole / AIM_SINGLY
                ),
                met: singly[0] >= AIM_SINGLY,
            },
        ],
        rows,
        checked: "in each round the topic had every acknowledged post once, in the order of its conference".into(),
    })
}

/// Sends `posts` records from the core that the service has otherwise.
async fn bare(stage: &Stage, options: &Options, posts: u64) -> anyhow::Result<Row> {
    let series = Series::new(BATCH_CONNECTIONS * CONFERENCES, BYTES);
    let records = Records::of(stage, (0..posts).map(|post| series.tweet(series.place(post))));
    let config = stage.broker.config();
    let busy = Busy::of(options.service_core.0)?;
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
    let busy = busy.share()?;
    check(stage, &series, &series.sent(posts)).await?;
    let [rate, own, _] = spent.rates(posts);
    Ok(Row::new("a bare producer", [rate, own, busy, 0.0, 0.0, 0.0, 0.0, 0.0]))
}

/// Posts to event-bridge: a row with the times as they count for `load`, and one with them counted the other way.
async fn posting(stage: &Stage, options: &Options, load: Load) -> anyhow::Result<[Row; 2]> {
    let Load { connections, batch, .. } = load;
    let series = Series::new(connections * CONFERENCES, BYTES);
    // Whole batches, and as many posts in each conference.
    let unit = batch.max(CONFERENCES as u64);
    let per_connection = (load.posts / connections as u64 / unit).max(1) * unit;
    // Made in advance: making them is not what is measured.
    let requests: Vec<Vec<Vec<u8>>> =
        (0..connections).map(|connection| requests(stage, &series, connection, per_connection, batch)).collect();
    let pid = only(&stage.event_bridge).pid().context("event-bridge runs")?;

    let (effort, busy) = (Effort::of(pid)?, Busy::of(options.service_core.0)?);
    let began = Instant::now();
    let answers = try_join_all(requests.iter().enumerate().map(|(connection, requests)| {
        let mut poster = Poster::new(only(&stage.event_bridge).address(), stage.token());
        async move {
            let [mut from_due, mut from_sent] = [histogram()?, histogram()?];
            for (at, request) in requests.iter().enumerate() {
                let mut due = None;
                if let Some(rate) = load.rate {
                    // The connections in turn. What had to wait for the answer before it counts from when it was due.
                    let turn = began + Duration::from_secs_f64((at * connections + connection) as f64 / rate);
                    sleep_until(turn).await;
                    due = Some(turn);
                }
                let sent = Instant::now();
                poster.send(request).await?;
                from_due.record(micros(due.unwrap_or(sent).elapsed()))?;
                from_sent.record(micros(sent.elapsed()))?;
            }
            anyhow::Ok([from_due, from_sent])
        }
    }))
    .await?;
    let (spent, busy) = (effort.spent()?, busy.share()?);
    let [mut from_due, mut from_sent] = [histogram()?, histogram()?];
    for [due, sent] in answers {
        from_due.add(due)?;
        from_sent.add(sent)?;
    }

    let sent = vec![per_connection / CONFERENCES as u64; connections * CONFERENCES];
    check(stage, &series, &sent).await?;
    let [rate, own, probe] = spent.rates(per_connection * connections as u64);
    let row = |name: &str, times: &Histogram<u64>| {
        Row::new(name, [&[rate, own, busy, probe][..], &quantiles(times)].concat())
    };
    Ok(if load.rate.is_some() {
        [row(load.name, &from_due), row("  from when each was sent", &from_sent)]
    } else {
        // Each connection sends the next post when it has the answer: in the mean so often.
        let turn = Duration::from_secs_f64(connections as f64 * batch as f64 / rate);
        [
            row(load.name, &from_sent),
            row("  with those that would have been due", &from_sent.clone_correct(micros(turn))),
        ]
    })
}

/// Hands the posts of a round to the producer that the service has, at `rate` per second and on the service's core.
async fn without_service(stage: &Stage, options: &Options, rate: f64) -> anyhow::Result<Row> {
    let series = Series::new(SINGLE_CONNECTIONS * CONFERENCES, BYTES);
    let posts = options.posts;
    let tweets: Vec<_> = (0..posts).map(|post| series.tweet(series.place(post))).collect();
    let layout = Layout { cluster_id: "".into(), partitions: PARTITIONS };
    let (config, headers) = (stage.broker.config(), headers());
    let busy = Busy::of(options.service_core.0)?;
    let (times, spent) = cores::on_core(options.service_core.0, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            let producer = Producer::new(&config, stage.prefix(), &layout)?;
            // Connecting is not what is measured.
            producer.send(&tweets[0], &headers)?.await?;
            let (effort, began, mut answers) = (Effort::of(std::process::id())?, Instant::now(), JoinSet::new());
            for (at, tweet) in tweets.iter().enumerate().skip(1) {
                let due = began + Duration::from_secs_f64(at as f64 / rate);
                sleep_until(due).await;
                let delivery = producer.send(tweet, &headers)?;
                answers.spawn(async move { delivery.await.map(|_| due.elapsed()) });
            }
            let mut times = histogram()?;
            while let Some(answer) = answers.join_next().await {
                times.record(micros(answer??))?;
            }
            Ok((times, effort.spent()?))
        })
    })?;
    let busy = busy.share()?;
    check(stage, &series, &series.sent(posts)).await?;
    let [rate, own, _] = spent.rates(posts);
    let values = [&[rate, own, busy, 0.0][..], &quantiles(&times)].concat();
    Ok(Row::new("  the service's producer without the service", values))
}

/// For microseconds, up to a minute.
fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).clamp(1, 60_000_000)
}

/// p50, p99, p99.9 and the most, in milliseconds.
fn quantiles(times: &Histogram<u64>) -> [f64; 4] {
    [0.5, 0.99, 0.999, 1.0].map(|quantile| times.value_at_quantile(quantile) as f64 / 1000.0)
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
