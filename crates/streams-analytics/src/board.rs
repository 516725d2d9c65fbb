//! The committed results, as read from their topics.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use contracts::{ConferenceAnalytics, Record, Timestamp, WindowResult};
use kafka_client::{ReaderEvent, TopicRecord};

/// How long a window can be asked for, in milliseconds from its beginning.
pub(crate) const KEPT: i64 = 24 * 60 * 60 * 1000;

/// The last results of every conference.
#[derive(Default)]
pub(crate) struct Board {
    conferences: RwLock<HashMap<String, Results>>,
    analytics_caught_up: AtomicBool,
    windows_caught_up: AtomicBool,
}

#[derive(Default)]
struct Results {
    analytics: Option<ConferenceAnalytics>,
    windows: Windows,
}

/// The windows of one conference that began within [`KEPT`] before its newest one.
#[derive(Default)]
struct Windows {
    /// By beginning and size, so that the oldest come first.
    kept: BTreeMap<(i64, String), Window>,
}

struct Window {
    end: i64,
    /// As on the topic: windows are many and seldom asked for, and taken apart they would need twice the memory.
    json: Box<[u8]>,
}

impl Board {
    /// Takes what comes from `tweet-analytics`.
    pub(crate) fn take_analytics(&self, event: ReaderEvent<'_>) {
        self.take(event, &self.analytics_caught_up, |conferences, _, value: ConferenceAnalytics| {
            let results = conferences.entry(value.conference.clone()).or_default();
            results.analytics = Some(value);
        });
    }

    /// Takes what comes from `tweet-windows`.
    pub(crate) fn take_windows(&self, event: ReaderEvent<'_>) {
        self.take(event, &self.windows_caught_up, |conferences, json, value: WindowResult| {
            let (Some(start), Some(end)) = (value.start, value.end) else { return };
            let window = Window { end: end.millis(), json: json.into() };
            conferences.entry(value.conference).or_default().windows.insert((start.millis(), value.size), window);
        });
    }

    fn take<R: Record>(
        &self,
        event: ReaderEvent<'_>,
        caught_up: &AtomicBool,
        put: impl FnOnce(&mut HashMap<String, Results>, &[u8], R),
    ) {
        match event {
            ReaderEvent::Record(TopicRecord { value: Some(json), partition, offset, .. }) => match R::from_json(json) {
                Ok(value) => put(&mut self.write(), json, value),
                Err(fault) => {
                    let topic = R::TOPIC.name();
                    metrics::counter!("analytics_unreadable_records_total", "topic" => topic).increment(1);
                    tracing::warn!(topic, partition, offset, "unreadable result: {fault}");
                }
            },
            ReaderEvent::Record(record) => {
                if let Some(key) = record.key.and_then(|key| std::str::from_utf8(key).ok()) {
                    self.remove(key);
                }
            }
            ReaderEvent::CaughtUp => caught_up.store(true, Ordering::Release),
            ReaderEvent::Started(_) | ReaderEvent::Idle | ReaderEvent::Expired { .. } => {}
        }
    }

    /// Of either topic: `conference`, or `conference/size/start`.
    fn remove(&self, key: &str) {
        let mut conferences = self.write();
        let mut parts = key.splitn(3, '/');
        let Some(name) = parts.next() else { return };
        let Some(results) = conferences.get_mut(name) else { return };
        match (parts.next(), parts.next()) {
            (None, _) => results.analytics = None,
            (Some(size), Some(start)) => {
                if let Ok(start) = Timestamp::parse("start", start) {
                    results.windows.kept.remove(&(start.millis(), size.to_owned()));
                }
            }
            (Some(_), None) => {}
        }
        if results.analytics.is_none() && results.windows.kept.is_empty() {
            conferences.remove(name);
        }
    }

