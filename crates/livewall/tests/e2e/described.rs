//! What the services answer and take, held against their OpenAPI documents.

use contracts::{Timestamp, Topic, Tweet};
use kafka_client::{Range, read_range};
use load_test::{
    Request,
    stage::{Stage, WAIT, until},
};
use serde_json::{Map, Value, json};

use crate::{
    openapi::Document,
    wall::{like, post, tweet, unique, visitor, wall},
};

const JSON: &str = "application/json";
const IFTTT: &str = "/eventBridge/ifttt-tweet";
const TWEETS: &str = "/eventBridge/tweets";

fn with_token(stage: &Stage, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", path).header("X-Webhook-Token", stage.token()).body(content_type, body)
}

#[tokio::test]
async fn event_bridge_answers_and_takes_what_its_document_says() -> anyhow::Result<()> {
    let stage = wall().await;
    let document = Document::at(stage, "/eventBridge/openapi.json").await?;
    let good = json!({"text": "hi", "author": "ann", "tagFilter": unique("described")});
    let bad = json!({"text": "hi", "author": "ann", "tagFilter": "no such name"});
    let many = Value::Array(vec![bad.clone(); 1_001]);
    let no_post = [json!(17), json!([])];
    let mut calls = vec![
        (TWEETS, 200, with_token(stage, TWEETS, JSON, good.to_string())),
        (TWEETS, 200, with_token(stage, TWEETS, JSON, json!([good, good]).to_string())),
        (TWEETS, 200, with_token(stage, TWEETS, "application/x-ndjson", format!("{good}\n{good}\n"))),
        (TWEETS, 207, with_token(stage, TWEETS, JSON, json!([good, bad, 17]).to_string())),
        (TWEETS, 401, Request::new("POST", TWEETS).body(JSON, good.to_string())),
        (TWEETS, 413, with_token(stage, TWEETS, JSON, many.to_string())),
        (TWEETS, 415, with_token(stage, TWEETS, "image/png", good.to_string())),
        (TWEETS, 422, with_token(stage, TWEETS, JSON, bad.to_string())),
        (IFTTT, 200, with_token(stage, IFTTT, JSON, good.to_string())),
        (IFTTT, 400, with_token(stage, IFTTT, JSON, "{")),
        (IFTTT, 401, Request::new("POST", IFTTT).body(JSON, good.to_string())),
        (IFTTT, 413, with_token(stage, IFTTT, JSON, vec![b' '; 2 << 20])),
        (IFTTT, 415, with_token(stage, IFTTT, "image/png", good.to_string())),
        (IFTTT, 422, with_token(stage, IFTTT, JSON, bad.to_string())),
    ];
    calls.extend(no_post.map(|body| (TWEETS, 400, with_token(stage, TWEETS, JSON, body.to_string()))));
    for (path, status, request) in calls {
        let response = request.send(stage.origin()).await?;
        assert_eq!(response.head.status, status, "{path}: {}", response.text());
        document.holds("post", path, &response);
    }
    document.all_seen(&["Published", "BatchAnswer", "ProblemBody"]);

    // What is filled in under the documented names, with the documented examples, is on the topic.
    let conference = unique("fields");
    let body = filled(
        &document,
        "Post",
        &[
            ("tweetId", json!("plain")),
            ("hashtag", json!("rust")),
            ("language", json!("pt")),
            ("isARetweet", json!(true)),
            ("originalTweetId", json!("16")),
            ("tagFilter", json!(conference)),
        ],
    );
    let mut wanted = body.clone();
    wanted.insert("eventType".into(), json!("tweetEvent"));
    assert_eq!(published(stage, TWEETS, &body).await?, Value::Object(wanted));

    let embedded = json!("<a href=\"https://twitter.com/ferris/status/17\">");
    let mut body = filled(&document, "IftttApplet", &[("TweetEmbedCode", embedded), ("tagFilter", json!(conference))]);
    let mut wanted = json!({
        "eventType": "tweetEvent",
        "tweetId": "1234567890",
        "text": "Tom & Jerry at #rustconf",
        "author": "ferris",
        "hashtag": "rustconf",
        "createdAt": "2026-11-22T15:04:00.000Z",
        "language": "und",
        "tagFilter": conference,
        "isARetweet": false,
        "originalTweetId": "",
    });
    assert_eq!(published(stage, IFTTT, &body).await?, wanted);
    // Read where the link is not there.
    body.remove("LinkToTweet");
    wanted["tweetId"] = json!("17");
    assert_eq!(published(stage, IFTTT, &body).await?, wanted);
    Ok(())
}

