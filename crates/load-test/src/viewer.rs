//! A viewer that behaves as a browser's EventSource does, and writes down what it sees.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

use crate::{
    event_stream::Item,
    ledger::Ledger,
    series::Series,
    stage::{TimedOut, WAIT},
    subscription::Subscription,
};

/// A stream that is silent for longer is dead: heartbeats come every 15 s ± 20 %.
const SILENCE: Duration = Duration::from_secs(20);
/// The longest wait before a reconnection, whatever the server asks for: a test has no time to lose.
const LONGEST_RETRY: Duration = Duration::from_millis(250);

/// An event as it was received.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `message`, or the event's name.
    pub kind: String,
    /// Its data.
    pub data: Value,
    /// The last event id then.
    pub id: String,
}

/// What a viewer has written down.
#[derive(Debug, Default)]
pub struct Journal {
    /// All events, oldest first.
    pub events: Vec<Seen>,
    /// All comment lines.
    pub comments: Vec<String>,
    /// Every reconnection time that it was told.
    pub retries: Vec<Duration>,
    /// Lines that a browser would not understand, and data that is no JSON. There should be none.
    pub odd: Vec<String>,
    /// The servers that answered with a stream, in turn.
    pub connections: Vec<SocketAddr>,
    /// The last event id.
    pub id: String,
    /// Why connections ended or were not made, the last 64.
    pub ends: Vec<String>,
}

struct Shared {
    journal: Mutex<Journal>,
    changed: Notify,
}

/// Watches `/updates` from a task of its own until it is dropped. When a stream ends it goes on behind the last event id,
/// at the *next* of its servers.
pub struct Viewer {
    name: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Viewer {
    /// Watches `target` (path and query) at the first of `servers`. Returns at once.
    pub fn start(name: impl Into<String>, servers: &[SocketAddr], target: &str) -> Self {
        Self::resumed(name, servers, target, "")
    }

    /// The same, beginning behind `last_event_id`.
    pub fn resumed(name: impl Into<String>, servers: &[SocketAddr], target: &str, last_event_id: &str) -> Self {
        let journal = Journal { id: last_event_id.to_owned(), ..Journal::default() };
        let shared = Arc::new(Shared { journal: Mutex::new(journal), changed: Notify::new() });
        let task = tokio::spawn(watch(Arc::clone(&shared), servers.to_vec(), target.to_owned()));
        Self { name: name.into(), shared, task }
    }

    /// What it has written down so far.
    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        self.shared.journal()
    }

    /// Waits until `look` finds in the journal what it looks for.
    ///
    /// # Errors
    /// After [`WAIT`], with what the viewer has seen.
    pub async fn until<T>(
        &self,
        what: impl fmt::Display,
        mut look: impl FnMut(&Journal) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let found = timeout(WAIT, async {
            loop {
                // Registered before looking, so that a change in between is not slept through.
                let changed = self.shared.changed.notified();
                if let Some(found) = look(&self.journal()) {
                    return found;
                }
                changed.await;
            }
        });
        found.await.map_err(|_| {
            let journal = self.journal();
            TimedOut::new(
                format!("viewer {} to see {what}", self.name),
                format!(
                    "{} events, last id {:?}, connections {:?}, ends {:?}, last of each kind {:?}",
                    journal.events.len(),
                    journal.id,
                    journal.connections,
                    journal.ends,
                    journal.last_of_each()
                ),
            )
        })
    }

    /// Waits for the first block of a stream, from which on nothing is missed.
    ///
    /// # Errors
    /// After [`WAIT`].
    pub async fn connected(&self) -> Result<(), TimedOut> {
        self.until("its first position", |journal| (!journal.id.is_empty()).then_some(())).await
    }

    /// Waits for the last of `sent` posts per conference.
    ///
    /// # Errors
    /// After [`WAIT`].
    pub async fn reaches(&self, series: &Series, sent: &[u64]) -> Result<(), TimedOut> {
        self.until(format_args!("{sent:?} posts per conference"), |journal| {
            journal.ledger(series).reaches(sent).then_some(())
        })
        .await
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// The ledger of the posts of `series` among the events.
    pub fn ledger(&self, series: &Series) -> Ledger {
        let mut ledger = Ledger::new(series.conferences());
        let posts = self.events.iter().filter(|seen| seen.data["eventType"] == "tweetEvent");
        posts.filter_map(|seen| series.place_of(seen.data["tweetId"].as_str()?)).for_each(|place| ledger.enter(place));
        ledger
    }

    /// The newest event of a type (`eventType`) for which `is` holds.
    pub fn last(&self, event_type: &str, is: impl Fn(&Value) -> bool) -> Option<&Seen> {
        self.events.iter().rev().find(|seen| seen.data["eventType"] == event_type && is(&seen.data))
    }

    /// The newest event of each type, cut short, for people.
    fn last_of_each(&self) -> Vec<String> {
        let mut types: Vec<&Value> = self.events.iter().map(|seen| &seen.data["eventType"]).collect();
        types.sort_by_key(|name| name.as_str());
        types.dedup();
        let last =
            types.iter().filter_map(|name| self.events.iter().rev().find(|seen| seen.data["eventType"] == **name));
        last.map(|seen| seen.data.to_string().chars().take(300).collect()).collect()
    }

    fn enter(&mut self, item: Item<'_>) {
        match item {
            Item::Event { kind, data, id } => {
                let data = serde_json::from_str(data).unwrap_or_else(|error| {
                    self.odd.push(format!("{error}: {data}"));
                    Value::Null
                });
                self.events.push(Seen { kind: kind.to_owned(), data, id: id.to_owned() });
            }
            Item::Position(_) => {}
            Item::Retry(after) => self.retries.push(after),
            Item::Comment(text) => self.comments.push(text.to_owned()),
            Item::Ignored(line) => self.odd.push(line.to_owned()),
        }
    }

    fn note_end(&mut self, end: String) {
        if self.ends.len() == 64 {
            self.ends.remove(0);
        }
        self.ends.push(end);
    }
}

async fn watch(shared: Arc<Shared>, servers: Vec<SocketAddr>, target: String) {
    for server in servers.iter().copied().cycle() {
        let id = shared.journal().id.clone();
        let last_event_id = (!id.is_empty()).then_some(id.as_str());
        let opened = timeout(SILENCE, Subscription::open(server, &target, last_event_id)).await;
        let end = match opened {
            Ok(Ok(subscription)) => {
                shared.journal().connections.push(server);
                read(&shared, subscription).await
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        shared.journal().note_end(format!("{server}: {end}"));
        let retry = shared.journal().retries.last().copied().unwrap_or(LONGEST_RETRY);
        tokio::time::sleep(retry.min(LONGEST_RETRY)).await;
    }
}

/// Reads until the stream ends, and tells how.
async fn read(shared: &Shared, mut subscription: Subscription) -> String {
    loop {
        let mut items = |item: Item<'_>| shared.journal().enter(item);
        let read = timeout(SILENCE, subscription.read(&mut items)).await;
        subscription.last_event_id().clone_into(&mut shared.journal().id);
        shared.changed.notify_waiters();
        match read {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return "ended".to_owned(),
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "silent".to_owned(),
        }
    }
}
