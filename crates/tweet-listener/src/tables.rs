//! What is known now beside the log: counts and running results, and which of it has changed.

use std::collections::{HashMap, HashSet, VecDeque};

use contracts::{
    Conference, ConferenceAnalytics, LikeCount, RankedTweet, Tweet, TweetAnalytics, TweetLiked, TweetLikes,
    TweetLikesAnalytics,
};

use crate::{
    filter::Filter,
    frame::Event,
    minutes::series,
    tweet_log::{Entry, TweetLog},
    windows::Windows,
};

/// Entries of a top list that viewers get; the topic carries more, for readers that leave some out.
pub(crate) const TOP: usize = 10;
/// Counts of one conference in one change event: with the tick it bounds a viewer's bandwidth, whatever the like rate.
const COUNTS_PER_CHANGE: usize = 50;
/// What a frame has beside its data, at most.
const FRAME: usize = 32;
/// `tweetLiked` events of one conference in one change.
const LIKED_PER_CHANGE: usize = 5;

/// One event of a table, before it is a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEvent {
    /// `event:`; `None` for what a plain `onmessage` is to get.
    pub name: Option<&'static str>,
    /// Its data.
    pub json: Vec<u8>,
}

impl TableEvent {
    /// The frame.
    pub fn frame(&self, html: bool) -> bytes::Bytes {
        Event { name: self.name, id: None, json: &self.json, trace: None }.frame(html)
    }
}

/// What events take on the wire, in bytes, but for what HTML escapes add.
pub(crate) fn weight(events: &[TableEvent]) -> usize {
    events.iter().map(|event| event.json.len() + FRAME).sum()
}

#[derive(Debug, Default)]
struct ConferenceTable {
    counts: HashMap<Box<str>, u32>,
    totals: Option<TweetAnalytics>,
    top: Vec<RankedTweet>,
    /// Tweets whose count viewers do not have yet, first changed first.
    changed_counts: VecDeque<Box<str>>,
    changed: HashSet<Box<str>>,
    risen: VecDeque<Box<str>>,
    totals_changed: bool,
    top_changed: bool,
    queued: bool,
}

/// The present value of every table.
#[derive(Debug)]
pub struct Tables {
    /// The window whose top list is the unnamed `tweetLikesAnalytics`.
    window: Box<str>,
    conferences: HashMap<Conference, ConferenceTable>,
    /// Conferences with changes, first changed first.
    changed: VecDeque<Conference>,
    /// Apart from the others, because they are sent less often.
    windows: Windows,
}

impl Tables {
    /// Empty; the top list of `window` is the one for a plain `onmessage`.
    pub fn new(window: &str) -> Self {
        Self {
            window: window.into(),
            conferences: HashMap::new(),
            changed: VecDeque::new(),
            windows: Windows::default(),
        }
    }

    /// Takes a record of `tweet-like-counts`.
    pub fn set_count(&mut self, conference: Conference, count: LikeCount) {
        let table = self.conferences.entry(conference.clone()).or_default();
        let tweet_id: Box<str> = count.tweet_id.into();
        let before = table.counts.insert(tweet_id.clone(), count.count);
        if before == Some(count.count) {
            return;
        }
        if before.unwrap_or(0) < count.count && !table.risen.contains(&tweet_id) {
            table.risen.push_back(tweet_id.clone());
            // Only the newest are shown as news; older ones are in the counts all the same.
            while table.risen.len() > LIKED_PER_CHANGE {
                table.risen.pop_front();
            }
        }
        if table.changed.insert(tweet_id.clone()) {
            table.changed_counts.push_back(tweet_id);
        }
        queue(&mut self.changed, table, conference);
    }

