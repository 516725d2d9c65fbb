//! The newest window of each size, and which of them viewers do not have yet.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use contracts::{Conference, TopList, TweetWindow};

use crate::tables::{TOP, TableEvent, named, weight};

/// `eventType` and name of the event.
const EVENT: &str = "tweetWindow";

#[derive(Debug, Default)]
struct ConferenceWindows {
    /// By size.
    lists: BTreeMap<String, TopList>,
    /// Sizes with a list that viewers do not have yet.
    changed: BTreeSet<String>,
}

/// The newest windows of every conference.
#[derive(Debug, Default)]
pub struct Windows {
    conferences: HashMap<Conference, ConferenceWindows>,
    /// Conferences with changes, first changed first.
    changed: VecDeque<Conference>,
}

impl Windows {
    /// Takes the lists of a conference. One without an end is no window.
    pub fn set(&mut self, conference: &Conference, mut lists: BTreeMap<String, TopList>) {
        lists.retain(|_, list| list.start.is_some() && list.end.is_some());
        if lists.is_empty() && !self.conferences.contains_key(conference) {
            return;
        }
        let windows = self.conferences.entry(conference.clone()).or_default();
        let queued = !windows.changed.is_empty();
        for (size, list) in &mut lists {
            list.nrs.truncate(TOP);
            if windows.lists.get(size) != Some(list) {
                windows.changed.insert(size.clone());
            }
        }
        windows.lists = lists;
        if !queued && !windows.changed.is_empty() {
            self.changed.push_back(conference.clone());
        }
    }

    /// Whether there is something that viewers do not have yet.
    pub fn have_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Forgets what has changed: nobody was there to see it.
    pub fn discard_changes(&mut self) {
        for conference in self.changed.drain(..) {
            if let Some(windows) = self.conferences.get_mut(&conference) {
                windows.changed.clear();
            }
        }
    }

    /// The windows that have changed, per conference; no further conference once there are `max_bytes`, the rest comes
    /// with the next call.
    pub fn take_changes(&mut self, max_bytes: usize) -> Vec<(Conference, Vec<TableEvent>)> {
        let (mut changes, mut bytes) = (Vec::new(), 0);
        while bytes < max_bytes
            && let Some(conference) = self.changed.pop_front()
        {
            let Some(windows) = self.conferences.get_mut(&conference) else { continue };
            let sizes = std::mem::take(&mut windows.changed);
            let changed = sizes.iter().filter_map(|size| windows.lists.get_key_value(size));
            let events: Vec<TableEvent> = changed.map(|(size, list)| event(&conference, size, list)).collect();
            bytes += weight(&events);
            changes.push((conference, events));
        }
        changes
    }

    /// The present value of all windows of a conference.
    pub fn snapshot(&self, conference: &Conference) -> Vec<TableEvent> {
        let lists = self.conferences.get(conference).map(|windows| &windows.lists);
        lists.into_iter().flatten().map(|(size, list)| event(conference, size, list)).collect()
    }
}

fn event(conference: &Conference, size: &str, list: &TopList) -> TableEvent {
    let message = TweetWindow {
        event_type: EVENT.into(),
        conference: conference.to_string(),
        window: size.to_owned(),
        start: list.start,
        end: list.end,
        r#final: list.r#final,
        nrs: list.nrs.clone(),
    };
    named(EVENT, &message)
}

#[cfg(test)]
mod tests {
    use contracts::{RankedTweet, Timestamp};
    use serde_json::{Value, json};

    use super::*;

    fn conference() -> Conference {
        Conference::parse("rustconf").expect("a name")
    }

    fn window(start: i64, likes: u32) -> TopList {
        TopList {
            start: Some(Timestamp::from_millis(start)),
            end: Some(Timestamp::from_millis(start + 1000)),
            r#final: false,
            nrs: vec![RankedTweet { tweet_id: "1".into(), count: likes, ..RankedTweet::default() }; 12],
        }
    }

    fn set(windows: &mut Windows, lists: &[(&str, TopList)]) {
        windows.set(&conference(), lists.iter().map(|(size, list)| ((*size).to_owned(), list.clone())).collect());
    }

    fn seen(events: &[TableEvent]) -> Vec<Value> {
        assert!(events.iter().all(|event| event.name == Some(EVENT)));
        let read = |event: &TableEvent| serde_json::from_slice::<Value>(&event.json).expect("JSON");
        events.iter().map(read).map(|data| json!([data["window"], data["start"], data["nrs"][0]["count"]])).collect()
    }

    fn changes(windows: &mut Windows) -> Vec<Value> {
        windows.take_changes(usize::MAX).iter().flat_map(|(_, events)| seen(events)).collect()
    }

    #[test]
    fn only_windows_that_changed_are_sent_and_the_snapshot_has_all() {
        let mut windows = Windows::default();
        set(&mut windows, &[("all", TopList::default()), ("1s", window(0, 1)), ("1m", window(0, 1))]);
        let (first, other) =
            (json!(["1s", "1970-01-01T00:00:00.000Z", 1]), json!(["1m", "1970-01-01T00:00:00.000Z", 1]));
        assert_eq!(changes(&mut windows), [other.clone(), first]);
        assert!(!windows.have_changes());

        set(&mut windows, &[("1s", window(0, 2)), ("1m", window(0, 1))]);
        set(&mut windows, &[("1s", window(1000, 1)), ("1m", window(0, 1))]);
        let next = json!(["1s", "1970-01-01T00:00:01.000Z", 1]);
        assert_eq!(changes(&mut windows), std::slice::from_ref(&next), "conflated");
        assert_eq!(seen(&windows.snapshot(&conference())), [other, next]);
    }

    #[test]
    fn a_list_is_as_long_as_viewers_show_it() {
        let mut windows = Windows::default();
        set(&mut windows, &[("1s", window(0, 1))]);
        let data: Value = serde_json::from_slice(&windows.snapshot(&conference())[0].json).expect("JSON");
        assert_eq!(data["nrs"].as_array().map(Vec::len), Some(TOP));
    }

    #[test]
    fn a_size_that_is_no_longer_computed_is_gone() {
        let mut windows = Windows::default();
        set(&mut windows, &[("1s", window(0, 1))]);
        set(&mut windows, &[]);
        assert_eq!((changes(&mut windows).len(), windows.snapshot(&conference()).len()), (0, 0));
    }

    #[test]
    fn what_nobody_saw_is_not_sent() {
        let mut windows = Windows::default();
        set(&mut windows, &[("1s", window(0, 1))]);
        windows.discard_changes();
        assert!(!windows.have_changes());
        set(&mut windows, &[("1s", window(0, 2))]);
        assert_eq!(changes(&mut windows).len(), 1);
    }
}
