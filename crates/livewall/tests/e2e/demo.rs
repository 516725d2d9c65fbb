//! `scripts/demo`, as a newcomer runs it.

use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::Context as _;
use load_test::stage::{Process, root};
use serde_json::json;

use crate::{browser::Browser, curl::curl, wall::unique};

/// As an IFTTT Webhooks action sends it: ingredients filled into the applet's body, a raw line break in the text among them.
const BODY: &str = "{\"text\":\"<<<Fish &amp; \"chips\"\nat #rustconf>>>\",\"userName\":\"@ferris\",\
    \"createdAt\":\"November 22, 2026 at 03:04PM\",\"linkToTweet\":\"https://twitter.com/ferris/status/ID\",\
    \"tagFilter\":\"CONFERENCE\"}";

#[tokio::test]
async fn a_post_in_the_format_of_ifttt_goes_through_the_demo_to_the_page() -> anyhow::Result<()> {
    let token = unique("token");
    let port = six_free_ports()?;
    let mut demo = Process::new("demo", root().join("scripts/demo"))?
        .args(["--port", &port.to_string(), "--no-samples"])
        .env("LIVEWALL_HTTP__DRAIN", "2s")
        .env("LIVEWALL_WEBHOOK__TOKEN", &token);
    demo.start()?;
    // Whatever comes of it, the demo has to be ended in order: only it knows all that it has started.
    let outcome = through_the_demo(&mut demo, port, &token).await;
    let ended = demo.terminate().await?;
    outcome?;
    assert_eq!(ended.status.code(), Some(143), "as a script that was ended by SIGTERM: {}", demo.log());
    for port in port..port + 6 {
        let listening = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)));
        assert!(listening.is_err(), "port {port} is still in use: {}", demo.log());
    }
    Ok(())
}

async fn through_the_demo(demo: &mut Process, port: u16, token: &str) -> anyhow::Result<()> {
    let wall = format!("http://127.0.0.1:{port}");
    load_test::stage::until("the demo's wall", async || {
        anyhow::ensure!(demo.log().contains("The wall:"), "{}", demo.log());
        Ok(())
    })
    .await?;
    let conference = unique("demo");
    let browser = Browser::open(&format!("{wall}/?conference={conference}")).await?;
    browser.live().await?;
    let body = BODY.replace("ID", &unique("1")).replace("CONFERENCE", &conference);
    let (url, header) = (format!("{wall}/eventBridge/ifttt-tweet"), format!("X-Webhook-Token: {token}"));
    let answer = curl(&[&url, "-H", &header, "-H", "Content-Type: application/json", "-d", &body]).await?;
    anyhow::ensure!(answer.head.status == 200, "{}: {}", answer.head.status, answer.text());
    let shown: String = browser
        .until(
            "the post",
            "const text = document.querySelector('#feed article .text'); return text && text.textContent",
            &[json!(null)],
        )
        .await?;
    anyhow::ensure!(shown == "Fish & \"chips\"\nat #rustconf", "{shown:?}");
    browser.close().await
}

/// The first of six ports in a row, as the demo needs them.
fn six_free_ports() -> anyhow::Result<u16> {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (9_200..10_200).step_by(6).find(|first| (*first..first + 6).all(free)).context("six free ports in a row")
}
