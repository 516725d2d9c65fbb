//! The stream as bytes: connections as clients and proxies really use them, and what stands on them.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::wall::{Replica, Wall};

const WAIT: Duration = Duration::from_secs(20);

/// A plain connection, read by blocking calls on threads of their own.
pub struct Wire {
    pub socket: TcpStream,
    received: Vec<u8>,
    open: bool,
}

impl Wire {
    pub fn to(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).unwrap())
    }

    pub fn of(socket: TcpStream) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self { socket, received: Vec::new(), open: true }
    }

    pub fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.received.clone()).unwrap()
    }

    /// Reads until `done`.
    pub async fn until(&mut self, what: &str, done: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + WAIT;
        while !done(&self.text()) {
            self.read().await;
            assert!(self.open && Instant::now() < deadline, "no {what}: {:?}", self.text());
        }
    }

    pub async fn until_end(&mut self) {
        let deadline = Instant::now() + WAIT;
        while self.open {
            self.read().await;
            assert!(Instant::now() < deadline, "no end: {:?}", self.text());
        }
    }

    async fn read(&mut self) {
        let mut piece = [0; 4096];
        match self.socket.read(&mut piece) {
            Ok(0) => self.open = false,
            Ok(len) => self.received.extend_from_slice(&piece[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(_) => self.open = false,
        }
    }
}

/// The head of the last answer, in lower case, and what follows it.
fn last_answer(text: &str) -> (String, &str) {
    let at = text.rfind("HTTP/1.").unwrap();
    let (head, body) = text[at..].split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body)
}

pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Waits until there is a place for one more viewer, who then goes.
pub async fn until_a_place_is_free(replica: &Replica) {
    let deadline = Instant::now() + WAIT;
    loop {
        let mut wire = Wire::to(replica.address);
        wire.send(&get("/updates"));
        wire.until("an answer", |text| text.contains("retry: ") && text.ends_with("\n\n")).await;
        if wire.text().contains("\nid: ") {
            return;
        }
        assert!(Instant::now() < deadline, "every place is taken");
    }
}

#[actix_web::test]
async fn a_stream_is_bytes_until_the_connection_closes_with_line_feeds_only() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut wire = Wire::to(replica.address);
    wire.send(&get("/updates"));
    wire.until("a first block", |text| text.ends_with("\n\n")).await;
    wall.post("rustconf", "1");
    wire.until("the tweet", |text| text.contains("tweetEvent") && text.ends_with("\n\n")).await;
    let text = wire.text();
    let (head, body) = last_answer(&text);
    assert!(head.starts_with("http/1.1 200 ok"), "{head}");
    for header in ["content-type: text/event-stream", "cache-control: no-cache", "x-accel-buffering: no", "date: "] {
        assert!(head.contains(header), "{header} in {head}");
    }
    // RFC 9112, section 6.3: without length and chunks, the body lasts until the connection closes.
    assert!(head.contains("connection: close"), "{head}");
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    assert!(!head.contains("content-encoding"), "a stream that is compressed would wait for its blocks: {head}");
    assert!(!body.contains('\r') && !body.contains('\0') && !body.starts_with('\u{feff}'));
    for block in body.split_terminator("\n\n") {
        for line in block.lines() {
            let field = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}")).0;
            assert!(["retry", "id", "event", "data"].contains(&field), "{line:?}");
        }
    }
}

#[actix_web::test]
async fn a_connection_that_has_brought_other_answers_can_bring_the_stream_also_behind_requests_in_line() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut kept = Wire::to(replica.address);
    kept.send(&get("/tweets"));
    kept.until("an answer", |text| text.contains("lastEventId")).await;
    kept.send(&get("/updates"));
    let mut in_line = Wire::to(replica.address);
    in_line.send(&[get("/tweets"), get("/no/such/path"), get("/updates")].concat());
    for wire in [&mut kept, &mut in_line] {
        wire.until("a first block", |text| text.contains("retry: ") && text.contains("\nid: 1-")).await;
    }
    wall.post("rustconf", "1");
    for wire in [&mut kept, &mut in_line] {
        wire.until("the tweet", |text| text.contains("tweetEvent")).await;
    }
    let text = in_line.text();
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
    assert!(at("lastEventId") < at("HTTP/1.1 404") && at("HTTP/1.1 404") < at("text/event-stream"));
    assert_eq!(text.matches("HTTP/1.1 ").count(), 3);
}

