//! From the topics to the hub.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use contracts::{ConferenceAnalytics, LikeCount, Record, Topic};
use kafka_client::{BroadcastReader, ClusterWatch, Layout, ReaderEvent, ReaderState, Watermarks};
use service_shell::Shutdown;
use tokio::sync::watch;

use crate::{
    arrival::{Stage, pieces},
    config::Config,
    hub::Hub,
    inbox::Told,
    pages::Pages,
    position::StreamIds,
    replay::Replay,
    serving::Serving,
};

/// How often the feed asks where the retained log begins.
const RETENTION_LOOK: Duration = Duration::from_secs(30);

/// The readers of a running process, and the threads that serve what they read.
pub struct Feed {
    readers: Vec<BroadcastReader>,
    _serving: Serving,
}

/// Waits for the cluster, reads all topics from their beginning, and publishes the stage when viewers may come.
///
/// # Errors
/// Where librdkafka does not take the configuration.
pub async fn start(
    config: &Config,
    watch: &ClusterWatch,
    shutdown: &Shutdown,
    stage: &watch::Sender<Option<Arc<Stage>>>,
) -> anyhow::Result<Option<Feed>> {
    let Some(layout) = watch.layout().await else { return Ok(None) };
    let prefix = &config.topics.prefix;
    let tweets = Topic::Tweets.with_prefix(prefix);
    let watermarks = Watermarks::new(&config.kafka, tweets.clone(), &layout)?;
    let Some(starts) = first_offsets(&watermarks, shutdown).await else { return Ok(None) };
    let hub = Arc::new(Hub::new(&config.stream, StreamIds::new(&layout, &tweets), &starts)?);
    let serving = Serving::start(&hub, &config.stream, shutdown)?;
    let readers = config.stream.max_kafka_readers;
    let pages = Pages::new(Arc::clone(&hub), config.kafka.clone(), tweets, starts.len(), readers);
    let new_stage = Arc::new(Stage {
        replay: Replay::new(Arc::clone(&hub), pages, watermarks.clone()),
        hub,
        pieces: pieces(config.stream.resume_bytes),
        runtime: tokio::runtime::Handle::current(),
        config: config.stream.clone(),
        shutdown: shutdown.clone(),
        drain: config.http.drain,
    });
    let feed = Feed { readers: read_topics(config, &layout, shutdown, &new_stage)?, _serving: serving };
    let caught_up = feed.readers.iter().map(|reader| caught_up(reader.state()));
    let failures: Vec<String> = futures_util::future::join_all(caught_up).await.into_iter().flatten().collect();
    if let Some(failure) = failures.into_iter().next() {
        anyhow::bail!(failure);
    }
    if shutdown.has_begun() {
        return Ok(Some(feed));
    }
    new_stage.hub.go_live();
    stage.send_replace(Some(Arc::clone(&new_stage)));
    for reader in &feed.readers {
        tokio::spawn(end_with(reader.state(), shutdown.clone()));
    }
    tokio::spawn(send_away(Arc::clone(&new_stage)));
    tokio::spawn(tend(new_stage, watermarks));
    Ok(Some(feed))
}

impl Feed {
    /// Waits for the readers to end, and ends the streams that are left.
    pub fn close(self) {
        self.readers.into_iter().for_each(BroadcastReader::join);
    }
}

