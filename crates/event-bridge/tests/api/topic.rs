//! What stands on the topic `tweets`.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use contracts::{Topic, TraceParent};
use kafka_client::{BroadcastReader, Layout, ReaderEvent};
use serde_json::Value;
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::app::{App, PARTITIONS};

/// A record as it was read back.
#[derive(Debug, Clone)]
pub struct Read {
    pub partition: i32,
    pub offset: i64,
    pub key: String,
    pub value: Value,
    pub trace: Option<TraceParent>,
}

/// Everything on the topic of `app`, each partition in order.
pub async fn records(app: &App) -> Vec<Read> {
    let layout = Layout { cluster_id: "any".into(), partitions: PARTITIONS };
    let topic = Topic::Tweets.with_prefix(&app.config.topics.prefix);
    let (stop, caught_up) = (CancellationToken::new(), Arc::new(Notify::new()));
    let read: Arc<Mutex<Vec<Read>>> = Arc::default();
    let handler = {
        let (read, caught_up) = (Arc::clone(&read), Arc::clone(&caught_up));
        move |event: ReaderEvent<'_>| match event {
            ReaderEvent::Record(record) => read.lock().unwrap().push(Read {
                partition: record.partition,
                offset: record.offset,
                key: String::from_utf8(record.key.unwrap().to_vec()).unwrap(),
                value: serde_json::from_slice(record.value.unwrap()).unwrap(),
                trace: record.trace,
            }),
            ReaderEvent::CaughtUp => caught_up.notify_one(),
            _ => {}
        }
    };
    let reader = BroadcastReader::start(&app.config.kafka, topic, &layout, stop.clone(), handler).unwrap();
    timeout(Duration::from_secs(30), caught_up.notified()).await.expect("the reader catches up");
    stop.cancel();
    reader.join();
    let mut records = std::mem::take(&mut *read.lock().unwrap());
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// The record that `answer` tells the position of.
pub async fn record_of(app: &App, answer: &Value) -> Read {
    let position = (answer["partition"].as_i64().unwrap(), answer["offset"].as_i64().unwrap());
    let records = records(app).await;
    let found = records.iter().find(|record| (i64::from(record.partition), record.offset) == position);
    found.unwrap_or_else(|| panic!("{answer} is not among {records:?}")).clone()
}
