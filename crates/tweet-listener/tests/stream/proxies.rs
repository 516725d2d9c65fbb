//! What stands in front of tweet-listener elsewhere.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{io::AsyncReadExt as _, net::TcpSocket};

use crate::{
    wall::{Replica, Wall},
    wire::{Wire, get},
};

const WAIT: Duration = Duration::from_secs(20);
const BALANCER: &str = "127.0.0.2";

/// A connection from the balancer's address.
async fn from_balancer(replica: &Replica) -> Wire {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(BALANCER.parse().unwrap(), 0)).unwrap();
    Wire::of(socket.connect(replica.address).await.unwrap().into_std().unwrap())
}

#[actix_web::test]
async fn a_trusted_balancer_tells_by_the_proxy_protocol_who_its_clients_are() {
    let wall = Wall::new().await;
    let replica = wall
        .replica_with(|config| {
            config.http.proxy_protocol_from = vec![BALANCER.into()];
            config.stream.max_viewers_per_address = 1;
        })
        .await;
    let second = |last: u8| {
        let addresses = [192, 0, 2, last, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses].concat()
    };
    let first = |last: u8| format!("PROXY TCP4 192.0.2.{last} 10.0.0.1 4711 80\r\n").into_bytes();
    let mut open = Vec::new();
    for (header, served) in
        [(first(1), true), (second(2), true), (second(1), false), (first(2), false), (first(3), true)]
    {
        let mut wire = from_balancer(&replica).await;
        wire.send_bytes(&header);
        // The balancer keeps the connection for several requests of the same client.
        wire.send(&get("/tweets"));
        wire.until("an answer", |text| text.contains("lastEventId")).await;
        wire.send(&get("/updates"));
        wire.until("a first block", |text| text.contains("retry: ") && text.ends_with("\n\n")).await;
        assert_eq!(wire.text().contains("\nid: "), served, "{:?}", String::from_utf8_lossy(&header));
        open.push(wire);
    }
    let mut silent = from_balancer(&replica).await;
    silent.send(&get("/updates"));
    silent.until_end().await;
    assert_eq!(silent.text(), "", "without a header nobody can tell whose connection it is");
    let mut stranger = Wire::to(replica.address);
    stranger.send_bytes(&first(4));
    stranger.send(&get("/updates"));
    stranger.until_end().await;
    assert!(stranger.text().starts_with("HTTP/1.1 400"), "{}", stranger.text());
}

/// nginx that speaks HTTP/2 to its clients and HTTP/1.1, over connections that it keeps, to a replica.
struct Front {
    nginx: Child,
    address: SocketAddr,
    _files: tempfile::TempDir,
}

impl Front {
    fn of(replica: &Replica) -> Self {
        let files = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let dir = files.path().display();
        let replica = replica.address;
        let config = format!(
            "daemon off; master_process off; pid {dir}/pid; error_log stderr;
             events {{ worker_connections 64; }}
             http {{
               access_log off;
               client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
               uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
               upstream replica {{ server {replica}; keepalive 4; }}
               server {{
                 listen {address} http2;
                 location / {{ proxy_pass http://replica; proxy_http_version 1.1; proxy_set_header Connection ''; }}
               }}
             }}"
        );
        let path = files.path().join("nginx.conf");
        fs::write(&path, config).unwrap();
        let search = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let nginx =
            Command::new("nginx").env("PATH", search).arg("-c").arg(&path).stderr(Stdio::null()).spawn().unwrap();
        Self { nginx, address, _files: files }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

/// curl with HTTP/2 from the first byte, as nginx expects it without TLS.
async fn curl(address: SocketAddr, target: &str, done: impl Fn(&str) -> bool) -> String {
    let mut curl = tokio::process::Command::new("curl")
        .args(["--http2-prior-knowledge", "-sN", "-i", "--retry", "20", "--retry-connrefused", "--retry-delay", "1"])
        .arg(format!("http://{address}{target}"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut out, mut text) = (curl.stdout.take().unwrap(), Vec::new());
    let read = async {
        while !done(&String::from_utf8_lossy(&text)) {
            assert!(out.read_buf(&mut text).await.unwrap() > 0, "the end: {}", String::from_utf8_lossy(&text));
        }
    };
    tokio::time::timeout(WAIT, read).await.expect("in time");
    String::from_utf8(text).unwrap()
}

#[actix_web::test]
async fn streams_come_through_a_proxy_that_turns_http_2_into_kept_connections_of_http_1_1() {
    let wall = Wall::new().await;
    let replica = wall.replica_with(|config| config.stream.max_viewers = 1).await;
    let front = Front::of(&replica);
    // Connections that have brought these answers are kept, and bring the streams.
    for _ in 0..3 {
        let answer = curl(front.address, "/tweets", |text| text.contains("lastEventId")).await;
        assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    }
    wall.post("rustconf", "1");
    let id = replica.get("/tweets").await.1["lastEventId"].as_str().unwrap().to_owned();
    wall.post("rustconf", "2");
    // Each time the only place, which a client that goes gives back through the proxy.
    for _ in 0..3 {
        let target = format!("/updates?lastEventId={id}");
        let deadline = std::time::Instant::now() + WAIT;
        loop {
            let stream = curl(front.address, &target, |text| text.contains("retry: ") && text.ends_with("\n\n")).await;
            if stream.contains("\nid: ") {
                assert!(stream.starts_with("HTTP/2 200") && stream.contains("content-type: text/event-stream"));
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the place is never free");
        }
    }
    crate::wire::until_a_place_is_free(&replica).await;
    let stream = loop {
        let text = curl(front.address, &format!("/updates?lastEventId={id}"), |text| {
            text.contains("\"tweetId\":\"2\"") || text.contains("retry: ") && !text.contains("\nid: ")
        })
        .await;
        if text.contains("\nid: ") {
            break text;
        }
    };
    assert!(stream.contains("\"tweetId\":\"2\"") && stream.contains("tweetEvent"), "{stream}");
}
