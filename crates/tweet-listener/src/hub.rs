//! The wall as this replica knows it, and everybody who watches it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use contracts::{Conference, ConferenceAnalytics, LikeCount, TraceParent};
use kafka_client::TopicRecord;
use tokio::sync::Notify;

use crate::{
    channels::{ChannelId, ChannelKey, Channels, TooManyChannels},
    config::StreamConfig,
    filter::Filter,
    frame::Event,
    position::{Position, StreamIds},
    ring::Lapped,
    tables::{TableEvent, Tables},
    tweet_log::{Appended, Entry, LogBounds, TweetLog},
};

/// Tweets whose counts a connection gets at its start.
const SNAPSHOT_TWEETS: usize = 200;
/// Under a load that never pauses, viewers are woken this often.
const BUSY_TICK: Duration = Duration::from_millis(5);
/// Changed windows are sent this often: one like changes the lists of all sizes, and texts make them long.
const WINDOWS_TICK: Duration = Duration::from_secs(1);

/// Shared by the feed, which writes, and all viewers, which read; no lock is held while anything is waited for.
pub struct Hub {
    wall: Mutex<Wall>,
    /// Wakes viewers that are not on a channel yet.
    arrivals: Notify,
    /// Ids of this log.
    pub ids: StreamIds,
    tick: Duration,
}

struct Wall {
    log: TweetLog,
    tables: Tables,
    channels: Channels,
    live: bool,
    /// When the first frame came for which nobody was woken yet.
    unwoken: Option<Instant>,
    tables_sent: Instant,
    windows_sent: Instant,
}

/// What stands between a viewer and the live stream.
pub enum Join {
    /// On the channel: what to send first, and where its cursor begins.
    Live {
        /// The present value of the tables.
        snapshot: Bytes,
        /// The channel.
        channel: ChannelId,
        /// The first frame that it has not got.
        cursor: u64,
        /// What wakes it.
        arrivals: Arc<Notify>,
    },
    /// Tweets from memory; the position has moved along.
    Tweets(Bytes),
    /// Records before this position must be read from Kafka again.
    Kafka(Position),
    /// The viewer has seen more than this replica: it waits.
    Ahead,
}

/// What a viewer on a channel has not got yet.
pub enum Pending {
    /// These frames.
    Frames(Bytes),
    /// Nothing: it has everything up to this position.
    None(Position),
}

impl Hub {
    /// A hub for a log that begins at `starts`.
    pub fn new(config: &StreamConfig, ids: StreamIds, starts: &[i64]) -> Self {
        let bounds = LogBounds {
            memory_bytes: config.memory_bytes,
            recent_per_conference: SNAPSHOT_TWEETS,
            recent_in_all: config.recent_tweets,
        };
        Self {
            wall: Mutex::new(Wall {
                log: TweetLog::new(starts, bounds),
                tables: Tables::default(),
                channels: Channels::new(config.ring_bytes, config.max_filters),
                live: false,
                unwoken: None,
                tables_sent: Instant::now(),
                windows_sent: Instant::now(),
            }),
            arrivals: Notify::new(),
            ids,
            tick: config.tick,
        }
    }

    fn wall(&self) -> MutexGuard<'_, Wall> {
        // A panic while the lock was held has ended that task alone; the wall itself is consistent between statements.
        self.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // -- what the feed calls -------------------------------------------------------------------------------------------

    /// Takes the next record of `tweets`.
    pub fn tweet(&self, record: &TopicRecord<'_>) {
        let Ok(partition) = usize::try_from(record.partition) else { return };
        let read = Entry::read(
            partition,
            record.offset,
            record.timestamp,
            record.value.unwrap_or_default(),
            record.trace.map(TraceParent::child),
        );
        let mut wall = self.wall();
        let entry = match read {
            Ok(entry) => entry,
            Err(error) => {
                wall.log.pass(partition, record.offset);
                metrics::counter!("tweet_listener_unreadable_records_total", "topic" => "tweets").increment(1);
                tracing::warn!(topic = "tweets", partition, offset = record.offset, "record skipped: {error}");
                return;
            }
        };
        let Appended::New(entry) = wall.log.append(entry) else {
            metrics::counter!("tweet_listener_repeats_total").increment(1);
            return;
        };
        if !wall.live {
            return;
        }
        let id = self.ids.write(&wall.log.position());
        let event = Event { name: None, id: Some(&id), json: &entry.json, trace: entry.trace };
        wall.channels.publish(&entry.conference, |html| event.frame(html));
        if wall.unwoken.get_or_insert_with(Instant::now).elapsed() >= BUSY_TICK {
            self.wake(&mut wall);
        }
    }

    /// Goes on at `next`: retention has taken what lay before.
    pub fn skip_to(&self, partition: i32, next: i64) {
        if let Ok(partition) = usize::try_from(partition) {
            self.wall().log.skip_to(partition, next);
        }
    }

    /// Notes where the retained log begins now.
    pub fn expire(&self, starts: &[i64]) {
        let mut wall = self.wall();
        for (partition, start) in starts.iter().enumerate() {
            wall.log.expire(partition, *start);
        }
    }

    /// Takes a record of `tweet-like-counts`.
    pub fn count(&self, count: LikeCount) {
        if let Ok(conference) = Conference::parse(&count.conference) {
            self.wall().tables.set_count(conference, count);
        }
    }

    /// Takes a record of `tweet-analytics`.
    pub fn analytics(&self, analytics: ConferenceAnalytics) {
        if let Ok(conference) = Conference::parse(&analytics.conference) {
            self.wall().tables.set_analytics(conference, analytics);
        }
    }

