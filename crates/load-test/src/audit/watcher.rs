//! A viewer over a whole run: which posts it saw and when, and the tables as it has them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{task::JoinHandle, time::timeout};

use crate::{event_stream::Item, subscription::Subscription};

/// A stream that is silent for longer is dead: heartbeats come every [`super::HEARTBEAT`].
const SILENCE: Duration = Duration::from_secs(8);
/// The longest wait before a reconnection, whatever the server asks for.
const LONGEST_RETRY: Duration = Duration::from_millis(250);

/// How long a stream is read at most before the viewer comes again by itself, as people do: at least, and at most so
/// much longer. Otherwise all would soon be at the replica that was last to fail.
const STAYS: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(20));

/// Watches from a task of its own until it is dropped, and goes on behind the last id at the next of its servers.
pub(super) struct Watcher {
    pub(super) name: String,
    /// The conferences that it asked for; empty: all.
    pub(super) filter: Vec<String>,
    notes: Arc<Mutex<Notes>>,
    task: JoinHandle<()>,
}

/// What a watcher has seen.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) seen: Vec<Seen>,
    /// Why it was ever reset.
    pub(super) resets: Vec<String>,
    pub(super) connections: u64,
    /// Lines and data that no browser would understand.
    pub(super) odd: Vec<String>,
    /// The newest totals and the newest list of all time, by conference.
    pub(super) totals: HashMap<String, Value>,
    pub(super) top: HashMap<String, Value>,
    /// By conference and tweet.
    pub(super) counts: HashMap<(String, String), u64>,
    id: String,
}

/// A step of what a watcher saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Post { conference: String, id: String, at: Instant },
    Reset,
}

/// How the posts of one conference, as they were seen, depart from the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Departures {
    /// Not seen, and the stream did not say so.
    pub(super) jumped: u64,
    /// Not seen, behind a reset.
    pub(super) reset: u64,
    pub(super) repeated: u64,
    pub(super) misplaced: u64,
    /// Seen, and not on the topic.
    pub(super) unknown: u64,
}

impl Watcher {
    pub(super) fn start(name: &str, servers: Vec<SocketAddr>, filter: Vec<String>) -> Self {
        let target =
            if filter.is_empty() { "/updates".to_owned() } else { format!("/updates?conference={}", filter.join(",")) };
        let notes = Arc::<Mutex<Notes>>::default();
        let task = tokio::spawn(watch(Arc::clone(&notes), servers, target));
        Self { name: name.into(), filter, notes, task }
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        lock(&self.notes)
    }

    /// Whether it has begun, so that it will miss nothing.
    pub(super) fn has_begun(&self) -> bool {
        !self.notes().id.is_empty()
    }