    /// Takes a record of `tweet-analytics`.
    pub fn set_analytics(&mut self, conference: Conference, analytics: ConferenceAnalytics) {
        let table = self.conferences.entry(conference.clone()).or_default();
        let totals = TweetAnalytics {
            event_type: "tweetAnalytics".into(),
            conference: analytics.conference,
            tweet_count: analytics.tweet_count,
            author_count: analytics.author_count,
            like_count: analytics.like_count,
            tweets_stream_time: analytics.tweets_stream_time,
            likes_stream_time: analytics.likes_stream_time,
            per_minute: series(&analytics.per_minute, analytics.tweets_stream_time.max(analytics.likes_stream_time)),
            hashtags: analytics.hashtags.into_iter().take(TOP).collect(),
        };
        // A copy: it is among the windows all the same.
        let mut top = analytics.top.get(&*self.window).map(|list| list.nrs.clone()).unwrap_or_default();
        top.truncate(TOP);
        table.totals_changed |= table.totals.as_ref() != Some(&totals);
        table.top_changed |= table.top != top;
        table.totals = Some(totals);
        table.top = top;
        if table.totals_changed || table.top_changed {
            queue(&mut self.changed, table, conference.clone());
        }
        self.windows.set(&conference, analytics.top);
    }

    /// The count of a tweet; `None` where nobody has ever liked it.
    pub fn count(&self, conference: &Conference, tweet_id: &str) -> Option<u32> {
        self.conferences.get(conference)?.counts.get(tweet_id).copied()
    }

    /// Whether there is something that viewers do not have yet.
    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The same for windows.
    pub fn has_changed_windows(&self) -> bool {
        self.windows.have_changes()
    }

    /// Forgets what has changed: nobody was there to see it.
    pub fn discard_changes(&mut self) {
        self.windows.discard_changes();
        for conference in self.changed.drain(..) {
            if let Some(table) = self.conferences.get_mut(&conference) {
                table.changed_counts.clear();
                table.changed.clear();
                table.risen.clear();
                (table.totals_changed, table.top_changed, table.queued) = (false, false, false);
            }
        }
    }

    /// What has changed, newest values only, per conference; no further conference once there are `max_bytes`, the rest
    /// comes with the next call.
    pub fn take_changes(&mut self, log: &TweetLog, max_bytes: usize) -> Vec<(Conference, Vec<TableEvent>)> {
        let (turns, mut bytes) = (self.changed.len(), 0);
        let mut changes = Vec::new();
        for _ in 0..turns {
            if bytes >= max_bytes {
                break;
            }
            let Some(conference) = self.changed.pop_front() else { break };
            let Some(table) = self.conferences.get_mut(&conference) else { continue };
            let events = table.take_changes(&conference, log, &self.window);
            table.queued = !table.changed_counts.is_empty();
            if table.queued {
                self.changed.push_back(conference.clone());
            }
            bytes += weight(&events);
            changes.push((conference, events));
        }
        changes
    }

    /// The same for windows.
    pub fn take_changed_windows(&mut self, max_bytes: usize) -> Vec<(Conference, Vec<TableEvent>)> {
        self.windows.take_changes(max_bytes)
    }

    /// The present value of everything that belongs to `newest` or that `filter` names.
    pub fn snapshot(&self, filter: &Filter, newest: &[std::sync::Arc<Entry>]) -> Vec<TableEvent> {
        let mut conferences: Vec<&Conference> =
            newest.iter().map(|entry| &entry.conference).chain(filter.conferences()).collect();
        conferences.sort_unstable();
        conferences.dedup();
        let mut events = Vec::new();
        for conference in conferences {
            let Some(table) = self.conferences.get(conference) else { continue };
            let counts: Vec<LikeCount> = newest
                .iter()
                .filter(|entry| entry.conference == *conference)
                .filter_map(|entry| table.like_count(conference, entry.tweet_id.as_str()))
                .collect();
            if !counts.is_empty() {
                events.push(counts_event(conference, counts));
            }
            events.extend(table.totals.as_ref().map(unnamed));
            if table.totals.is_some() {
                events.push(table.top_event(conference, &self.window));
            }
            events.extend(self.windows.snapshot(conference));
        }
        events
    }
}

fn queue(changed: &mut VecDeque<Conference>, table: &mut ConferenceTable, conference: Conference) {
    if !table.queued {
        table.queued = true;
        changed.push_back(conference);
    }
}