    /// Nothing more is waiting: viewers get what there is.
    pub fn idle(&self) {
        let mut wall = self.wall();
        self.send_tables(&mut wall);
        self.wake(&mut wall);
    }

    /// Everything that was on the topics at the start has been read: viewers may come.
    pub fn go_live(&self) {
        let mut wall = self.wall();
        wall.tables.discard_changes();
        wall.live = true;
    }

    fn send_tables(&self, wall: &mut Wall) {
        if !wall.live || wall.tables_sent.elapsed() < self.tick {
            return;
        }
        if wall.tables.has_changes() {
            wall.tables_sent = Instant::now();
            let changes = wall.tables.take_changes(&wall.log);
            publish(&mut wall.channels, changes);
        }
        if wall.tables.has_changed_windows() && wall.windows_sent.elapsed() >= WINDOWS_TICK {
            wall.windows_sent = Instant::now();
            let changes = wall.tables.take_changed_windows();
            publish(&mut wall.channels, changes);
        }
    }

    fn wake(&self, wall: &mut Wall) {
        wall.unwoken = None;
        wall.channels.wake();
        self.arrivals.notify_waiters();
    }

    // -- what viewers call ---------------------------------------------------------------------------------------------

    /// Everything that this replica has seen.
    pub fn position(&self) -> Position {
        self.wall().log.position()
    }

    /// Where the retained log begins, as far as is known here.
    pub fn start(&self) -> Position {
        self.wall().log.start()
    }

    /// Wakes when anything comes; for viewers that are not on a channel.
    pub fn arrivals(&self) -> &Notify {
        &self.arrivals
    }

    /// Brings a viewer that has seen everything before `position` one step closer to the live stream, or onto it.
    ///
    /// # Errors
    /// [`TooManyChannels`].
    pub fn join(&self, key: &ChannelKey, position: &mut Position, max_bytes: usize) -> Result<Join, TooManyChannels> {
        let mut wall = self.wall();
        let head = wall.log.position();
        if *position == head {
            let newest = wall.log.recent().newest(&key.filter, SNAPSHOT_TWEETS);
            let snapshot = frames(wall.tables.snapshot(&key.filter, &newest).iter().map(|event| event.frame(key.html)));
            let (channel, cursor, arrivals) = wall.channels.join(key)?;
            return Ok(Join::Live { snapshot, channel, cursor, arrivals });
        }
        let memory = wall.log.memory_start();
        // Partitions in which the viewer is ahead have nothing to read and cannot lie before memory.
        if !position.covers(&memory) {
            return Ok(Join::Kafka(memory));
        }
        let before = position.clone();
        let mut tweets = BytesMut::new();
        wall.log.replay(position, &key.filter, |entry, position| {
            tweets.extend_from_slice(&self.tweet_frame(entry, position, key.html));
            tweets.len() < max_bytes
        });
        if tweets.is_empty() && *position == before { Ok(Join::Ahead) } else { Ok(Join::Tweets(tweets.freeze())) }
    }

    /// The frame of a tweet for one viewer, whose position is its id.
    pub fn tweet_frame(&self, entry: &Entry, position: &Position, html: bool) -> Bytes {
        let id = self.ids.write(position);
        Event { name: None, id: Some(&id), json: &entry.json, trace: entry.trace }.frame(html)
    }

    /// Whether a record that was read from Kafka again is shown at its first place only.
    pub fn is_repeat(&self, entry: &Entry) -> bool {
        self.wall().log.is_repeat(entry)
    }

    /// Everything that is pending on a channel, about `max_bytes` at a time.
    ///
    /// # Errors
    /// [`Lapped`].
    pub fn read(&self, channel: ChannelId, cursor: &mut u64, max_bytes: usize) -> Result<Pending, Lapped> {
        let wall = self.wall();
        let pending = wall.channels.read(channel, cursor, max_bytes)?;
        Ok(pending.map_or_else(|| Pending::None(wall.log.position()), Pending::Frames))
    }

    /// Takes a viewer off its channel.
    pub fn leave(&self, channel: ChannelId) {
        self.wall().channels.leave(channel);
    }

    /// The newest tweets as JSON with their counts, and the position that they belong to.
    pub fn newest(&self, filter: &Filter, limit: usize) -> (Vec<Arc<Entry>>, Vec<LikeCount>, Position) {
        let wall = self.wall();
        let newest = wall.log.recent().newest(filter, limit);
        let counts = newest.iter().filter_map(|entry| {
            let count = wall.tables.count(&entry.conference, entry.tweet_id.as_str())?;
            Some(LikeCount { tweet_id: entry.tweet_id.to_string(), conference: entry.conference.to_string(), count })
        });
        (newest.clone(), counts.collect(), wall.log.position())
    }

    /// How many distinct filters are watched.
    pub fn channel_count(&self) -> usize {
        self.wall().channels.len()
    }
}

fn publish(channels: &mut Channels, changes: Vec<(Conference, Vec<TableEvent>)>) {
    for (conference, events) in changes {
        for event in events {
            channels.publish(&conference, |html| event.frame(html));
        }
    }
}

fn frames(frames: impl Iterator<Item = Bytes>) -> Bytes {
    let mut all = BytesMut::new();
    frames.for_each(|frame| all.extend_from_slice(&frame));
    all.freeze()
}

#[cfg(test)]
#[path = "hub_model.rs"]
mod model;