/// Where `tweets` begins. `None` when shut down before the broker answered.
async fn first_offsets(watermarks: &Watermarks, shutdown: &Shutdown) -> Option<Vec<i64>> {
    loop {
        match watermarks.get().await {
            Ok(bounds) => return Some(bounds.iter().map(|bounds| bounds.start).collect()),
            Err(error) => tracing::debug!("cannot tell where tweets begin yet: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            () = shutdown.begun() => return None,
        }
    }
}

fn read_topics(
    config: &Config,
    layout: &Layout,
    shutdown: &Shutdown,
    stage: &Arc<Stage>,
) -> anyhow::Result<Vec<BroadcastReader>> {
    let (kafka, prefix, stop) = (&config.kafka, &config.topics.prefix, shutdown.clients());
    let tweets = {
        let stage = Arc::clone(stage);
        // Tells how old the wall is, and `scripts/bench stream` where the way from here to viewers begins.
        let last_tweet = metrics::gauge!("tweet_listener_last_tweet_timestamp_seconds");
        BroadcastReader::start(kafka, Topic::Tweets.with_prefix(prefix), layout, stop.clone(), move |event| {
            let hub = &stage.hub;
            match event {
                ReaderEvent::Record(record) => {
                    last_tweet.set(UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64());
                    hub.tweet(&record);
                }
                ReaderEvent::Idle => hub.idle(),
                ReaderEvent::Expired { partition, next } => hub.skip_to(partition, next),
                ReaderEvent::Started(bounds) => {
                    for (partition, bounds) in (0..).zip(bounds) {
                        hub.skip_to(partition, bounds.start);
                    }
                }
                ReaderEvent::CaughtUp => {}
            }
        })?
    };
    let counts = read_table(kafka, prefix, layout, &stop, stage, |hub, count: LikeCount| hub.count(count))?;
    let analytics =
        read_table(kafka, prefix, layout, &stop, stage, |hub, value: ConferenceAnalytics| hub.analytics(value))?;
    Ok(vec![tweets, counts, analytics])
}

fn read_table<R: Record>(
    kafka: &kafka_client::KafkaConfig,
    prefix: &str,
    layout: &Layout,
    stop: &tokio_util::sync::CancellationToken,
    stage: &Arc<Stage>,
    take: impl Fn(&Hub, R) + Send + 'static,
) -> anyhow::Result<BroadcastReader> {
    let stage = Arc::clone(stage);
    let reader =
        BroadcastReader::start(kafka, R::TOPIC.with_prefix(prefix), layout, stop.clone(), move |event| match event {
            ReaderEvent::Record(record) => match record.value.map(R::from_json) {
                Some(Ok(value)) => take(&stage.hub, value),
                // A tombstone: nothing writes one, and what is shown may stay.
                None => {}
                Some(Err(error)) => {
                    let topic = R::TOPIC.name();
                    metrics::counter!("tweet_listener_unreadable_records_total", "topic" => topic).increment(1);
                    tracing::warn!(topic, record.partition, record.offset, "record skipped: {error}");
                }
            },
            ReaderEvent::Idle => stage.hub.idle(),
            _ => {}
        })?;
    Ok(reader)
}

/// Ready when the reader has caught up, with its reason where it cannot go on.
async fn caught_up(mut state: watch::Receiver<ReaderState>) -> Option<String> {
    let ended = state.wait_for(|state| *state != ReaderState::CatchingUp).await;
    match ended.as_deref() {
        Ok(ReaderState::Failed(reason)) => Some(reason.clone()),
        _ => None,
    }
}

/// A reader that cannot go on ends the process, which starts anew with a whole view.
async fn end_with(mut state: watch::Receiver<ReaderState>, shutdown: Shutdown) {
    if let Ok(ended) = state.wait_for(|state| matches!(state, ReaderState::Failed(_) | ReaderState::Stopped)).await
        && let ReaderState::Failed(reason) = &*ended
    {
        shutdown.fail(reason.clone());
    }
}

/// Closes the streams, spread over the drain time, when the shutdown begins.
async fn send_away(stage: Arc<Stage>) {
    stage.shutdown.begun().await;
    stage.hub.tell(|| Told::Drain(stage.drain));
}

/// Sends what has been gathered when no record comes to do it, and follows retention.
async fn tend(stage: Arc<Stage>, watermarks: Watermarks) {
    let mut tick = tokio::time::interval(stage.config.tick);
    let mut look = tokio::time::interval(RETENTION_LOOK);
    let stop = stage.shutdown.clients();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => stage.hub.idle(),
            _ = look.tick() => {
                if let Ok(bounds) = watermarks.get().await {
                    stage.hub.expire(&bounds.iter().map(|bounds| bounds.start).collect::<Vec<_>>());
                }
                metrics::gauge!("tweet_listener_filters").set(stage.hub.channel_count() as f64);
            }
        }
    }
}
