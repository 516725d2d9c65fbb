//! Many viewers in one process.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    event_stream::Item,
    ledger::Ledger,
    series::{Place, Series},
    stage::until,
    subscription::Subscription,
};

/// Connections that are opened at one time: below every backlog.
const OPENING: usize = 256;

/// Viewers of one server, each with a ledger of its own. They resume by their ids when their streams end.
pub(super) struct Crowd {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    series: Series,
    ledgers: Vec<Mutex<Ledger>>,
    opening: Semaphore,
    connected: AtomicUsize,
    last_error: Mutex<Option<String>>,
    on_delivery: Box<dyn Fn(Place) + Send + Sync>,
}

impl Crowd {
    /// Opens `viewers` streams at `server` and waits until each has its first block. `on_delivery` is called for each
    /// post of `series` that comes to any of them.
    pub(super) async fn gather(
        server: SocketAddr,
        viewers: usize,
        series: &Series,
        on_delivery: impl Fn(Place) + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            server,
            series: series.clone(),
            ledgers: (0..viewers).map(|_| Mutex::new(Ledger::new(series.conferences()))).collect(),
            opening: Semaphore::new(OPENING),
            connected: AtomicUsize::new(0),
            last_error: Mutex::new(None),
            on_delivery: Box::new(on_delivery),
        });
        let tasks = (0..viewers).map(|index| tokio::spawn(watch(Arc::clone(&shared), index))).collect();
        let crowd = Self { shared, tasks };
        until(format_args!("{viewers} viewers to be connected"), async || {
            let connected = crowd.shared.connected.load(Ordering::Relaxed);
            let error = crowd.shared.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if connected == viewers { Ok(()) } else { Err(format!("{connected} are, {error:?}")) }
        })
        .await?;
        Ok(crowd)
    }

    /// Waits until every viewer has the last of the `sent` posts per conference, and checks that each has each of them
    /// once and in order.
    pub(super) async fn settle(&self, sent: &[u64]) -> anyhow::Result<()> {
        let in_time = until("every viewer to have the last post", async || {
            let behind = self.ledgers(|ledger| !ledger.reaches(sent));
            if behind == 0 { Ok(()) } else { Err(format!("{behind} viewers lack some")) }
        })
        .await;
        for (index, ledger) in self.shared.ledgers.iter().enumerate() {
            let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.balance(sent).with_context(|| format!("viewer {index}"))?;
        }
        Ok(in_time?)
    }

    fn ledgers(&self, which: impl Fn(&Ledger) -> bool) -> usize {
        let ledgers = self.shared.ledgers.iter();
        ledgers.filter(|ledger| which(&ledger.lock().unwrap_or_else(PoisonError::into_inner))).count()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn watch(shared: Arc<Shared>, index: usize) {
    let mut id = String::new();
    let mut known = false;
    loop {
        let permit = shared.opening.acquire().await.expect("never closed");
        let opened = Subscription::open(shared.server, "/updates", (!id.is_empty()).then_some(&id)).await;
        let end = match opened {
            Ok(mut subscription) => {
                let mut permit = Some(permit);
                loop {
                    let read = subscription.read(&mut |item| shared.take(index, item)).await;
                    if permit.take().is_some() && !std::mem::replace(&mut known, true) {
                        shared.connected.fetch_add(1, Ordering::Relaxed);
                    }
                    match read {
                        Ok(true) => {}
                        Ok(false) => break "the stream ended".to_owned(),
                        Err(error) => break error.to_string(),
                    }
                    subscription.last_event_id().clone_into(&mut id);
                }
            }
            Err(error) => {
                drop(permit);
                tokio::time::sleep(Duration::from_millis(50)).await;
                error.to_string()
            }
        };
        *shared.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }
}

impl Shared {
    fn take(&self, index: usize, item: Item<'_>) {
        if let Item::Event { kind: "message", data, .. } = item
            && let Some(place) = self.series.place_in(data)
        {
            self.ledgers[index].lock().unwrap_or_else(PoisonError::into_inner).enter(place);
            (self.on_delivery)(place);
        }
    }
}
