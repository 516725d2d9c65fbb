//! The wall as this replica knows it, and everybody who watches it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use contracts::{
    Conference, ConferenceAnalytics, InvalidField, LikeCount, TraceParent, UnreadableRecord, partition_of,
};
use kafka_client::TopicRecord;
use tokio::sync::Notify;

use crate::{
    audience::Newcomer,
    channels::{ChannelId, ChannelKey, Channels, TooManyChannels},
    config::StreamConfig,
    filter::Filter,
    frame::{Event, reset},
    inbox::{Inbox, Told},
    join::{Join, Opening},
    position::{Position, StreamIds},
    serving::Client,
    snapshots::{SNAPSHOT_TWEETS, Snapshots},
    tables::{TableEvent, Tables},
    tweet_log::{Appended, Entry, LogBounds, TweetLog},
};

/// A reset, and its words: tweets that somebody still had to get are not to be had.
pub const EXPIRED: (&str, &str) = ("expired", "tweets after this id are no longer retained");
/// Under a load that never pauses, serving threads are woken this often.
const BUSY_TICK: Duration = Duration::from_millis(5);
/// Changed windows are sent this often: one like changes the lists of all sizes, and texts make them long.
const WINDOWS_TICK: Duration = Duration::from_secs(1);

/// Shared by the feed, which writes, by viewers on their way to the live stream, and by the threads that serve them there;
/// no lock is held while anything is waited for. `S` is where a viewer is sent to.
pub struct Hub<S = Client> {
    wall: Mutex<Wall>,
    /// By serving thread. Filled under the wall's lock, so that what is in there is in the order of the wall.
    inboxes: Box<[Inbox<S>]>,
    /// Wakes viewers that are not on a channel yet.
    arrivals: Notify,
    /// Ids of this log.
    pub ids: StreamIds,
    partitions: i32,
    tick: Duration,
    /// Of tables in one tick.
    tables_bytes: usize,
}

struct Wall {
    log: TweetLog,
    tables: Tables,
    channels: Channels,
    snapshots: Snapshots,
    live: bool,
    /// When the first frame came for which nobody was woken yet.
    unwoken: Option<Instant>,
    tables_sent: Instant,
    windows_sent: Instant,
}

impl<S> Hub<S> {
    /// A hub for a log that begins at `starts`.
    ///
    /// # Errors
    /// Where the system has no more files.
    pub fn new(config: &StreamConfig, ids: StreamIds, starts: &[i64]) -> io::Result<Self> {
        let inboxes = (0..config.serving_threads()).map(|_| Inbox::new()).collect::<io::Result<Box<[_]>>>()?;
        let bounds = LogBounds {
            memory_bytes: config.memory_bytes,
            recent_per_conference: SNAPSHOT_TWEETS,
            recent_in_all: config.recent_tweets,
        };
        Ok(Self {
            wall: Mutex::new(Wall {
                log: TweetLog::new(starts, bounds),
                tables: Tables::new(&config.likes_window),
                channels: Channels::new(config.max_filters, inboxes.len()),
                snapshots: Snapshots::default(),
                live: false,
                unwoken: None,
                tables_sent: Instant::now(),
                windows_sent: Instant::now(),
            }),
            inboxes,
            arrivals: Notify::new(),
            ids,
            partitions: i32::try_from(starts.len()).unwrap_or(i32::MAX),
            tick: config.tick,
            tables_bytes: config.tables_bytes,
        })
    }

    fn wall(&self) -> MutexGuard<'_, Wall> {
        // A panic while the lock was held has ended that task alone; the wall itself is consistent between statements.
        self.wall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // -- what the feed calls -------------------------------------------------------------------------------------------

    /// Takes the next record of `tweets`.
    pub fn tweet(&self, record: &TopicRecord<'_>) {
        let Ok(partition) = usize::try_from(record.partition) else { return };
        let (value, trace) = (record.value.unwrap_or_default(), record.trace.map(TraceParent::child));
        let read = self.entry(partition, record.offset, record.timestamp, value, trace);
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
        wall.snapshots.expire();
        let id = self.ids.write(&wall.log.position());
        let event = Event { name: None, id: Some(&id), json: &entry.json, trace: entry.trace };
        self.publish(&wall.channels, &entry.conference, true, |html| event.frame(html));
        if wall.unwoken.get_or_insert_with(Instant::now).elapsed() >= BUSY_TICK {
            self.wake(&mut wall);
        }
    }

    /// Reads the value of a record of `tweets`.
    ///
    /// # Errors
    /// Where it is no tweet, or stands in a partition that is not its conference's: offsets of different partitions say
    /// nothing about which of two tweets is the first, so replicas would not agree, and analytics does not count it.
    pub fn entry(
        &self,
        partition: usize,
        offset: i64,
        timestamp: i64,
        value: &[u8],
        trace: Option<TraceParent>,
    ) -> Result<Entry, UnreadableRecord> {
        let entry = Entry::read(partition, offset, timestamp, value, trace)?;
        if usize::try_from(partition_of(&entry.conference, self.partitions)) == Ok(partition) {
            Ok(entry)
        } else {
            Err(InvalidField::new("tagFilter", "is of another partition").into())
        }
    }

