//! From POST to the page, beside a bare consumer of the same topic.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep_until};

use crate::{
    bench::{
        Options,
        crowd::Crowd,
        only,
        report::{Aim, Report, Row, medians},
        stream,
        topic::TopicReader,
    },
    poster::Poster,
    series::{Place, Series},
    stage::Stage,
};

/// Each has its own connection, on which a post waits for the acknowledgement of the one before, so that order can be
/// checked; with this many, hardly any post has to wait.
const CONFERENCES: usize = 16;
const BYTES: usize = 250;
/// What the page may take beyond the bare consumer and a sweep of bare sends to as many viewers.
const AIM_MS: f64 = 3.0;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.viewers.unwrap_or(100);
    let stage = options.stage(&["event-bridge", "tweet-listener"]).await?;
    round(&stage, viewers, options.rate, Duration::from_secs(1)).await?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut rows = round(&stage, viewers, options.rate, Duration::from_secs(options.seconds)).await?;
        // From its arrival at a bare loop to the last viewer: what any server takes.
        let sweep = stream::bare_sweep(options, viewers, Duration::from_secs(1)).await?;
        rows.push(Row::new("one bare sweep", sweep.map(|seconds| 1e3 * seconds)));
        rounds.push(rows);
    }
    let rows = medians(&rounds);
    let (bare, page, sweep) = (rows[1].values[1], rows[2].values[1], rows[4].values[0]);
    let posts = posts_of(options.rate, Duration::from_secs(options.seconds));
    Ok(Report {
        bench: "latency",
        measured: format!(
            "POST to page, {} posts/s of {BYTES} bytes, one by one, {viewers} viewers; {} rounds of {} s, milliseconds",
            options.rate, options.rounds, options.seconds
        ),
        path: vec![
            options.probe("posts"),
            only(&stage.event_bridge).to_string(),
            options.broker(),
            format!("{} beside {}", only(&stage.tweet_listener), options.probe("a bare consumer")),
            options.probe("viewers"),
            format!("and beside it, for one bare sweep: {}", options.probe("posts")),
            stream::bare_loop(options),
            options.probe("viewers"),
        ],
        columns: vec!["p50", "p99", "p99.9"],
        aims: vec![Aim {
            wanted: format!("p99 to the page ≤ p99 to the bare consumer + one bare sweep (its p50) + {AIM_MS} ms"),
            found: format!(
                "{page:.2} of {bare:.2} + {sweep:.2} + {AIM_MS} ms ({:.2} × without the {AIM_MS} ms)",
                page / (bare + sweep)
            ),
            met: page <= bare + sweep + AIM_MS,
        }],
        rows,
        checked: format!("in each round the topic and each of {viewers} viewers had all {posts} posts once, in order"),
    })
}

fn posts_of(rate: u64, span: Duration) -> u64 {
    rate * span.as_secs()
}

/// Moments in nanoseconds since the beginning of a round, by post; 0: not yet.
struct Moments {
    began: Instant,
    sent: Vec<AtomicU64>,
    acknowledged: Vec<AtomicU64>,
    bare: Vec<AtomicU64>,
    deliveries: Mutex<Vec<(usize, u64)>>,
}

impl Moments {
    fn new(posts: usize) -> Self {
        let none = || (0..posts).map(|_| AtomicU64::new(0)).collect();
        let deliveries = Mutex::default();
        Self { began: Instant::now(), sent: none(), acknowledged: none(), bare: none(), deliveries }
    }

    fn at(&self, moment: Instant) -> u64 {
        u64::try_from((moment - self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        self.at(Instant::now())
    }
}

/// The number of a post among all.
fn index(place: Place) -> usize {
    usize::try_from(place.number).unwrap_or(usize::MAX) * CONFERENCES + place.conference
}

async fn round(stage: &Stage, viewers: usize, rate: u64, span: Duration) -> anyhow::Result<Vec<Row>> {
    let series = Series::new(CONFERENCES, BYTES);
    let posts = posts_of(rate, span);
    let moments = Arc::new(Moments::new(usize::try_from(posts)?));
    let bare = TopicReader::start(stage, &series, {
        let moments = Arc::clone(&moments);
        move |place| moments.bare[index(place)].store(moments.now(), Ordering::Relaxed)
    })?;
    bare.caught_up().await?;
    let crowd = Crowd::gather(only(&stage.tweet_listener).address(), viewers, &series, {
        let moments = Arc::clone(&moments);
        move |place| {
            let delivery = (index(place), moments.now());
            moments.deliveries.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
        }
    })
    .await?;

    let begin = Instant::now() + Duration::from_millis(100);
    let due = |post: u64| begin + Duration::from_nanos(post * 1_000_000_000 / rate);
    try_join_all((0..CONFERENCES as u64).map(|first| {
        let (series, moments) = (&series, &moments);
        let mut poster = Poster::new(only(&stage.event_bridge).address(), stage.token());
        async move {
            for post in (first..posts).step_by(CONFERENCES) {
                let place = series.place(post);
                let request = poster.request(&series.tweet(place)).to_bytes();
                // A post that had to wait for the one before it counts from when it was due.
                let sent = if Instant::now() < due(post) {
                    sleep_until(due(post)).await;
                    Instant::now()
                } else {
                    due(post)
                };
                moments.sent[index(place)].store(moments.at(sent), Ordering::Relaxed);
                poster.send(&request).await?;
                moments.acknowledged[index(place)].store(moments.now(), Ordering::Relaxed);
            }
            anyhow::Ok(())
        }
    }))
    .await?;

    let sent = series.sent(posts);
    crowd.settle(&sent).await?;
    bare.close(&sent)?;
    rows(&moments)
}

fn rows(moments: &Moments) -> anyhow::Result<Vec<Row>> {
    // Microseconds, up to a minute.
    let histogram = || Histogram::<u64>::new_with_bounds(1, 60_000_000, 3);
    let (mut acknowledged, mut bare, mut page, mut beyond) = (histogram()?, histogram()?, histogram()?, histogram()?);
    let load = |moments: &[AtomicU64], at: usize| moments[at].load(Ordering::Relaxed);
    let micros = |from: u64, to: u64| to.saturating_sub(from).div_ceil(1000).max(1);
    for at in 0..moments.sent.len() {
        let sent = load(&moments.sent, at);
        acknowledged.record(micros(sent, load(&moments.acknowledged, at)))?;
        bare.record(micros(sent, load(&moments.bare, at)))?;
    }
    for &(at, delivered) in moments.deliveries.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        page.record(micros(load(&moments.sent, at), delivered))?;
        beyond.record(micros(load(&moments.bare, at), delivered))?;
    }
    let percentiles = |histogram: &Histogram<u64>| {
        [0.5, 0.99, 0.999].map(|quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0)
    };
    Ok(vec![
        Row::new("POST → acknowledged", percentiles(&acknowledged)),
        Row::new("POST → bare consumer", percentiles(&bare)),
        Row::new("POST → page", percentiles(&page)),
        Row::new("bare consumer → page", percentiles(&beyond)),
    ])
}
