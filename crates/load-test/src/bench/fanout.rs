//! Deliveries per second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use kafka_client::BareProducer;
use tokio::sync::Notify;

use crate::{
    bench::{
        Options,
        cores::Effort,
        crowd::Crowd,
        only,
        report::{Report, Row, medians},
        topic::Records,
    },
    series::Series,
    stage::{Stage, WAIT},
};

const CONFERENCES: usize = 4;
const BYTES: usize = 250;
/// Posts that may be on their way at once: one, as on a calm wall; and so many that the next is always waiting.
const WINDOWS: [u64; 2] = [1, 32];
/// Posts are made in advance; more than any server delivers to a thousand viewers.
const POSTS_PER_SECOND: u64 = 2_000;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.viewers.unwrap_or(1_000).max(1);
    let stage = options.stage(&["tweet-listener"]).await?;
    let (mut rounds, mut posts, mut resumed) = (Vec::new(), 0, 0);
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for window in WINDOWS {
            let found = round(&stage, viewers, window, Duration::from_secs(options.seconds)).await?;
            posts += found.posts;
            resumed += found.resumed;
            rows.push(found.row);
        }
        rounds.push(rows);
    }
    Ok(Report {
        bench: "fanout",
        measured: format!(
            "deliveries of {BYTES}-byte posts to {viewers} viewers; {} rounds of {} s",
            options.rounds, options.seconds
        ),
        path: vec![
            options.probe("a bare producer"),
            options.broker(),
            only(&stage.tweet_listener).to_string(),
            options.probe("viewers"),
        ],
        columns: vec!["deliveries/s", "of its core %", "of the probe's core %", "deliveries per its CPU second"],
        rows: medians(&rounds),
        aims: Vec::new(),
        checked: format!(
            "each of {viewers} viewers had all of {posts} posts once, in order; {resumed} streams fell behind and were \
             resumed"
        ),
    })
}

struct Found {
    row: Row,
    posts: u64,
    resumed: u64,
}

/// Deliveries so far, and who waits for the next full round of them.
struct Progress {
    deliveries: AtomicU64,
    moved: Notify,
}

async fn round(stage: &Stage, viewers: usize, window: u64, span: Duration) -> anyhow::Result<Found> {
    let series = Series::new(CONFERENCES, BYTES);
    let most = POSTS_PER_SECOND * span.as_secs();
    let records = Records::of(stage, (0..most).map(|post| series.tweet(series.place(post))));
    let progress = Arc::new(Progress { deliveries: AtomicU64::new(0), moved: Notify::new() });
    let crowd = Crowd::gather(only(&stage.tweet_listener).address(), viewers, &series, {
        let progress = Arc::clone(&progress);
        move |_| {
            let deliveries = progress.deliveries.fetch_add(1, Ordering::Relaxed) + 1;
            if deliveries.is_multiple_of(viewers as u64) {
                progress.moved.notify_one();
            }
        }
    })
    .await?;
    let producer = BareProducer::new(&stage.broker.config())?;
    let pid = only(&stage.tweet_listener).pid().context("tweet-listener runs")?;

    let effort = Effort::of(pid)?;
    let mut posts = 0;
    while effort.elapsed() < span && posts < records.len() as u64 {
        records.send(&producer, usize::try_from(posts)?)?;
        posts += 1;
        until_delivered(&progress, (posts.saturating_sub(window - 1)) * viewers as u64).await?;
    }
    until_delivered(&progress, posts * viewers as u64).await?;
    let spent = effort.spent()?;
    crowd.settle(&series.sent(posts)).await?;
    let deliveries = posts * viewers as u64;
    let name = match window {
        1 => "each post after all have the one before, the way through Kafka included".to_owned(),
        window => format!("{window} posts on their way at any time"),
    };
    let [rate, own, probe] = spent.rates(deliveries);
    let values = [rate, own, probe, deliveries as f64 / spent.own.max(0.01)];
    Ok(Found { row: Row::new(name, values), posts, resumed: crowd.resumed() })
}

async fn until_delivered(progress: &Progress, deliveries: u64) -> anyhow::Result<()> {
    let delivered = async {
        while progress.deliveries.load(Ordering::Relaxed) < deliveries {
            progress.moved.notified().await;
        }
    };
    tokio::time::timeout(WAIT, delivered).await.with_context(|| {
        let found = progress.deliveries.load(Ordering::Relaxed);
        format!("{found} of {deliveries} deliveries within {WAIT:?}")
    })
}