    /// Goes on at `next`: retention has taken what lay before. Viewers on the live stream are told that they miss
    /// something, since their next ids pass over it.
    pub fn skip_to(&self, partition: i32, next: i64) {
        let Ok(partition) = usize::try_from(partition) else { return };
        let mut wall = self.wall();
        if !wall.log.skip_to(partition, next) || !wall.live {
            return;
        }
        let id = self.ids.write(&wall.log.position());
        let encode = |html| reset(&id, EXPIRED.0, EXPIRED.1, html);
        wall.channels.publish_to_all(encode, |thread, channel, frame| {
            metrics::counter!("tweet_listener_resets_total", "reason" => EXPIRED.0).increment(1);
            self.inboxes[thread].push(Told::Frame { channel, frame, has_id: true });
        });
        self.wake(&mut wall);
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
            let changes = wall.tables.take_changes(&wall.log, self.tables_bytes);
            self.publish_changes(wall, changes);
        }
        if wall.tables.has_changed_windows() && wall.windows_sent.elapsed() >= WINDOWS_TICK {
            wall.windows_sent = Instant::now();
            let changes = wall.tables.take_changed_windows(self.tables_bytes);
            self.publish_changes(wall, changes);
        }
    }

    fn publish_changes(&self, wall: &mut Wall, changes: Vec<(Conference, Vec<TableEvent>)>) {
        wall.snapshots.expire();
        for (conference, events) in changes {
            for event in events {
                self.publish(&wall.channels, &conference, false, |html| event.frame(html));
            }
        }
    }

    fn publish(&self, channels: &Channels, conference: &Conference, has_id: bool, encode: impl Fn(bool) -> Bytes) {
        channels.publish(conference, encode, |thread, channel, frame| {
            self.inboxes[thread].push(Told::Frame { channel, frame, has_id });
        });
    }

    fn wake(&self, wall: &mut Wall) {
        wall.unwoken = None;
        self.inboxes.iter().for_each(Inbox::ring);
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

    /// Brings a viewer that has seen everything before `position` one step closer to the live stream, or onto it: then
    /// `open` is called, and a serving thread has the viewer, unless it is gone.
    ///
    /// # Errors
    /// [`TooManyChannels`].
    pub fn join(
        &self,
        key: &ChannelKey,
        position: &mut Position,
        max_bytes: usize,
        open: impl FnOnce() -> Option<Opening<S>>,
    ) -> Result<Join, TooManyChannels> {
        let wall = &mut *self.wall();
        let head = wall.log.position();
        if *position == head {
            let (channel, thread) = wall.channels.join(key)?;
            let Some(Opening { socket, bytes, ping }) = open() else {
                wall.channels.leave(channel, thread);
                return Ok(Join::Entered);
            };
            let snapshot = wall.snapshots.get(key, &wall.tables, &wall.log);
            let inbox = &self.inboxes[thread];
            inbox.push(Told::Enter(Newcomer { socket, channel, opening: [bytes, snapshot], ping }));
            inbox.ring();
            return Ok(Join::Entered);
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

    // -- what serving threads call -------------------------------------------------------------------------------------

    /// What a serving thread is told.
    pub fn inbox(&self, thread: usize) -> &Inbox<S> {
        &self.inboxes[thread]
    }

    /// How many serving threads there are to be.
    pub fn threads(&self) -> usize {
        self.inboxes.len()
    }

    /// What a serving thread was told, and the position that it comes to.
    pub fn collect(&self, thread: usize) -> (Vec<Told<S>>, Position) {
        let wall = self.wall();
        (self.inboxes[thread].take(), wall.log.position())
    }

    /// Takes viewers off their channels.
    pub fn leave(&self, thread: usize, channels: impl IntoIterator<Item = ChannelId>) {
        let mut wall = self.wall();
        channels.into_iter().for_each(|channel| wall.channels.leave(channel, thread));
    }

    /// Tells every serving thread something.
    pub fn tell(&self, told: impl Fn() -> Told<S>) {
        for inbox in &self.inboxes {
            inbox.push(told());
            inbox.ring();
        }
    }

    // -- what others ask -----------------------------------------------------------------------------------------------

    /// The newest tweets as JSON with their counts, and the position that they belong to.
    pub fn newest(&self, filter: &Filter, limit: usize) -> (Vec<Arc<Entry>>, Vec<LikeCount>, Position) {
        let wall = self.wall();
        let newest = wall.log.recent().newest(filter, limit);
        let counts = newest.iter().filter_map(|entry| {
            let count = wall.tables.count(&entry.conference, entry.tweet_id.as_str())?;
            Some(LikeCount { tweet_id: entry.tweet_id.to_string(), conference: entry.conference.to_string(), count })
        });
        let (counts, position) = (counts.collect(), wall.log.position());
        drop(wall);
        (newest, counts, position)
    }

    /// How many distinct filters are watched.
    pub fn channel_count(&self) -> usize {
        self.wall().channels.len()
    }
}

#[cfg(test)]
#[path = "hub_model.rs"]
mod model;
#[cfg(test)]
#[path = "tables_model.rs"]
mod tables_model;