#[actix_web::test]
async fn requests_with_a_body_and_of_http_1_0_get_the_stream_too() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    for request in [
        "GET /updates HTTP/1.0\r\n\r\n",
        "GET /updates HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "GET /updates HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "GET /updates HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\nGET /tweets HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut wire = Wire::to(replica.address);
        wire.send(request);
        wire.until(request, |text| text.contains("\nid: 1-") && text.ends_with("\n\n")).await;
        let id = format!("x{}", wire.socket.local_addr().unwrap().port());
        wall.post("rustconf", &id);
        wire.until("the tweet", |text| text.contains(&id)).await;
    }
}

#[actix_web::test]
async fn head_options_and_other_origins_are_answered_as_browsers_need_it() {
    let wall = Wall::new().await;
    let replica = wall
        .replica_with(|config| {
            config.stream.allowed_origins = vec!["https://a.example".into()];
            config.stream.max_viewers = 1;
        })
        .await;
    let ask = async |method: &str, target: &str, origin: &str| {
        let mut wire = Wire::to(replica.address);
        wire.send(&format!("{method} {target} HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\r\n"));
        wire.until("an answer", |text| text.contains("\r\n\r\n")).await;
        last_answer(&wire.text()).0
    };
    let head = ask("HEAD", "/updates", "https://a.example").await;
    assert!(head.contains(" 200 ") && head.contains("text/event-stream") && !head.contains("content-length"), "{head}");
    assert!(ask("HEAD", "/updates?ping=maybe", "https://a.example").await.contains(" 400 "));
    let mut only = replica.open("/updates").await;
    only.until("a place, which HEAD does not take", |stream| !stream.id().is_empty()).await;
    let tweets = ask("HEAD", "/tweets", "https://a.example").await;
    assert!(tweets.contains(" 200 ") && tweets.contains("application/json"), "{tweets}");
    for (method, target) in
        [("GET", "/updates"), ("GET", "/tweets"), ("GET", "/updates?ping=maybe"), ("HEAD", "/updates")]
    {
        let head = ask(method, target, "https://a.example").await;
        assert!(head.contains("access-control-allow-origin: https://a.example"), "{method} {target}: {head}");
        assert!(head.contains("vary: origin"), "{head}");
        let other = ask(method, target, "https://b.example").await;
        assert!(!other.contains("access-control-allow-origin") && other.contains("vary: origin"), "{other}");
    }
    let preflight = ask("OPTIONS", "/updates", "https://a.example").await;
    assert!(preflight.contains(" 204 ") && preflight.contains("access-control-allow-headers: last-event-id"));
    assert!(!ask("OPTIONS", "/updates", "https://b.example").await.contains("access-control"));
    assert!(ask("POST", "/updates", "https://a.example").await.contains(" 405 "));
}

#[actix_web::test]
async fn a_client_that_closes_gives_its_place_back_and_one_that_closes_its_half_is_served() {
    let wall = Wall::new().await;
    let replica = wall.replica_with(|config| config.stream.max_viewers = 3).await;
    let (mut half, mut at_once, mut gone) =
        (Wire::to(replica.address), Wire::to(replica.address), Wire::to(replica.address));
    // As `nc -N` does it: the request and the end of what is sent come together.
    at_once.send(&get("/updates"));
    at_once.socket.shutdown(Shutdown::Write).unwrap();
    for wire in [&mut half, &mut gone] {
        wire.send(&get("/updates"));
    }
    for wire in [&mut half, &mut at_once, &mut gone] {
        wire.until("a first block", |text| text.contains("\nid: ")).await;
    }
    half.socket.shutdown(Shutdown::Write).unwrap();
    let mut over = Wire::to(replica.address);
    over.send(&get("/updates"));
    over.until_end().await;
    assert!(over.text().contains("\r\n\r\nretry: "), "over the limit: when to come again, and the end");
    // Found out by what it is sent at once, not at the next heartbeat.
    drop(gone);
    let began = Instant::now();
    until_a_place_is_free(&replica).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    wall.post("rustconf", "1");
    for wire in [&mut half, &mut at_once] {
        wire.until("the tweet", |text| text.contains("tweetEvent")).await;
    }
}

