//! What a client may not do to a connection, and to the metrics.

use std::{net::TcpListener, time::Duration};

use event_bridge::Config;
use kafka_client::KafkaConfig;
use service_shell::HttpConfig;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{interval, timeout},
};

use crate::app::{self, App};

/// How long a client may take here, and far more than that.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_mins(10);
const PATIENCE: Duration = Duration::from_secs(20);

/// Without a broker: these requests never come so far.
fn app(http: HttpConfig) -> App {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kafka = KafkaConfig { brokers: closed.to_string(), ..KafkaConfig::default() };
    App::start_unready(Config { kafka, http: HttpConfig { workers: 1, ..http }, ..Config::default() })
}

async fn connect(app: &App) -> TcpStream {
    TcpStream::connect(app.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Everything until the service closes the connection.
async fn rest(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the connection is closed").unwrap();
    String::from_utf8(bytes).unwrap()
}

#[actix_web::test]
async fn a_body_that_trickles_in_is_given_up_in_time() {
    let app = app(HttpConfig { body_timeout: SHORT, head_timeout: LONG, keep_alive: LONG, ..HttpConfig::default() });
    let (reading, mut writing) = connect(&app).await.into_split();
    let head = "POST /eventBridge/tweets HTTP/1.1\r\nHost: wall\r\nContent-Type: application/json\r\n\
                Content-Length: 100000\r\n\r\n";
    writing.write_all(head.as_bytes()).await.unwrap();
    // A byte now and then, each well before the limit: it is the whole body that has to be there.
    let trickle = actix_web::rt::spawn(async move {
        let mut now_and_then = interval(SHORT / 10);
        loop {
            now_and_then.tick().await;
            if writing.write_all(b" ").await.is_err() {
                return;
            }
        }
    });
    let answer = rest(reading).await;
    trickle.abort();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains("did not arrive within"), "{answer}");
}

#[actix_web::test]
async fn a_head_that_never_ends_is_given_up_in_time() {
    let app = app(HttpConfig { head_timeout: SHORT, body_timeout: LONG, keep_alive: LONG, ..HttpConfig::default() });
    let mut stream = connect(&app).await;
    stream.write_all(b"POST /eventBridge/tweets HTTP/1.1\r\nHost: wall\r\nX-Slow:").await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[actix_web::test]
async fn a_method_that_somebody_made_up_makes_no_metric_of_its_own() {
    let app = app(HttpConfig::default());
    let client = reqwest::Client::new();
    for made_up in ["BREW", "WHEN"] {
        let method = reqwest::Method::from_bytes(made_up.as_bytes()).unwrap();
        let response = client.request(method, format!("{}/eventBridge/tweets", app.url)).send().await.unwrap();
        assert_eq!(response.status(), 405);
    }
    let metrics = app.get("/metrics").send().await.unwrap().text().await.unwrap();
    let counted = metrics.lines().find(|line| {
        line.starts_with("http_requests_total") && line.contains("method=\"other\"") && line.ends_with(" 2")
    });
    assert!(counted.is_some(), "{metrics}");
    assert!(!metrics.contains("BREW") && !metrics.contains("WHEN"), "{metrics}");
}

#[actix_web::test]
async fn every_metric_says_what_it_is() {
    let app = app(HttpConfig::default());
    let refused = app.post("/eventBridge/tweets", "application/json", "[]").send().await.unwrap();
    assert_eq!(app::problem(refused).await.0, 400);
    let metrics = app.get("/metrics").send().await.unwrap().text().await.unwrap();
    let names: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for name in ["event_bridge_posts_total", "http_requests_total", "http_request_seconds"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for name in names {
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} has no help:\n{metrics}");
    }
}