impl ConferenceTable {
    fn take_changes(&mut self, conference: &Conference, log: &TweetLog, window: &str) -> Vec<TableEvent> {
        let mut events = Vec::new();
        let batch = self.changed_counts.len().min(COUNTS_PER_CHANGE);
        let ids: Vec<Box<str>> = self.changed_counts.drain(..batch).collect();
        for id in &ids {
            self.changed.remove(id);
        }
        let counts: Vec<LikeCount> = ids.iter().filter_map(|id| self.like_count(conference, id)).collect();
        if !counts.is_empty() {
            events.push(counts_event(conference, counts));
        }
        for id in std::mem::take(&mut self.risen) {
            events.push(self.liked_event(conference, &id, log));
        }
        if std::mem::take(&mut self.totals_changed) {
            events.extend(self.totals.as_ref().map(unnamed));
        }
        if std::mem::take(&mut self.top_changed) {
            events.push(self.top_event(conference, window));
        }
        events
    }

    fn like_count(&self, conference: &Conference, tweet_id: &str) -> Option<LikeCount> {
        let count = *self.counts.get(tweet_id)?;
        Some(LikeCount { tweet_id: tweet_id.to_owned(), conference: conference.to_string(), count })
    }

    fn liked_event(&self, conference: &Conference, tweet_id: &str, log: &TweetLog) -> TableEvent {
        let tweet: Tweet = log
            .recent()
            .find(conference, tweet_id)
            .and_then(|entry| serde_json::from_slice(&entry.json).ok())
            .unwrap_or_default();
        named(
            "tweetLiked",
            &TweetLiked {
                event_type: "tweetLiked".into(),
                tweet_id: tweet_id.to_owned(),
                conference: conference.to_string(),
                count: self.counts.get(tweet_id).copied().unwrap_or(0),
                text: tweet.text,
                author: tweet.author,
            },
        )
    }

    fn top_event(&self, conference: &Conference, window: &str) -> TableEvent {
        unnamed(&TweetLikesAnalytics {
            event_type: "tweetLikesAnalytics".into(),
            conference: conference.to_string(),
            window: window.into(),
            nrs: self.top.clone(),
        })
    }
}

fn counts_event(conference: &Conference, counts: Vec<LikeCount>) -> TableEvent {
    named("tweetLikes", &TweetLikes { event_type: "tweetLikes".into(), conference: conference.to_string(), counts })
}

fn unnamed(message: &impl serde::Serialize) -> TableEvent {
    TableEvent { name: None, json: json(message) }
}

/// An event with a name.
pub(crate) fn named(name: &'static str, message: &impl serde::Serialize) -> TableEvent {
    TableEvent { name: Some(name), json: json(message) }
}

fn json(message: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("generated messages serialize")
}

#[cfg(test)]
mod tests {
    use contracts::{Timestamp, TopList};
    use proptest::prelude::*;

    use super::*;
    use crate::tweet_log::LogBounds;

    const MAX_BYTES: usize = 32 * 1024;
    /// What one conference adds at most, with texts of 280 characters.
    const OF_ONE: usize = COUNTS_PER_CHANGE * 120 + (LIKED_PER_CHANGE + TOP) * 500 + 4096;

    fn log() -> TweetLog {
        TweetLog::new(&[0], LogBounds { memory_bytes: 0, recent_per_conference: 5000, recent_in_all: 20_000 })
    }

    fn analytics(conference: &str, likes: u32) -> ConferenceAnalytics {
        let entry = |n: u32| RankedTweet {
            tweet_id: n.to_string(),
            conference: conference.into(),
            count: likes,
            text: "x".repeat(280),
            author: "ferris".into(),
        };
        let list = |end: i64| TopList {
            start: Some(Timestamp::from_millis(0)),
            end: Some(Timestamp::from_millis(end)),
            r#final: false,
            nrs: (0..30).map(entry).collect(),
        };
        ConferenceAnalytics {
            conference: conference.into(),
            like_count: likes,
            top: [("all", 1), ("5m", 300_000), ("1h", 3_600_000)]
                .map(|(size, end)| (size.to_owned(), list(end)))
                .into(),
            ..ConferenceAnalytics::default()
        }
    }