    /// Whether it is to see this conference.
    pub(super) fn wants(&self, conference: &str) -> bool {
        self.filter.is_empty() || self.filter.iter().any(|wanted| wanted == conference)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Notes {
    /// The posts that came.
    pub(super) fn posts(&self) -> impl Iterator<Item = (&str, &str, Instant)> {
        self.seen.iter().filter_map(|seen| match seen {
            Seen::Post { conference, id, at } => Some((conference.as_str(), id.as_str(), *at)),
            Seen::Reset => None,
        })
    }

    fn enter(&mut self, item: Item<'_>) {
        let (kind, data) = match item {
            Item::Event { kind, data, .. } => (kind, data),
            Item::Ignored(line) => return self.odd.push(line.to_owned()),
            _ => return,
        };
        let data: Value = match serde_json::from_str(data) {
            Ok(data) => data,
            Err(error) => return self.odd.push(format!("{error}: {data}")),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match data["eventType"].as_str().unwrap_or(kind) {
            "tweetEvent" => {
                let (conference, id) = (text(&data["tagFilter"]), text(&data["tweetId"]));
                self.seen.push(Seen::Post { conference, id, at: Instant::now() });
            }
            "reset" => {
                self.seen.push(Seen::Reset);
                self.resets.push(data.to_string());
            }
            "tweetAnalytics" => drop(self.totals.insert(text(&data["conference"]), data)),
            "tweetLikesAnalytics" => drop(self.top.insert(text(&data["conference"]), data)),
            "tweetLikes" => {
                for count in data["counts"].as_array().into_iter().flatten() {
                    let key = (text(&count["conference"]), text(&count["tweetId"]));
                    self.counts.insert(key, count["count"].as_u64().unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    /// How what was seen departs from `shown`, by conference.
    pub(super) fn departures(&self, shown: &BTreeMap<&str, Vec<&str>>) -> BTreeMap<String, Departures> {
        let mut found = BTreeMap::new();
        for (conference, posts) in shown {
            let places: HashMap<&str, usize> = posts.iter().enumerate().map(|(place, id)| (*id, place)).collect();
            let (mut departures, mut due, mut known, mut reset) = (Departures::default(), 0, HashSet::new(), false);
            for seen in &self.seen {
                let id = match seen {
                    Seen::Post { conference: of, id, .. } if of == conference => id.as_str(),
                    Seen::Post { .. } => continue,
                    Seen::Reset => {
                        reset = true;
                        continue;
                    }
                };
                let Some(place) = places.get(id).copied() else {
                    departures.unknown += 1;
                    continue;
                };
                if !known.insert(id) {
                    departures.repeated += 1;
                } else if place < due {
                    departures.misplaced += 1;
                } else {
                    let missing = (place - due) as u64;
                    *(if reset { &mut departures.reset } else { &mut departures.jumped }) += missing;
                    due = place + 1;
                }
                reset = false;
            }
            let missing = (posts.len() - due) as u64;
            *(if reset { &mut departures.reset } else { &mut departures.jumped }) += missing;
            found.insert((*conference).to_owned(), departures);
        }
        found
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch(notes: Arc<Mutex<Notes>>, servers: Vec<SocketAddr>, target: String) {
    let (mut retry, mut random) = (LONGEST_RETRY, fastrand::Rng::new());
    for server in servers.iter().copied().cycle() {
        let id = lock(&notes).id.clone();
        let last_event_id = (!id.is_empty()).then_some(id.as_str());
        if let Ok(Ok(mut subscription)) = timeout(SILENCE, Subscription::open(server, &target, last_event_id)).await {
            lock(&notes).connections += 1;
            let leaves = Instant::now() + STAYS.0 + STAYS.1.mul_f64(random.f64());
            while Instant::now() < leaves {
                let mut on = |item: Item<'_>| match item {
                    Item::Retry(told) => retry = told.min(LONGEST_RETRY),
                    item => lock(&notes).enter(item),
                };
                let read = timeout(SILENCE, subscription.read(&mut on)).await;
                subscription.last_event_id().clone_into(&mut lock(&notes).id);
                if !matches!(read, Ok(Ok(true))) {
                    break;
                }
            }
        }
        tokio::time::sleep(retry).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ids: &[&str]) -> Departures {
        let post = |id: &&str| match *id {
            "reset" => Seen::Reset,
            id => Seen::Post { conference: "c".into(), id: id.into(), at: Instant::now() },
        };
        let notes = Notes { seen: ids.iter().map(post).collect(), ..Notes::default() };
        notes.departures(&BTreeMap::from([("c", vec!["1", "2", "3", "4"])]))["c"]
    }

    #[test]
    fn what_was_seen_is_compared_with_the_log_post_by_post() {
        let even = Departures::default();
        assert_eq!(seen(&["1", "2", "3", "4"]), even);
        assert_eq!(seen(&["1", "4"]), Departures { jumped: 2, ..even });
        assert_eq!(seen(&["1", "reset", "4"]), Departures { reset: 2, ..even });
        assert_eq!(seen(&["1", "2", "1", "3", "4"]), Departures { repeated: 1, ..even });
        assert_eq!(seen(&["1", "3", "2", "4"]), Departures { jumped: 1, misplaced: 1, ..even });
        assert_eq!(seen(&["1", "2", "3"]), Departures { jumped: 1, ..even });
        assert_eq!(seen(&["1", "2", "3", "4", "5"]), Departures { unknown: 1, ..even });
    }
}
