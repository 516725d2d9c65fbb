//! Likes at a steady rate, each followed from its acknowledgement to its count.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use contracts::{LikeCount, Record as _, Topic, TweetLike};
use fastrand::Rng;
use hdrhistogram::Histogram;
use kafka_client::{BroadcastReader, Layout, Producer, ReaderEvent, ReaderState};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    follower::Follower,
    log::{Log, Shape, headers, tweet_of},
    passage, preload,
    progress::Progress,
    truth,
};
use crate::{
    bench::{Options, only},
    stage::{PARTITIONS, Stage, WAIT, until},
};

/// Likes per second.
pub(super) const RATE: usize = 1_000;
/// The likes of the first second warm up.
const WARM_UP: usize = RATE;

/// What it came to.
pub(super) struct Steady {
    /// From acknowledged to counted, in microseconds.
    pub(super) counted: Histogram<u64>,
    /// From sent to acknowledged, in microseconds.
    pub(super) acknowledged: Histogram<u64>,
    /// Bytes of the changelog per like.
    pub(super) changelog: f64,
    pub(super) path: Vec<String>,
}

/// Nanoseconds since the beginning, by like; 0: not yet.
struct Moments {
    began: Instant,
    sent: Vec<AtomicU64>,
    acknowledged: Vec<AtomicU64>,
    counted: Vec<AtomicU64>,
}

impl Moments {
    fn new(likes: usize) -> Self {
        let none = || (0..likes).map(|_| AtomicU64::new(0)).collect();
        Self { began: Instant::now(), sent: none(), acknowledged: none(), counted: none() }
    }

    fn note(&self, moments: &[AtomicU64], like: usize) {
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        moments[like].store(now, Ordering::Relaxed);
    }
}

/// The time from one moment of each like to another, without the likes that warmed up.
fn between(from: &[AtomicU64], to: &[AtomicU64]) -> anyhow::Result<Histogram<u64>> {
    // Up to a minute.
    let mut histogram = Histogram::new_with_bounds(1, 60_000_000, 3)?;
    for like in WARM_UP..from.len() {
        let (from, to) = (from[like].load(Ordering::Relaxed), to[like].load(Ordering::Relaxed));
        anyhow::ensure!(from > 0 && to > 0, "like {like} was lost");
        histogram.record(to.saturating_sub(from).div_ceil(1000).max(1))?;
    }
    Ok(histogram)
}

pub(super) async fn run(options: &Options) -> anyhow::Result<Steady> {
    let likes = WARM_UP + RATE * usize::try_from(options.seconds)?;
    let span = Duration::from_secs(options.seconds + 1);
    let shape = Shape { visitors: 200_000, span, ..Shape::facts(likes) };
    let log = Arc::new(Log::new(shape, options.analytics.seed));
    let mut stage = passage::stage(options).await?;
    let follower = Follower::start(&stage)?;
    preload::tweets(&stage, &log)?;
    stage.start_services().await?;
    stage.ready().await?;
    Progress::of(&stage)?.complete(&stage).await?;

    let moments = Arc::new(Moments::new(likes));
    let stop = CancellationToken::new();
    let counts = counts(&stage, &log, &moments, stop.clone())?;
    tokio::time::timeout(WAIT, counts.state().wait_for(|state| *state == ReaderState::Live)).await??;
    send(&stage, &log, &moments).await?;
    until("the counts of all likes", async || {
        let missing = moments.counted.iter().filter(|moment| moment.load(Ordering::Relaxed) == 0).count();
        if missing == 0 { Ok(()) } else { Err(format!("{missing} are missing")) }
    })
    .await?;
    stop.cancel();
    counts.join();
    truth::check(&stage, &log)?;

    let accounts = follower.finish(Progress::of(&stage)?.likes_ends())?;
    let written: u64 = accounts.iter().map(|account| account.written).sum();
    Ok(Steady {
        counted: between(&moments.acknowledged, &moments.counted)?,
        acknowledged: between(&moments.sent, &moments.acknowledged)?,
        changelog: written as f64 / likes as f64,
        path: vec![
            options.probe("a producer as that of likes"),
            options.broker(),
            only(&stage.streams_analytics).to_string(),
            options.broker(),
            options.probe("a bare consumer of counts"),
        ],
    })
}

/// Notes when each like is counted: it is the `n`th of its tweet, and each of them is a fact of its own, so that is when
/// the tweet's count comes to be `n` or more.
fn counts(
    stage: &Stage,
    log: &Log,
    moments: &Arc<Moments>,
    stop: CancellationToken,
) -> anyhow::Result<BroadcastReader> {
    let mut likes: Vec<Vec<usize>> = vec![Vec::new(); log.shape.tweets as usize];
    for (like, opinion) in log.opinions().iter().enumerate() {
        likes[opinion.tweet as usize].push(like);
    }
    let mut counted = vec![0; likes.len()];
    let moments = Arc::clone(moments);
    let topic = Topic::TweetLikeCounts.with_prefix(stage.prefix());
    let layout = Layout { cluster_id: "".into(), partitions: PARTITIONS };
    Ok(BroadcastReader::start(&stage.broker.config(), topic, &layout, stop, move |event| {
        let ReaderEvent::Record(record) = event else { return };
        let Ok(count) = LikeCount::from_json(record.value.unwrap_or_default()) else { return };
        let Some(tweet) = tweet_of(&count.tweet_id).map(|tweet| tweet as usize) else { return };
        let upto = (count.count as usize).min(likes[tweet].len());
        for like in likes[tweet].get(counted[tweet]..upto).unwrap_or_default() {
            moments.note(&moments.counted, *like);
        }
        counted[tweet] = counted[tweet].max(upto);
    })?)
}

/// Sends each like when it is due, and notes when it is acknowledged.
async fn send(stage: &Stage, log: &Arc<Log>, moments: &Arc<Moments>) -> anyhow::Result<()> {
    let layout = Layout { cluster_id: "".into(), partitions: PARTITIONS };
    let producer = Producer::new(&stage.broker.config(), stage.prefix(), &layout)?;
    let (mut rng, mut acknowledgements) = (Rng::with_seed(1), tokio::task::JoinSet::new());
    let begin = Instant::now() + Duration::from_millis(100);
    for (like, opinion) in log.opinions().iter().enumerate() {
        sleep_until(begin + Duration::from_secs(1) * u32::try_from(like)? / u32::try_from(RATE)?).await;
        moments.note(&moments.sent, like);
        let record: TweetLike = log.like(*opinion);
        let delivery = producer.send(&record, &headers("/likes", record.at.unwrap_or_default(), &mut rng))?;
        let moments = Arc::clone(moments);
        acknowledgements.spawn(async move {
            let outcome = delivery.await;
            moments.note(&moments.acknowledged, like);
            outcome
        });
    }
    while let Some(outcome) = acknowledgements.join_next().await {
        outcome??;
    }
    Ok(())
}