    /// One second of ten ticks with 10,000 likes, each of which changes a count, a top list and windows with their texts.
    #[test]
    fn what_a_viewer_of_everything_gets_of_ten_thousand_likes_a_second_is_bounded() {
        for (conferences, tweets) in [(1, 1), (1, 20), (1, 5000), (300, 1), (1000, 10)] {
            let (mut log, mut tables, mut like) = (log(), Tables::new("all"), 0_u32);
            let names: Vec<Conference> =
                (0..conferences).map(|n| Conference::parse(&format!("c{n}")).expect("a name")).collect();
            for (offset, n) in (0..).zip(0..tweets.min(20)) {
                let text = "x".repeat(280);
                let value = format!(r#"{{"tweetId":"{n}","tagFilter":"c0","text":"{text}","author":"ferris"}}"#);
                log.append(Entry::read(0, offset, offset, value.as_bytes(), None).expect("a tweet"));
            }
            let take = |changes: Vec<(Conference, Vec<TableEvent>)>, what: &str| {
                let bytes: usize =
                    changes.iter().flat_map(|(_, events)| events).map(|event| event.frame(false).len()).sum();
                assert!(bytes <= MAX_BYTES + OF_ONE, "{bytes} bytes of {what}, {conferences} conferences");
            };
            for _ in 0..10 {
                for _ in 0..1000 {
                    let name = &names[usize::try_from(like).expect("small") % names.len()];
                    let (tweet_id, count) = ((like / conferences % tweets).to_string(), 1 + like);
                    tables.set_count(name.clone(), LikeCount { tweet_id, conference: name.to_string(), count });
                    like += 1;
                }
                for name in &names {
                    tables.set_analytics(name.clone(), analytics(name.as_str(), like));
                }
                take(tables.take_changes(&log, MAX_BYTES), "changes");
            }
            take(tables.take_changed_windows(MAX_BYTES), "windows");
            // And nothing is lost by it: what is left comes with the next ticks, the newest values only.
            while tables.has_changes() {
                take(tables.take_changes(&log, MAX_BYTES), "changes");
            }
            let last = &names[usize::try_from(like - 1).expect("small") % names.len()];
            assert_eq!(tables.count(last, &((like - 1) / conferences % tweets).to_string()), Some(like));
        }
    }

    proptest! {
        #[test]
        fn changes_come_to_the_newest_values_whatever_is_conflated(
            steps in proptest::collection::vec((0_usize..4, 0_u32..120, 0_u32..5, 0_usize..6), 0..300),
            max_bytes in prop_oneof![Just(1_usize), Just(2000), Just(1 << 20)],
        ) {
            let (log, mut tables) = (log(), Tables::new("all"));
            let mut seen: HashMap<(String, String), u64> = HashMap::new();
            let mut apply = |changes: Vec<(Conference, Vec<TableEvent>)>| {
                for event in changes.iter().flat_map(|(_, events)| events) {
                    let data: serde_json::Value = serde_json::from_slice(&event.json).expect("JSON");
                    let conference = data["conference"].as_str().expect("a name");
                    for count in data["counts"].as_array().into_iter().flatten() {
                        let id = count["tweetId"].as_str().expect("an id");
                        seen.insert((conference.into(), id.into()), count["count"].as_u64().expect("a number"));
                    }
                    if data["eventType"] == "tweetAnalytics" {
                        seen.insert((conference.into(), "totals".into()), data["likeCount"].as_u64().expect("a number"));
                    }
                }
            };
            let mut newest: HashMap<(String, String), u64> = HashMap::new();
            for (which, tweet, count, action) in steps {
                let conference = Conference::parse(&format!("c{which}")).expect("a name");
                match action {
                    0 => apply(tables.take_changes(&log, max_bytes)),
                    1 => {
                        tables.set_analytics(conference.clone(), analytics(conference.as_str(), count));
                        newest.insert((conference.to_string(), "totals".into()), count.into());
                    }
                    _ => {
                        let tweet_id = tweet.to_string();
                        newest.insert((conference.to_string(), tweet_id.clone()), count.into());
                        tables.set_count(conference.clone(), LikeCount { tweet_id, conference: conference.to_string(), count });
                    }
                }
            }
            while tables.has_changes() {
                apply(tables.take_changes(&log, max_bytes));
            }
            prop_assert_eq!(seen, newest);
        }
    }
}
