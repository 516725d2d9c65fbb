//! The stream as client libraries of others hear it, besides the browser's EventSource.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use eventsource_client::{Client as _, ClientBuilder, ReconnectOptions, SSE};
use futures_util::StreamExt as _;
use launchdarkly_sdk_transport::HyperTransport;
use load_test::{
    Ledger, Poster, Series,
    stage::{Broker, Stage, until},
};
use sse_stream::SseByteStream;

use crate::wall::plan;

/// What a client has heard of a series.
#[derive(Clone)]
struct Heard {
    series: Series,
    ledger: Arc<Mutex<Ledger>>,
    /// How often it was connected.
    connections: Arc<Mutex<usize>>,
    /// Named events, by name.
    named: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Heard {
    fn of(series: &Series) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::new(series.conferences())));
        Self { series: series.clone(), ledger, connections: Arc::default(), named: Arc::default() }
    }

    fn connected(&self) {
        *self.connections.lock().unwrap() += 1;
    }

    /// An event that has no name is a "message" to a client.
    fn hear(&self, name: &str, data: &str) {
        if name == "message" {
            if let Some(place) = self.series.place_in(data) {
                self.ledger.lock().unwrap().enter(place);
            }
        } else {
            *self.named.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        }
    }

    async fn balances(&self, who: &str, sent: &[u64]) -> anyhow::Result<()> {
        let what = format!("{who} to have every post once, in order");
        Ok(until(&what, async || self.ledger.lock().unwrap().balance(sent)).await?)
    }
}

/// `eventsource-client`, which reconnects by itself with the last id that it has heard.
fn eventsource_client(url: &str, heard: Heard) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let again = ReconnectOptions::reconnect(true).delay(Duration::from_millis(100)).retry_initial(true).build();
    let client =
        ClientBuilder::for_url(url)?.reconnect(again).build_with_transport(HyperTransport::builder().build_http()?);
    Ok(tokio::spawn(async move {
        let mut stream = client.stream();
        while let Some(item) = stream.next().await {
            match item {
                Ok(SSE::Connected(_)) => heard.connected(),
                Ok(SSE::Event(event)) => heard.hear(&event.event_type, &event.data),
                // The end of a connection is an error to it, after which it goes on.
                Ok(SSE::Comment(_)) | Err(_) => {}
            }
        }
    }))
}

/// `sse-stream` on a response of `reqwest`; reconnecting is the caller's work.
fn decoder(url: &str, heard: Heard) -> tokio::task::JoinHandle<()> {
    let (url, client) = (url.to_owned(), reqwest::Client::new());
    tokio::spawn(async move {
        let mut id: Option<String> = None;
        loop {
            let mut request = client.get(&url);
            if let Some(id) = &id {
                request = request.header("Last-Event-ID", id);
            }
            if let Ok(response) = request.send().await.and_then(reqwest::Response::error_for_status) {
                heard.connected();
                let mut stream = SseByteStream::new(response.bytes_stream());
                while let Some(Ok(event)) = stream.next().await {
                    id = event.id.or(id);
                    if let Some(data) = event.data {
                        heard.hear(event.event.as_deref().unwrap_or("message"), &data);
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_client_libraries_hear_every_post_once_while_the_replicas_restart() -> anyhow::Result<()> {
    let mut stage = Stage::start(Broker::of_tests(), plan()).await?;
    let series = Series::new(4, 300);
    let mut poster = Poster::new(stage.origin(), stage.token());
    let url = format!("{}/updates", stage.url());
    let (first, second) = (Heard::of(&series), Heard::of(&series));
    let clients = [eventsource_client(&url, first.clone())?, decoder(&url, second.clone())];
    for heard in [&first, &second] {
        until("the client to be connected", async || {
            anyhow::ensure!(*heard.connections.lock().unwrap() > 0, "not yet");
            Ok(())
        })
        .await?;
    }
    let mut count = 0;
    for replica in [0, 1, 0, 1] {
        for _ in 0..10 {
            poster.insist(&series.tweet(series.place(count))).await?;
            count += 1;
        }
        let process = &mut stage.tweet_listener.processes_mut()[replica];
        process.terminate().await?;
        for _ in 0..10 {
            poster.insist(&series.tweet(series.place(count))).await?;
            count += 1;
        }
        let process = &mut stage.tweet_listener.processes_mut()[replica];
        process.start()?;
        process.ready().await?;
    }
    for (who, heard) in [("eventsource-client", &first), ("sse-stream", &second)] {
        heard.balances(who, &series.sent(count)).await?;
        let connections = *heard.connections.lock().unwrap();
        assert!(connections > 2, "{who} was hardly ever cut off: {connections}");
        let named = heard.named.lock().unwrap().clone();
        assert!(!named.contains_key("reset"), "{who} lost its place: {named:?}");
    }
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}