/// A body with every property of the named schema: `given` ones, and the documented examples of all others.
fn filled(document: &Document, schema: &str, given: &[(&str, Value)]) -> Map<String, Value> {
    let properties = document.properties(schema);
    for (name, _) in given {
        assert!(properties.contains_key(*name), "{schema}.{name} is not described");
    }
    let value = |name: &str| given.iter().find(|(given, _)| *given == name).map(|(_, value)| value);
    properties
        .iter()
        .map(|(name, property)| {
            let value = value(name).or_else(|| property.get("example"));
            (name.clone(), value.unwrap_or_else(|| panic!("{schema}.{name} has no example")).clone())
        })
        .collect()
}

/// Posts a body and returns the record that came of it.
async fn published(stage: &Stage, path: &str, body: &Map<String, Value>) -> anyhow::Result<Value> {
    let body = Value::Object(body.clone()).to_string();
    let answer = with_token(stage, path, JSON, body).send(stage.origin()).await?;
    anyhow::ensure!(answer.head.status == 200, "{}", answer.text());
    let answer = answer.json();
    let (partition, offset) =
        (i32::try_from(answer["partition"].as_i64().unwrap())?, answer["offset"].as_i64().unwrap());
    let (config, topic) = (stage.broker.config(), Topic::Tweets.with_prefix(stage.prefix()));
    let read = move || read_range(&config, &topic, &[Range { partition, from: offset, to: offset + 1 }], WAIT);
    let records = tokio::task::spawn_blocking(read).await??;
    Ok(serde_json::from_slice(records[0].value.as_deref().unwrap_or_default())?)
}

#[tokio::test]
async fn likes_answers_what_its_document_says() -> anyhow::Result<()> {
    let stage = wall().await;
    let document = Document::at(stage, "/likes/openapi.json").await?;
    let (conference, id) = (unique("described"), unique("id"));
    post(stage, &tweet(&conference, &id, "hi", "ann")).await?;
    let cookie = visitor(stage).await?;
    like(stage, "PUT", &cookie, &id).await?;
    let one = format!("/likes/{id}");
    let request = |method: &str, target: &str| Request::new(method, target);
    let known = |method: &str, target: &str| Request::new(method, target).header("Cookie", &cookie);
    let body = |body: Value| Request::new("POST", "/likes").body(JSON, body.to_string());
    for (method, path, status, request) in [
        ("get", "/likes/visitor", 200, request("GET", "/likes/visitor")),
        ("get", "/likes/visitor", 200, known("GET", "/likes/visitor")),
        ("put", "/likes/{tweetId}", 200, known("PUT", &one)),
        ("put", "/likes/{tweetId}", 400, known("PUT", &format!("{one}?conference=a%20b"))),
        ("put", "/likes/{tweetId}", 401, request("PUT", &one)),
        ("put", "/likes/{tweetId}", 404, known("PUT", "/likes/no-such-tweet")),
        ("delete", "/likes/{tweetId}", 200, known("DELETE", &one)),
        ("delete", "/likes/{tweetId}", 400, known("DELETE", &format!("{one}?conference=a%20b"))),
        ("delete", "/likes/{tweetId}", 401, request("DELETE", &one)),
        ("delete", "/likes/{tweetId}", 404, known("DELETE", "/likes/no-such-tweet")),
        ("post", "/likes", 200, body(json!({"tweetId": id}))),
        ("post", "/likes", 200, body(json!({"tweetId": id, "conference": conference}))),
        ("post", "/likes", 400, body(json!({"tweetId": 17}))),
        ("post", "/likes", 404, body(json!({"tweetId": "no-such-tweet"}))),
        ("post", "/likes", 413, body(json!({"tweetId": "x".repeat(100_000)}))),
        ("post", "/likes", 415, request("POST", "/likes").body("image/png", "{}")),
    ] {
        let response = request.send(stage.origin()).await?;
        assert_eq!(response.head.status, status, "{method} {path}: {}", response.text());
        document.holds(method, path, &response);
    }
    document.all_seen(&["LikeAnswer", "ProblemBody"]);
    Ok(())
}

