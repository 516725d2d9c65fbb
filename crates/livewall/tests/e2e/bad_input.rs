//! Input that is refused, as callers meet it through the origin.

use load_test::{Response, Viewer, stage::Stage};
use serde_json::{Value, json};

use crate::{
    curl::{curl, curl_with},
    wall::{post, tweet, unique, visitor, wall},
};

const JSON: &str = "Content-Type: application/json";

/// Posts a body to `path` of event-bridge.
async fn send(stage: &Stage, path: &str, content_type: &str, body: &[u8]) -> anyhow::Result<Response> {
    let (url, token) = (format!("{}{path}", stage.url()), format!("X-Webhook-Token: {}", stage.token()));
    curl_with(&[&url, "-H", &token, "-H", content_type], body).await
}

/// An answer in the form of RFC 9457 with `status`; its text and the field that it names.
fn problem(answer: &Response, status: u16) -> (String, Value) {
    assert_eq!(answer.head.status, status, "{}", answer.text());
    assert_eq!(answer.head.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    let problem = answer.json();
    assert_eq!(problem["status"], status, "{problem}");
    let detail = problem["detail"].as_str().expect("a detail").to_owned();
    assert!(!detail.is_empty() && !detail.contains('\n'), "{detail:?}");
    (detail, problem["field"].clone())
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_reason() -> anyhow::Result<()> {
    let stage = wall().await;
    for path in ["/eventBridge/tweets", "/eventBridge/ifttt-tweet"] {
        problem(&send(stage, path, JSON, b"{\"text\":").await?, 400);
        problem(&send(stage, path, JSON, b"{\"text\":\"\xff\"}").await?, 400);
        problem(&send(stage, path, JSON, b" ").await?, 400);
        problem(&send(stage, path, "Content-Type: image/png", b"{}").await?, 415);
        // Larger than the service takes, and larger than the origin takes.
        for bytes in [2 << 20, 17 << 20] {
            problem(&send(stage, path, JSON, &vec![b' '; bytes]).await?, 413);
        }
    }
    let unescaped = br#"{"text":"He said "hello" to me","userName":"ann","tagFilter":"x"}"#;
    let (detail, _) = problem(&send(stage, "/eventBridge/ifttt-tweet", JSON, unescaped).await?, 400);
    assert!(detail.contains("<<<{{Text}}>>>"), "it says how to escape a quotation mark: {detail}");
    Ok(())
}

#[tokio::test]
async fn a_field_outside_its_rule_is_named() -> anyhow::Result<()> {
    let stage = wall().await;
    let good = json!({ "text": "t", "author": "a", "tagFilter": "fields", "tweetId": "1" });
    for (field, value) in [
        ("text", Value::Null),
        ("text", json!("")),
        ("text", json!("x".repeat(20_000))),
        ("text", json!(17)),
        ("author", Value::Null),
        ("author", json!(["a"])),
        ("tagFilter", Value::Null),
        ("tagFilter", json!("no blanks")),
        ("tagFilter", json!("x".repeat(65))),
        ("tweetId", json!("a/b")),
        ("tweetId", json!("x".repeat(65))),
        ("createdAt", json!("yesterday")),
        ("isARetweet", json!("yes")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let answer = send(stage, "/eventBridge/tweets", JSON, body.to_string().as_bytes()).await?;
        let (detail, named) = problem(&answer, 422);
        assert_eq!(named, field, "{value}: {detail}");
    }
    Ok(())
}

#[tokio::test]
async fn of_a_hundred_items_three_are_wrong_and_the_others_are_taken() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("hundred");
    let viewer = Viewer::start("of the batch", &[stage.origin()], &format!("/updates?conference={conference}"));
    viewer.connected().await?;
    let wrong = [7, 42, 99];
    let item = |index: usize| {
        let text = if wrong.contains(&index) { Value::Null } else { json!(format!("post {index}")) };
        json!({ "tweetId": format!("{conference}.{index}"), "text": text, "author": "ann", "tagFilter": conference })
    };
    let lines: Vec<String> = (0..100).map(|index| item(index).to_string()).collect();
    let answer =
        send(stage, "/eventBridge/tweets", "Content-Type: application/x-ndjson", lines.join("\n").as_bytes()).await?;
    assert_eq!(answer.head.status, 207, "{}", answer.text());
    let answer = answer.json();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(97), &json!(3)));
    for (index, result) in answer["results"].as_array().expect("results").iter().enumerate() {
        let (status, field) = if wrong.contains(&index) { (422, json!("text")) } else { (200, Value::Null) };
        assert_eq!((&result["index"], &result["status"], &result["field"]), (&json!(index), &json!(status), &field));
    }
    let shown = viewer
        .until("97 posts", |journal| {
            let posts: Vec<_> = journal.events.iter().filter(|seen| seen.data["eventType"] == "tweetEvent").collect();
            (posts.len() >= 97).then(|| posts.iter().map(|seen| seen.data["text"].clone()).collect::<Vec<_>>())
        })
        .await?;
    let expected: Vec<_> =
        (0..100).filter(|index| !wrong.contains(index)).map(|index| json!(format!("post {index}"))).collect();
    assert_eq!(shown, expected, "in the order of the body");
    Ok(())
}

