//! The running service.

use std::{net::TcpListener, time::Duration};

use event_bridge::{Config, IftttConfig, PostsConfig};
use kafka_client::{KafkaConfig, TopicsConfig, admin};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use service_shell::{HttpConfig, Secret, Shutdown};
use tokio::time::{Instant, sleep};

pub const PARTITIONS: i32 = 4;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The real broker.
pub fn brokers() -> String {
    std::env::var("LIVEWALL_TEST_BROKERS")
        .expect("LIVEWALL_TEST_BROKERS must name a running Kafka, such as the address that `scripts/kafka up` prints")
}

/// A prefix that no other test has.
pub fn new_prefix() -> String {
    format!("eb-{}-", uuid::Uuid::new_v4().simple())
}

/// A configuration for the real broker, whose conferences are `rustconf` and `kafkaconf`.
pub fn config(prefix: &str) -> Config {
    Config {
        kafka: KafkaConfig { brokers: brokers(), ..KafkaConfig::default() },
        topics: TopicsConfig { prefix: prefix.to_owned() },
        http: HttpConfig { workers: 1, drain: Duration::from_secs(2), ..HttpConfig::default() },
        posts: PostsConfig { conferences: vec!["rustconf".into(), "kafkaconf".into()], ..PostsConfig::default() },
        ifttt: IftttConfig { zone: "Europe/Amsterdam".into() },
        ..Config::default()
    }
}

/// The service on a port of its own, ended when it is dropped.
pub struct App {
    pub url: String,
    pub config: Config,
    client: Client,
    shutdown: Shutdown,
}

impl App {
    /// With topics of its own, ready.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// As [`App::start`], with a changed configuration.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(&new_prefix());
        change(&mut config);
        admin::create_topics(&config.kafka, &config.topics.prefix, PARTITIONS, 1, contracts::Topic::spec)
            .await
            .unwrap();
        let app = Self::start_unready(config);
        app.becomes_ready().await;
        app
    }

    /// Whatever state Kafka is in.
    pub fn start_unready(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = Shutdown::new();
        actix_web::rt::spawn({
            let (config, shutdown) = (config.clone(), shutdown.clone());
            async move { event_bridge::run(config, listener, shutdown).await.unwrap() }
        });
        Self { url, config, client: Client::new(), shutdown }
    }

    pub async fn becomes_ready(&self) {
        self.readiness(|status, _| status == 200).await;
    }

    /// Waits until `/health/ready` answers as `wanted`.
    pub async fn readiness(&self, wanted: impl Fn(u16, &Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, body) = json(self.get("/health/ready").send().await.unwrap()).await;
            if wanted(status, &body) {
                return body;
            }
            assert!(Instant::now() < deadline, "readiness is still {status}: {body}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.url)).header("content-type", content_type).body(body);
        match self.config.webhook.token.expose() {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Posts an IFTTT body as JSON.
    pub async fn ifttt(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        json(self.post("/eventBridge/ifttt-tweet", "application/json", body).send().await.unwrap()).await
    }

    /// Posts our own JSON.
    pub async fn tweets(&self, body: &Value) -> (u16, Value) {
        json(self.post("/eventBridge/tweets", "application/json", body.to_string()).send().await.unwrap()).await
    }

    /// Posts one object per line.
    pub async fn lines(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        json(self.post("/eventBridge/tweets", "application/x-ndjson", body).send().await.unwrap()).await
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.shutdown.begin();
        self.shutdown.close_clients();
    }
}

/// With a webhook token.
pub fn with_token(config: &mut Config) {
    config.webhook.token = Secret::new("s3cret");
}

/// Status and body of an answer.
pub async fn json(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}")))
}

/// Status and body of an answer that must be a problem.
pub async fn problem(response: Response) -> (u16, Value) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let (status, body) = json(response).await;
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["type"], "about:blank", "{body}");
    (status, body)
}
