//! The topic itself, without any service: the bare clients that services are measured beside.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use contracts::{Conference, EventHeaders, Record as _, Timestamp, Topic, TraceParent, Tweet, partition_of};
use kafka_client::{
    BareProducer, BareRecord, BroadcastReader, KafkaConfig, Layout, ReaderEvent, ReaderState, SendError,
};
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::Ledger,
    series::{Place, Series},
    stage::{PARTITIONS, Stage, WAIT},
};

/// Posts of a series as the records that event-bridge would make of them, ready to be sent.
pub(super) struct Records {
    topic: String,
    headers: Vec<(&'static str, String)>,
    bytes: Vec<(i32, Vec<u8>, Vec<u8>)>,
}

impl Records {
    pub(super) fn of(stage: &Stage, tweets: impl IntoIterator<Item = Tweet>) -> Self {
        let records = tweets.into_iter().map(|tweet| {
            let conference = Conference::parse(&tweet.tag_filter).expect("series make good names");
            (partition_of(&conference, PARTITIONS), tweet.key().into_bytes(), tweet.to_json())
        });
        Self {
            topic: Topic::Tweets.with_prefix(stage.prefix()),
            headers: headers().pairs(Tweet::KIND),
            bytes: records.collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Hands record `at` over; waits while the queue is full.
    pub(super) fn send(&self, producer: &BareProducer, at: usize) -> anyhow::Result<()> {
        let (partition, key, value) = &self.bytes[at];
        let record = BareRecord { topic: &self.topic, partition: *partition, key, value, headers: &self.headers };
        loop {
            match producer.send(record) {
                Err(SendError::Busy) => thread::sleep(Duration::from_millis(1)),
                outcome => return Ok(outcome?),
            }
        }
    }
}

/// The headers of every record of a bench: as many bytes as each would have of its own.
pub(super) fn headers() -> EventHeaders {
    EventHeaders {
        id: "load-00000000-0/00000000.0.0000".into(),
        source: "/event-bridge",
        time: Timestamp::from_millis(1_795_359_840_000),
        trace: Some(TraceParent::start()),
    }
}

/// A consumer of `tweets` with nothing behind it but a ledger.
pub(super) struct TopicReader {
    reader: BroadcastReader,
    stop: CancellationToken,
    ledger: Arc<Mutex<Ledger>>,
}

impl TopicReader {
    /// Reads from the beginning; `on_record` is called for each post of `series`.
    pub(super) fn start(
        stage: &Stage,
        series: &Series,
        mut on_record: impl FnMut(Place) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let config: KafkaConfig = stage.broker.config();
        let layout = Layout { cluster_id: "".into(), partitions: PARTITIONS };
        let (stop, ledger) = (CancellationToken::new(), Arc::new(Mutex::new(Ledger::new(series.conferences()))));
        let (series, entries) = (series.clone(), Arc::clone(&ledger));
        let topic = Topic::Tweets.with_prefix(stage.prefix());
        let reader = BroadcastReader::start(&config, topic, &layout, stop.clone(), move |event| {
            if let ReaderEvent::Record(record) = event
                && let Some(place) =
                    std::str::from_utf8(record.value.unwrap_or_default()).ok().and_then(|json| series.place_in(json))
            {
                on_record(place);
                entries.lock().unwrap_or_else(PoisonError::into_inner).enter(place);
            }
        })?;
        Ok(Self { reader, stop, ledger })
    }

    /// Waits until everything that was on the topic at the start has been read.
    pub(super) async fn caught_up(&self) -> anyhow::Result<()> {
        let mut state = self.reader.state();
        let live = state.wait_for(|state| *state == ReaderState::Live);
        tokio::time::timeout(WAIT, live).await??;
        Ok(())
    }

    /// Ends it, and checks that each of the `sent` posts per conference came once and in order.
    pub(super) fn close(self, sent: &[u64]) -> anyhow::Result<()> {
        self.stop.cancel();
        self.reader.join();
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.balance(sent).map_err(|unbalanced| anyhow::anyhow!("on the topic: {unbalanced}"))
    }
}