#[tokio::test]
async fn a_wrong_token_a_forged_cookie_and_an_unknown_post_change_nothing() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("forged");
    let url = format!("{}/eventBridge/tweets", stage.url());
    let body = json!({ "text": "t", "author": "a", "tagFilter": conference }).to_string();
    for header in ["X-Nothing: 1", "X-Webhook-Token: wrong", "Authorization: Bearer wrong"] {
        problem(&curl(&[&url, "-H", header, "-H", JSON, "-d", &body]).await?, 401);
    }
    problem(&curl(&[&format!("{url}?token=wrong"), "-H", JSON, "-d", &body]).await?, 401);

    let id = format!("{conference}.1");
    post(stage, &tweet(&conference, &id, "t", "a")).await?;
    let like = |id: &str| format!("{}/likes/{id}", stage.url());
    for cookie in ["", "livewall_visitor=forged", "livewall_visitor=1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = curl(&[&like(&id), "-X", "PUT", "-H", &format!("Cookie: {cookie}")]).await?;
        problem(&answer, 401);
        let set = answer.head.header("set-cookie").expect("a cookie to come back with");
        assert!(set.contains("HttpOnly") && set.contains("SameSite"), "{set}");
    }
    let cookie = format!("Cookie: {}", visitor(stage).await?);
    problem(&curl(&[&like("no-such-post"), "-X", "PUT", "-H", &cookie]).await?, 404);
    problem(&curl(&[&format!("{}?conference=elsewhere", like(&id)), "-X", "PUT", "-H", &cookie]).await?, 404);
    let (_, field) = problem(&curl(&[&like(&"x".repeat(65)), "-X", "PUT", "-H", &cookie]).await?, 400);
    assert_eq!(field, "tweetId");

    // Nothing of it was published or counted.
    let viewer = Viewer::start("of the forgeries", &[stage.origin()], &format!("/updates?conference={conference}"));
    let totals = viewer
        .until("the one post", |journal| journal.last("tweetAnalytics", |data| data["tweetCount"] != 0).cloned())
        .await?;
    assert_eq!((&totals.data["tweetCount"], &totals.data["likeCount"]), (&json!(1), &json!(0)));
    Ok(())
}

#[tokio::test]
async fn an_id_that_cannot_be_honoured_gets_a_reset_with_the_reason_and_the_posts_that_follow() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("reset");
    let target = format!("/updates?conference={conference}");
    let first = Viewer::start("for its id", &[stage.origin()], &target);
    first.connected().await?;
    let id = first.journal().id.clone();
    // `1-<fingerprint>-<offset>.<offset>…`
    let parts: Vec<&str> = id.split('-').collect();
    let beyond = format!("{}-{}-{}", parts[0], parts[1], ["zzzzzzz"; 4].join("."));
    let foreign = format!("{}-{}-{}", parts[0], "00000000", parts[2]);
    for (given, reason) in [("garbage", "malformed"), (foreign.as_str(), "foreign"), (beyond.as_str(), "beyond-end")] {
        let viewer = Viewer::resumed(reason, &[stage.origin()], &target, given);
        let reset = viewer.until("a reset", |journal| journal.last("reset", |_| true).cloned()).await?;
        assert_eq!((reset.kind.as_str(), &reset.data["reason"]), ("reset", &json!(reason)));
        assert!(!reset.id.is_empty() && reset.id != given, "a new id: {reset:?}");
        let tweet = tweet(&conference, &format!("{conference}.{reason}"), reason, "ann");
        post(stage, &tweet).await?;
        viewer
            .until("what follows", |journal| journal.last("tweetEvent", |data| data["text"] == reason).map(drop))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn health_and_metrics_are_not_routed_from_outside() -> anyhow::Result<()> {
    let stage = wall().await;
    for path in ["/health/ready", "/health/live", "/metrics", "/health", "/nothing-here"] {
        problem(&curl(&[&format!("{}{path}", stage.url())]).await?, 404);
    }
    Ok(())
}
