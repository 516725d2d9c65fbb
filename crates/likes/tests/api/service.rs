//! One replica in this process, and a client for it.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use actix_web::rt::{spawn, task::JoinHandle, time::sleep};
use likes::{Config, VisitorConfig};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde_json::Value;
use service_shell::{HttpConfig, Secret, Shutdown};

use crate::topics::Topics;

pub(crate) const KEY: &str = "a key of the tests with 32 bytes or more";

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running replica.
pub(crate) struct Service {
    origin: String,
    client: Client,
    shutdown: Shutdown,
    running: JoinHandle<anyhow::Result<()>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// `name=value` of the cookie that it sets.
    pub(crate) cookie: Option<String>,
    pub(crate) headers: header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Its problem's detail and field, after a look at what every problem has.
    pub(crate) fn problem(&self) -> (String, Value) {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        (problem["detail"].as_str().unwrap().to_owned(), problem["field"].clone())
    }

    pub(crate) fn set_cookie(&self) -> &str {
        self.headers[header::SET_COOKIE].to_str().unwrap()
    }
}

pub(crate) fn visitor_config(key: &str, previous: &[&str]) -> VisitorConfig {
    VisitorConfig {
        key: Secret::new(key),
        previous_keys: previous.iter().map(|key| Secret::new(*key)).collect(),
        secure: false,
    }
}

pub(crate) fn config(topics: &Topics) -> Config {
    Config {
        http: HttpConfig { workers: 1, drain: Duration::from_secs(2), ..HttpConfig::default() },
        kafka: topics.kafka.clone(),
        topics: kafka_client::TopicsConfig { prefix: topics.prefix.clone() },
        visitor: visitor_config(KEY, &[]),
        ..Config::default()
    }
}

impl Service {
    /// Starts it, and does not wait until it is ready.
    pub(crate) fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = Shutdown::new();
        let running = spawn(likes::run(config, listener, shutdown.clone()));
        Self { origin, client: Client::new(), shutdown, running }
    }

    /// A ready replica.
    pub(crate) async fn ready(config: Config) -> Self {
        let service = Self::start(config);
        service.wait_until_ready().await;
        service
    }

    pub(crate) async fn on(topics: &Topics) -> Self {
        Self::ready(config(topics)).await
    }

    pub(crate) async fn wait_until_ready(&self) {
        eventually("the service is ready", async || self.get("/health/ready").await.status == StatusCode::OK).await;
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.origin))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub(crate) async fn new_visitor(&self) -> String {
        self.get("/likes/visitor").await.cookie.unwrap()
    }

    pub(crate) async fn put(&self, path: &str, cookie: &str) -> Answer {
        answer(self.request(Method::PUT, path).header(header::COOKIE, cookie)).await
    }

    pub(crate) async fn delete(&self, path: &str, cookie: &str) -> Answer {
        answer(self.request(Method::DELETE, path).header(header::COOKIE, cookie)).await
    }

    pub(crate) async fn post(&self, body: &Value) -> Answer {
        answer(self.request(Method::POST, "/likes").json(body)).await
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.shutdown.begin();
        self.running.await.unwrap().unwrap();
    }
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    read(request.timeout(PATIENCE).send().await.unwrap()).await
}

async fn read(response: Response) -> Answer {
    let headers = response.headers().clone();
    let cookie = headers.get(header::SET_COOKIE).map(|value| {
        let (pair, _) = value.to_str().unwrap().split_once(';').unwrap();
        pair.to_owned()
    });
    Answer { status: response.status(), cookie, headers, text: response.text().await.unwrap() }
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}