#[tokio::test]
async fn streams_analytics_answers_what_its_document_says() -> anyhow::Result<()> {
    const OF: &str = "/analytics/{conference}";
    const TOP: &str = "/analytics/{conference}/top";
    let stage = wall().await;
    let document = Document::at(stage, "/analytics/openapi.json").await?;
    let conference = unique("described");
    // One conference with something in every list, window and minute, and a like that came too late for its windows.
    let now = Timestamp::from(jiff::Timestamp::now());
    for (id, author) in [("one", "ann"), ("two", "bob")] {
        let tweet = tweet(&conference, &format!("{conference}.{id}"), "hi #rust", author);
        post(stage, &Tweet { created_at: Some(now), ..tweet }).await?;
    }
    let cookie = visitor(stage).await?;
    like(stage, "PUT", &cookie, &format!("{conference}.one")).await?;
    let own = format!("/analytics/{conference}");
    until("both posts and the like", async || {
        let response = Request::get(&own).send(stage.origin()).await?;
        let body = response.json();
        anyhow::ensure!(body["tweetCount"] == 2 && body["likeCount"] == 1, "{body}");
        document.holds("get", OF, &response);
        Ok(())
    })
    .await?;
    for (path, status, target) in [
        (OF, 200, own.clone()),
        (OF, 400, "/analytics/a%20b".to_owned()),
        (OF, 404, "/analytics/no-such-conference".to_owned()),
        (TOP, 200, format!("{own}/top")),
        (TOP, 200, format!("{own}/top?window=5m&n=1")),
        (TOP, 400, format!("{own}/top?n=many")),
        (TOP, 404, "/analytics/no-such-conference/top".to_owned()),
        (TOP, 410, format!("{own}/top?window=5m&start=2020-01-01T00:00:00Z")),
    ] {
        let response = Request::get(&target).send(stage.origin()).await?;
        assert_eq!(response.head.status, status, "{target}: {}", response.text());
        document.holds("get", path, &response);
    }
    document.all_seen(&[
        "ConferenceAnalytics",
        "ConferenceTop",
        "TopList",
        "RankedTweet",
        "MinuteCounts",
        "HashtagCount",
        "ProblemBody",
    ]);
    Ok(())
}

#[tokio::test]
async fn tweet_listener_answers_what_its_document_says() -> anyhow::Result<()> {
    let stage = wall().await;
    let document = Document::at(stage, "/openapi.json").await?;
    let (conference, id) = (unique("described"), unique("id"));
    post(stage, &tweet(&conference, &id, "hi", "ann")).await?;
    like(stage, "PUT", &visitor(stage).await?, &id).await?;
    let own = format!("/tweets?conference={conference}&limit=1");
    until("the post and its count", async || {
        let response = Request::get(&own).send(stage.origin()).await?;
        document.holds("get", "/tweets", &response);
        let body = response.json();
        let count = json!([{"tweetId": id, "conference": conference, "count": 1}]);
        anyhow::ensure!(body["tweets"][0]["tweetId"] == id.as_str() && body["counts"] == count, "{body}");
        Ok(())
    })
    .await?;
    for (path, target) in [
        ("/tweets", "/tweets?limit=none".to_owned()),
        ("/tweets", "/tweets?conference=a%20b".to_owned()),
        ("/updates", "/updates?conference=a%20b".to_owned()),
    ] {
        let response = Request::get(&target).send(stage.origin()).await?;
        assert_eq!(response.head.status, 400, "{target}: {}", response.text());
        document.holds("get", path, &response);
    }
    document.all_seen(&["TweetsBody", "ProblemBody"]);
    Ok(())
}