    /// Whether every result that was there at the start has been read.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let read = [&self.analytics_caught_up, &self.windows_caught_up].map(|flag| flag.load(Ordering::Acquire));
        if read == [true, true] { Ok(()) } else { Err("still reading the results so far".into()) }
    }

    /// The last results of a conference.
    pub(crate) fn get(&self, conference: &str) -> Option<ConferenceAnalytics> {
        self.read().get(conference)?.analytics.clone()
    }

    /// The window of `size` that begins at `start`.
    pub(crate) fn window(&self, conference: &str, size: &str, start: i64) -> Option<WindowResult> {
        let conferences = self.read();
        let window = conferences.get(conference)?.windows.kept.get(&(start, size.to_owned()))?;
        Some(WindowResult::from_json(&window.json).expect("it was read when it came"))
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Results>> {
        self.conferences.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Results>> {
        self.conferences.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Windows {
    fn insert(&mut self, at: (i64, String), window: Window) {
        self.kept.insert(at, window);
        let Some(((newest, _), _)) = self.kept.last_key_value() else { return };
        let newest = *newest;
        // Long windows may have begun earlier and still run. They are few, so that looking past them costs little.
        let too_old = |start: i64, window: &Window| start < newest - KEPT && window.end <= newest;
        let old = self.kept.iter().take_while(|((start, _), _)| *start < newest - KEPT);
        let gone: Vec<_> =
            old.filter(|((start, _), window)| too_old(*start, window)).map(|(at, _)| at.clone()).collect();
        for at in gone {
            self.kept.remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn record<'a>(key: &'a [u8], value: Option<&'a [u8]>) -> ReaderEvent<'a> {
        ReaderEvent::Record(TopicRecord { partition: 0, offset: 0, timestamp: 0, key: Some(key), value, trace: None })
    }

    fn window(size: &str, start: i64, length: i64, likes: u32) -> WindowResult {
        WindowResult {
            conference: "rustconf".into(),
            size: size.into(),
            start: Some(Timestamp::from_millis(start)),
            end: Some(Timestamp::from_millis(start + length)),
            likes,
            ..WindowResult::default()
        }
    }

    fn put(board: &Board, window: &WindowResult) {
        board.take_windows(record(window.key().as_bytes(), Some(&window.to_json())));
    }

    #[test]
    fn the_newest_result_counts_and_a_tombstone_takes_it_away() {
        let board = Board::default();
        let analytics = |tweets| ConferenceAnalytics {
            conference: "rustconf".into(),
            tweet_count: tweets,
            ..ConferenceAnalytics::default()
        };
        for tweets in [1, 2] {
            board.take_analytics(record(b"rustconf", Some(&analytics(tweets).to_json())));
            put(&board, &window("1h", 0, HOUR, tweets));
        }
        board.take_analytics(record(b"rustconf", Some(b"not json")));
        assert_eq!(board.get("rustconf"), Some(analytics(2)));
        assert_eq!(board.window("rustconf", "1h", 0), Some(window("1h", 0, HOUR, 2)));
        assert_eq!(board.window("rustconf", "5m", 0), None);

        board.take_analytics(record(b"rustconf", None));
        assert_eq!(board.get("rustconf"), None);
        assert!(board.window("rustconf", "1h", 0).is_some());
        board.take_windows(record(b"rustconf/1h/1970-01-01T00:00:00.000Z", None));
        assert!(board.read().is_empty());
    }

    #[test]
    fn windows_are_kept_for_a_day_and_as_long_as_they_run() {
        let board = Board::default();
        for hour in 0..48 {
            put(&board, &window("1h", hour * HOUR, HOUR, 1));
        }
        put(&board, &window("2d", 0, 48 * HOUR, 1));
        let kept = |size: &str| (0..60).filter(|hour| board.window("rustconf", size, hour * HOUR).is_some()).collect();
        let hours: Vec<i64> = kept("1h");
        assert_eq!(hours, (23..48).collect::<Vec<_>>(), "from 24 h before the newest on");
        assert_eq!(kept("2d"), [0], "it is not over yet");
        put(&board, &window("1h", 10 * HOUR, HOUR, 1));
        put(&board, &window("1h", 48 * HOUR, HOUR, 1));
        assert_eq!(kept("2d"), Vec::<i64>::new());
        assert_eq!(kept("1h").len(), 25);
    }

    #[test]
    fn it_is_ready_when_both_topics_have_been_read() {
        let board = Board::default();
        board.take_analytics(ReaderEvent::CaughtUp);
        assert!(board.ready().is_err());
        board.take_windows(ReaderEvent::CaughtUp);
        assert_eq!(board.ready(), Ok(()));
    }
}
