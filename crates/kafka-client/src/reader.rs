//! Reading a whole topic, every partition, in every replica.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use contracts::{TRACEPARENT, TraceParent};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError as ClientError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers as _},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Isolation, KafkaConfig, KafkaError, Layout, PartitionBounds, bootstrap::Bootstrap, logging::Logged};

/// The longest wait for a record before the reader looks whether it shall stop.
const POLL: Duration = Duration::from_millis(100);
/// How long the broker may take to tell a partition's bounds.
const PATIENCE: Duration = Duration::from_secs(4);

/// One record as it came from the broker.
#[derive(Debug, Clone, Copy)]
pub struct TopicRecord<'a> {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
    /// Milliseconds since the epoch; whose clock it is follows from the topic.
    pub timestamp: i64,
    /// The key, where there is one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The trace that it belongs to.
    pub trace: Option<TraceParent>,
}

impl<'a> TopicRecord<'a> {
    pub(crate) fn of(message: &'a BorrowedMessage<'_>) -> Self {
        let trace = message.headers().and_then(|headers| {
            let header = headers.iter().find(|header| header.key == TRACEPARENT)?;
            TraceParent::parse(std::str::from_utf8(header.value?).ok()?)
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(0),
            key: message.key(),
            value: message.payload(),
            trace,
        }
    }
}

/// What the reader's handler is called with, on the reader's thread.
#[derive(Debug)]
pub enum ReaderEvent<'a> {
    /// The partitions were found; reading begins at their first retained records.
    Started(&'a [PartitionBounds]),
    /// The next record of a partition.
    Record(TopicRecord<'a>),
    /// Nothing more is waiting: the moment to pass on what has been gathered.
    Idle,
    /// Every record that was on the topic at the start has been seen. Comes once.
    CaughtUp,
    /// Retention passed the reader by while it was cut off: records of `partition` before `next` are gone.
    Expired {
        /// The partition.
        partition: i32,
        /// Where reading goes on.
        next: i64,
    },
}

/// What the reader is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReaderState {
    /// Reading what was on the topic at the start.
    CatchingUp,
    /// Reading what comes.
    Live,
    /// Ended by its token.
    Stopped,
    /// Cannot go on; only a new start of the process helps.
    Failed(String),
}

/// Reads every partition of one topic under read_committed, from a thread of its own, without a consumer group; goes on
/// by itself when brokers restart. Never waits for whoever is behind its handler.
pub struct BroadcastReader {
    state: watch::Receiver<ReaderState>,
    thread: Option<JoinHandle<()>>,
}

impl BroadcastReader {
    /// Reads `topic` (its full name) from its beginning and calls `handler` for each event until `stop` is cancelled.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn start(
        config: &KafkaConfig,
        topic: String,
        layout: &Layout,
        stop: CancellationToken,
        handler: impl FnMut(ReaderEvent<'_>) + Send + 'static,
    ) -> Result<Self, KafkaError> {
        let (consumer, bootstrap) = (consumer(config, Isolation::Committed)?, Bootstrap::new(config));
        let (state, receiver) = watch::channel(ReaderState::CatchingUp);
        let partitions = layout.partitions;
        let thread = thread::Builder::new()
            .name(format!("read-{topic}"))
            .spawn(move || {
                let mut reading = Reading {
                    consumer: Arc::new(consumer),
                    bootstrap,
                    topic: topic.into(),
                    next: Vec::new(),
                    behind: Vec::new(),
                    state,
                    stop,
                    handler,
                };
                let end = match reading.run(partitions) {
                    Ok(()) => ReaderState::Stopped,
                    Err(reason) => {
                        tracing::error!(topic = &*reading.topic, "reader stopped: {reason}");
                        ReaderState::Failed(format!("{}: {reason}", reading.topic))
                    }
                };
                reading.state.send_replace(end);
            })
            .map_err(|error| KafkaError::new(format!("cannot start a thread: {error}")))?;
        Ok(Self { state: receiver, thread: Some(thread) })
    }

    /// What it is doing now; changes can be awaited.
    pub fn state(&self) -> watch::Receiver<ReaderState> {
        self.state.clone()
    }