#[actix_web::test]
async fn comments_resets_pings_and_tables_are_blocks_as_the_standard_has_them() {
    let wall = Wall::new().await;
    let replica = wall.replica_with(|config| config.stream.heartbeat = Duration::from_millis(200)).await;
    let mut wire = Wire::to(replica.address);
    wire.send(&get("/updates?ping=true&lastEventId=garbage"));
    wire.until("a ping", |text| text.contains("event: ping") && text.ends_with("\n\n")).await;
    wall.count("rustconf", "1", 2);
    wire.until("the like", |text| text.contains("event: tweetLiked\n") && text.ends_with("\n\n")).await;
    let value = br#"{"eventType":"tweetEvent","tweetId":"1","tagFilter":"rustconf","text":"a\nb"}"#;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    wall.write_traced(contracts::Topic::Tweets, "rustconf", value, trace);
    wire.until("the tweet", |text| text.contains("tweetEvent") && text.ends_with("\n\n")).await;
    let text = wire.text();
    let (_, body) = last_answer(&text);
    let blocks: Vec<Vec<&str>> = body.split_terminator("\n\n").map(|block| block.lines().collect()).collect();
    let with = |part: &str| {
        let found = blocks.iter().find(|block| block.iter().any(|line| line.contains(part)));
        found.unwrap_or_else(|| panic!("{part} in {body}"))
    };
    assert!(matches!(with("\"reason\":\"malformed\"")[..], ["event: reset", id, data]
        if id.starts_with("id: 1-") && data.starts_with("data: {\"eventType\":\"reset\"")));
    assert_eq!(with("ping")[..], ["event: ping", "data: {\"eventType\":\"ping\"}"]);
    assert!(matches!(with("tweetLikes\"")[..], ["event: tweetLikes", data] if data.starts_with("data: {")));
    assert!(matches!(with("tweetEvent")[..], [comment, id, data]
        if comment.starts_with(": traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-") && id.starts_with("id: 1-")
            && data.contains("a\\nb")));
}

#[actix_web::test]
async fn a_viewer_that_reads_nothing_is_closed_and_hinders_nobody() {
    let wall = Wall::new().await;
    let replica = wall
        .replica_with(|config| {
            config.stream.max_viewers = 2;
            config.stream.ring_bytes = 256 * 1024;
            config.stream.send_buffer_bytes = 4096;
            config.stream.write_timeout = Duration::from_millis(500);
            config.stream.heartbeat = Duration::from_millis(500);
        })
        .await;
    let mut deaf = Wire::to(replica.address);
    deaf.send(&get("/updates"));
    deaf.until("a first block", |text| text.contains("\nid: ")).await;
    let mut reads = replica.open("/updates").await;
    let ids: Vec<String> = (0..20_000).map(|id| id.to_string()).collect();
    for ids in ids.chunks(200) {
        wall.post_all("rustconf", ids);
        let last = ids.last().unwrap();
        reads.until("all so far", |stream| stream.ids().last() == Some(last)).await;
    }
    assert!(reads.ids() == ids, "in order and each once");
    until_a_place_is_free(&replica).await;
    // What it had not read when it was closed is the end of a sound stream, or a break: never another block's middle.
    deaf.until_end().await;
    let text = deaf.text();
    let (_, body) = last_answer(&text);
    let whole = body.rsplit_once("\n\n").unwrap().0;
    assert!(whole.split("\n\n").all(|block| block.lines().last().is_some_and(|line| {
        line.strip_prefix("data: ").is_none_or(|data| serde_json::from_str::<serde_json::Value>(data).is_ok())
    })));
}
