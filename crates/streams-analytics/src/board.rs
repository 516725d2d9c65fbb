//! The committed results, as read from their topic.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use contracts::{ConferenceAnalytics, Record as _};
use kafka_client::ReaderEvent;

/// The last results of every conference.
#[derive(Default)]
pub(crate) struct Board {
    conferences: RwLock<HashMap<String, ConferenceAnalytics>>,
    caught_up: AtomicBool,
}

impl Board {
    /// Takes what comes from the topic.
    pub(crate) fn take(&self, event: ReaderEvent<'_>) {
        match event {
            ReaderEvent::Record(record) => match record.value.map(ConferenceAnalytics::from_json) {
                Some(Ok(analytics)) => {
                    let mut conferences = self.conferences.write().unwrap_or_else(PoisonError::into_inner);
                    conferences.insert(analytics.conference.clone(), analytics);
                }
                Some(Err(fault)) => {
                    metrics::counter!("unreadable_records_total", "topic" => "tweet-analytics").increment(1);
                    tracing::warn!(partition = record.partition, offset = record.offset, "unreadable result: {fault}");
                }
                None => {
                    let Some(name) = record.key.and_then(|key| std::str::from_utf8(key).ok()) else { return };
                    self.conferences.write().unwrap_or_else(PoisonError::into_inner).remove(name);
                }
            },
            ReaderEvent::CaughtUp => self.caught_up.store(true, Ordering::Release),
            ReaderEvent::Started(_) | ReaderEvent::Idle | ReaderEvent::Expired { .. } => {}
        }
    }

    /// Whether every result that was there at the start has been read.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if self.caught_up.load(Ordering::Acquire) { Ok(()) } else { Err("still reading the results so far".into()) }
    }

    /// The last results of a conference.
    pub(crate) fn get(&self, conference: &str) -> Option<ConferenceAnalytics> {
        self.conferences.read().unwrap_or_else(PoisonError::into_inner).get(conference).cloned()
    }
}