    /// Waits for the thread to end, after its token was cancelled. Blocks at most about 0.2 s.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A consumer that joins no group and commits nothing.
pub(crate) fn consumer(config: &KafkaConfig, isolation: Isolation) -> Result<BaseConsumer<Logged>, KafkaError> {
    let mut client = config.client();
    client
        // librdkafka wants a name even where nobody joins.
        .set("group.id", "livewall-reader")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", isolation.level())
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false");
    Ok(client.create_with_context(Logged)?)
}

struct Reading<H> {
    consumer: Arc<BaseConsumer<Logged>>,
    bootstrap: Bootstrap,
    topic: Arc<str>,
    /// The next offset of each partition.
    next: Vec<i64>,
    /// The end of each partition as seen at the start, while it has not been reached.
    behind: Vec<Option<i64>>,
    state: watch::Sender<ReaderState>,
    stop: CancellationToken,
    handler: H,
}

impl<H: FnMut(ReaderEvent<'_>)> Reading<H> {
    fn run(&mut self, partitions: i32) -> Result<(), String> {
        let Some(bounds) = self.find_bounds(partitions) else { return Ok(()) };
        self.next = bounds.iter().map(|bounds| bounds.start).collect();
        self.behind = bounds.iter().map(|bounds| (bounds.end > bounds.start).then_some(bounds.end)).collect();
        self.assign()?;
        (self.handler)(ReaderEvent::Started(&bounds));
        self.note_progress();
        // A handle of its own, because a message borrows the consumer while the rest of self is changed.
        let consumer = Arc::clone(&self.consumer);
        // Whether records were passed on since the last Idle.
        let mut gathering = false;
        while !self.stop.is_cancelled() {
            // A record that is already here is taken without a wait; only an empty queue is waited for.
            let wait = if gathering { Duration::ZERO } else { POLL };
            match consumer.poll(wait) {
                None if gathering => {
                    gathering = false;
                    (self.handler)(ReaderEvent::Idle);
                }
                None => self.bootstrap.remind(consumer.client()),
                Some(Ok(message)) => {
                    gathering = true;
                    self.take(&message);
                }
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    if let Some(behind) = usize::try_from(partition).ok().and_then(|at| self.behind.get_mut(at)) {
                        *behind = None;
                    }
                    self.note_progress();
                }
                Some(Err(error)) => self.handle(&error)?,
            }
        }
        Ok(())
    }

    /// Asks until the broker answers. `None` when stopped meanwhile.
    fn find_bounds(&self, partitions: i32) -> Option<Vec<PartitionBounds>> {
        while !self.stop.is_cancelled() {
            match self.bounds(partitions) {
                Ok(bounds) => return Some(bounds),
                Err(error) => {
                    self.bootstrap.remind(self.consumer.client());
                    tracing::debug!(topic = &*self.topic, "cannot tell the bounds yet: {error}");
                    thread::sleep(POLL);
                }
            }
        }
        None
    }

    fn bounds(&self, partitions: i32) -> Result<Vec<PartitionBounds>, ClientError> {
        (0..partitions)
            .map(|partition| {
                let (start, end) = self.consumer.fetch_watermarks(&self.topic, partition, PATIENCE)?;
                Ok(PartitionBounds { start, end })
            })
            .collect()
    }

    fn assign(&self) -> Result<(), String> {
        let mut list = TopicPartitionList::new();
        for (partition, next) in (0..).zip(&self.next) {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(*next)).map_err(|e| e.to_string())?;
        }
        self.consumer.assign(&list).map_err(|error| error.to_string())
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let record = TopicRecord::of(message);
        let Some(at) = usize::try_from(record.partition).ok().filter(|at| *at < self.next.len()) else { return };
        if record.offset < self.next[at] {
            // Fetched before a new assignment took hold.
            return;
        }
        self.next[at] = record.offset + 1;
        (self.handler)(ReaderEvent::Record(record));
        if self.behind[at].is_some_and(|end| record.offset + 1 >= end) {
            self.behind[at] = None;
            self.note_progress();
        }
    }

    fn note_progress(&mut self) {
        if *self.state.borrow() == ReaderState::CatchingUp && self.behind.iter().all(Option::is_none) {
            self.state.send_replace(ReaderState::Live);
            (self.handler)(ReaderEvent::CaughtUp);
        }
    }

    /// Errors that pass by themselves are librdkafka's to retry; a lost position is ours.
    fn handle(&mut self, error: &ClientError) -> Result<(), String> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => self.find_place(),
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                Err("this user may not read the topic (ACL: Read)".to_owned())
            }
            _ if matches!(error, ClientError::MessageConsumptionFatal(_)) => Err(error.to_string()),
            _ => {
                tracing::debug!(topic = &*self.topic, "reading: {error}");
                Ok(())
            }
        }
    }

    /// The broker does not have the offset that was asked for: either retention has passed it, or this is another log.
    fn find_place(&mut self) -> Result<(), String> {
        let partitions = i32::try_from(self.next.len()).unwrap_or(i32::MAX);
        let Some(bounds) = self.find_bounds(partitions) else { return Ok(()) };
        for (partition, bounds) in (0..).zip(bounds) {
            let at = usize::try_from(partition).expect("counted up from zero");
            let next = self.next[at];
            if next > bounds.end {
                return Err(format!(
                    "partition {partition} ends at {} but was read up to {next}: the topic was made anew or has lost records",
                    bounds.end
                ));
            }
            if next < bounds.start {
                tracing::warn!(
                    topic = &*self.topic,
                    partition,
                    from = next,
                    to = bounds.start,
                    "records expired unread"
                );
                self.next[at] = bounds.start;
                (self.handler)(ReaderEvent::Expired { partition, next: bounds.start });
            }
        }
        self.assign()
    }
}
