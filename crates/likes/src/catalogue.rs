//! The tweets that can be liked, as the topic `tweets` has them.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use contracts::{Conference, Record as _, Topic, Tweet, TweetId};
use kafka_client::{
    BroadcastReader, KafkaConfig, KafkaError, Layout, PartitionBounds, ReaderEvent, ReaderState, TopicRecord,
    Watermarks,
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{error::Error, known_tweets::KnownTweets};

/// Positions are passed on after this many records at the latest, also while more keep coming.
const RECORDS_PER_NOTICE: u32 = 256;
/// How often the broker is asked what retention has left. Retention is counted in days.
const RETENTION_CHECK: Duration = Duration::from_mins(1);

/// What the reader's thread writes and requests read.
#[derive(Default)]
struct Read {
    known: RwLock<KnownTweets>,
    /// The next offset of each partition; empty before reading begins.
    positions: watch::Sender<Vec<i64>>,
}

impl Read {
    /// The conferences of `tweet`, or the one that is asked for, where it stands there.
    fn find(&self, tweet: &TweetId, conference: Option<&Conference>) -> Option<Vec<Conference>> {
        // The map is whole after every change of it, so a panic elsewhere does not spoil it.
        let mut found = self.known.read().unwrap_or_else(PoisonError::into_inner).conferences_of(tweet);
        if let Some(conference) = conference {
            found.retain(|found| found == conference);
        }
        (!found.is_empty()).then_some(found)
    }

    fn change(&self, change: impl FnOnce(&mut KnownTweets)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Tells whoever waits how far reading has come.
    fn has_come_to(&self, positions: &[i64]) {
        self.positions.send_modify(|said| positions.clone_into(said));
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).len();
        metrics::gauge!("likes_known_tweets").set(known as f64);
    }
}

/// Reads the topic `tweets` and answers for it.
pub(crate) struct Catalogue {
    read: Arc<Read>,
    watermarks: Watermarks,
    patience: Duration,
    state: watch::Receiver<ReaderState>,
    reader: std::sync::Mutex<Option<BroadcastReader>>,
}

impl Catalogue {
    /// Begins to read. Needs a Tokio runtime.
    pub(crate) fn start(
        kafka: &KafkaConfig,
        prefix: &str,
        layout: &Layout,
        patience: Duration,
        stop: CancellationToken,
    ) -> Result<Self, KafkaError> {
        let topic = Topic::Tweets.with_prefix(prefix);
        let watermarks = Watermarks::new(kafka, topic.clone(), layout)?;
        let read = Arc::new(Read::default());
        let reader = BroadcastReader::start(kafka, topic, layout, stop.clone(), handler(Arc::clone(&read)))?;
        tokio::spawn(forget_expired(Arc::clone(&read), watermarks.clone(), stop));
        Ok(Self { read, watermarks, patience, state: reader.state(), reader: std::sync::Mutex::new(Some(reader)) })
    }

    /// The conferences in which `tweet` stands; only `conference`, where one is named.
    ///
    /// A tweet that is not known here may have been published a moment ago, and its author may be the first to like it:
    /// then the broker is asked where the topic ends now, and only when all up to there has been read is the tweet
    /// unknown. Whoever waits shares that question.
    ///
    /// # Errors
    /// That it is unknown, or that this could not be decided in time.
    pub(crate) async fn find(
        &self,
        tweet: &TweetId,
        conference: Option<&Conference>,
    ) -> Result<Vec<Conference>, Error> {
        if let Some(found) = self.read.find(tweet, conference) {
            return Ok(found);
        }
        let search = async {
            let ends = self.watermarks.get().await.map_err(|error| Error::Undecided(error.to_string()))?;
            let mut positions = self.read.positions.subscribe();
            let mut found = None;
            let reached = positions.wait_for(|positions| {
                // Looked for after each batch of records, so that a tweet is found before the end is reached, if it is
                // there. What a position covers was noted before the position was.
                found = self.read.find(tweet, conference);
                found.is_some() || has_reached(positions, &ends)
            });
            // The sender lives as long as this catalogue.
            let _ = reached.await;
            found.ok_or_else(|| Error::unknown(tweet, conference))
        };
        let late = |_| Err(Error::Undecided("the end of the topic `tweets` was not reached in time".to_owned()));
        timeout(self.patience, search).await.unwrap_or_else(late)
    }

    /// Waits until the reader can go on no more, and tells why; `None` where it was told to stop.
    pub(crate) async fn failure(&self) -> Option<String> {
        let mut state = self.state.clone();
        let ended = |state: &ReaderState| matches!(state, ReaderState::Stopped | ReaderState::Failed(_));
        match &*state.wait_for(ended).await.ok()? {
            ReaderState::Failed(reason) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Caught up with what was on the topic at the start.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn ready(&self) -> Result<(), String> {
        match &*self.state.borrow() {
            ReaderState::Live => Ok(()),
            ReaderState::CatchingUp => Err("reading the topic `tweets`".to_owned()),
            ReaderState::Stopped => Err("stopped".to_owned()),
            ReaderState::Failed(reason) => Err(reason.clone()),
        }
    }

    /// Waits for the reader's end, after its token was cancelled.
    pub(crate) fn close(&self) {
        if let Some(reader) = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take() {
            reader.join();
        }
    }
}

/// `tweets` is written without transactions, so a partition's last offset is always a record's.
fn has_reached(positions: &[i64], ends: &[PartitionBounds]) -> bool {
    positions.len() == ends.len() && positions.iter().zip(ends).all(|(position, bounds)| *position >= bounds.end)
}

/// Notes every tweet, then the position behind it.
fn handler(read: Arc<Read>) -> impl FnMut(ReaderEvent<'_>) {
    let mut positions = Vec::new();
    let mut unsaid = 0;
    move |event| {
        match event {
            ReaderEvent::Started(bounds) => {
                positions = bounds.iter().map(|bounds| bounds.start).collect();
                unsaid = RECORDS_PER_NOTICE;
            }
            ReaderEvent::Record(record) => {
                match note(&read, &record) {
                    Ok(()) => {}
                    Err(reason) => {
                        metrics::counter!("likes_unreadable_records_total", "topic" => "tweets").increment(1);
                        tracing::warn!(partition = record.partition, offset = record.offset, "skipped: {reason}");
                    }
                }
                set(&mut positions, record.partition, record.offset + 1);
                unsaid += 1;
            }
            ReaderEvent::Expired { partition, next } => {
                set(&mut positions, partition, next);
                unsaid = RECORDS_PER_NOTICE;
            }
            ReaderEvent::Idle | ReaderEvent::CaughtUp => unsaid = RECORDS_PER_NOTICE,
        }
        if unsaid >= RECORDS_PER_NOTICE {
            unsaid = 0;
            read.has_come_to(&positions);
        }
    }
}

fn set(positions: &mut [i64], partition: i32, next: i64) {
    if let Some(position) = usize::try_from(partition).ok().and_then(|at| positions.get_mut(at)) {
        *position = next;
    }
}

fn note(read: &Read, record: &TopicRecord<'_>) -> Result<(), String> {
    let value = record.value.ok_or("a record without a value")?;
    let message = Tweet::from_json(value).map_err(|error| error.to_string())?;
    let tweet = TweetId::parse(&message.tweet_id).map_err(|refused| refused.to_string())?;
    let conference = Conference::parse(&message.tag_filter).map_err(|refused| refused.to_string())?;
    read.change(|known| known.note(&tweet, &conference, record.partition, record.offset));
    Ok(())
}

/// Every now and then forgets what retention has taken from the topic.
async fn forget_expired(read: Arc<Read>, watermarks: Watermarks, stop: CancellationToken) {
    let mut checks = interval(RETENTION_CHECK);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(checks.tick()).await.is_some() {
        // A broker that does not answer has not dropped anything that would have to be forgotten at once.
        if let Some(Ok(bounds)) = stop.run_until_cancelled(watermarks.get()).await {
            let starts: Vec<i64> = bounds.iter().map(|bounds| bounds.start).collect();
            read.change(|known| known.forget_before(&starts));
        }
    }
}

pub(crate) fn describe_metrics() {
    metrics::describe_gauge!("likes_known_tweets", "Tweets that can be liked: those that the topic `tweets` retains");
    metrics::describe_counter!(
        "likes_unreadable_records_total",
        "Records that were skipped because nobody can read them"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &[u8], partition: i32, offset: i64) -> TopicRecord<'_> {
        TopicRecord { partition, offset, timestamp: 0, key: None, value: Some(value), trace: None }
    }

    #[test]
    fn an_unreadable_record_is_passed_over_and_its_offset_counts_as_read() {
        let read = Arc::new(Read::default());
        let mut handle = handler(Arc::clone(&read));
        let bounds = [PartitionBounds { start: 5, end: 7 }, PartitionBounds { start: 0, end: 0 }];
        handle(ReaderEvent::Started(&bounds));
        assert!(!has_reached(&read.positions.borrow(), &bounds));
        handle(ReaderEvent::Record(record(b"no json", 0, 5)));
        handle(ReaderEvent::Record(record(br#"{"tweetId":"1","tagFilter":"rustconf"}"#, 0, 6)));
        handle(ReaderEvent::Idle);
        assert!(has_reached(&read.positions.borrow(), &bounds));
        let tweet = TweetId::parse("1").expect("an id");
        let [rustconf, wall] = ["rustconf", "wall"].map(|name| Conference::parse(name).expect("a conference"));
        assert_eq!(read.find(&tweet, None), Some(vec![rustconf.clone()]));
        assert_eq!(read.find(&tweet, Some(&rustconf)), Some(vec![rustconf]));
        assert_eq!(read.find(&tweet, Some(&wall)), None);
    }

    #[test]
    fn nothing_counts_as_read_before_the_partitions_are_known() {
        let read = Read::default();
        assert!(!has_reached(&read.positions.borrow(), &[PartitionBounds { start: 0, end: 0 }]));
    }
}
