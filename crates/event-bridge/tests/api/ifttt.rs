use contracts::{Conference, TraceParent, partition_of};
use serde_json::json;

use crate::{
    app::{self, App, PARTITIONS, problem},
    topic::{record_of, records},
};

/// As the applet editor shows it, with the ingredients filled in.
const BODY: &str = r#"{
    "Text": "Tom &amp; Jerry at #RustConf: 1 &lt; 2",
    "UserName": "ferris",
    "LinkToTweet": "http://twitter.com/ferris/status/853935915714138112",
    "CreatedAt": "November 22, 2026 at 03:04PM",
    "FirstLinkUrl": "https://t.co/cBZNgqKk0U",
    "TweetEmbedCode": "<blockquote class=\"twitter-tweet\"></blockquote>"
}"#;

#[actix_web::test]
async fn an_applets_post_stands_on_the_topic_when_it_is_answered() {
    let app = App::start().await;
    let trace = TraceParent::start();
    let request = app.post("/eventBridge/ifttt-tweet", "application/json", BODY);
    let response = request.header("traceparent", trace.to_string()).send().await.unwrap();
    let (status, answer) = app::json(response).await;
    assert_eq!(status, 200, "{answer}");
    let conference = Conference::parse("rustconf").unwrap();
    let partition = partition_of(&conference, PARTITIONS);
    assert_eq!(
        answer,
        json!({"tweetId": "853935915714138112", "conference": "rustconf", "partition": partition, "offset": 0})
    );

    let record = record_of(&app, &answer).await;
    assert_eq!(record.key, "rustconf");
    assert_eq!(
        record.value,
        json!({
            "eventType": "tweetEvent", "tweetId": "853935915714138112", "text": "Tom & Jerry at #RustConf: 1 < 2",
            "author": "ferris", "hashtag": "RustConf", "createdAt": "2026-11-22T14:04:00.000Z", "language": "und",
            "tagFilter": "rustconf", "isARetweet": false, "originalTweetId": "",
        })
    );
    let carried = record.trace.expect("a traceparent");
    assert_eq!(carried.trace_id(), trace.trace_id());
    assert_ne!(carried, trace, "the record's parent is the span of the request");
}

#[actix_web::test]
async fn a_form_is_taken_like_json() {
    let app = App::start().await;
    let body = "Text=Tom+%26amp%3B+Jerry&UserName=ferris&tagFilter=%23KafkaConf&CreatedAt=2026-11-22T15%3A04%3A05Z\
                &LinkToTweet=https%3A%2F%2Fmastodon.social%2F%40ferris%2F17";
    let kind = "application/x-www-form-urlencoded; charset=utf-8";
    let (status, answer) = app::json(app.post("/eventBridge/ifttt-tweet", kind, body).send().await.unwrap()).await;
    assert_eq!((status, &answer["tweetId"]), (200, &json!("17")), "{answer}");
    let tweet = record_of(&app, &answer).await.value;
    assert_eq!((&tweet["text"], &tweet["tagFilter"]), (&json!("Tom & Jerry"), &json!("kafkaconf")));
}

#[actix_web::test]
async fn raw_line_breaks_and_literal_marks_are_read_as_they_were_meant() {
    let app = App::start().await;
    let body = "{\"Text\":\"<<<say \"hi\",\n\t#rustconf>>>\",\"UserName\":\"<<<ferris>>>\"}";
    let (status, answer) = app.ifttt(body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(record_of(&app, &answer).await.value["text"], "say \"hi\",\n\t#rustconf");
}

#[actix_web::test]
async fn a_retried_delivery_is_the_same_tweet() {
    let app = App::start().await;
    let body = r#"{"Text":"hi #rustconf","UserName":"ferris","CreatedAt":"November 22, 2026 at 03:04PM"}"#;
    let (first, second) = (app.ifttt(body).await, app.ifttt(body).await);
    assert_eq!((first.0, second.0), (200, 200));
    assert_eq!(first.1["tweetId"], second.1["tweetId"]);
    assert_eq!(first.1["tweetId"].as_str().map(str::len), Some(36));
    let values: Vec<_> = records(&app).await.into_iter().map(|record| record.value).collect();
    assert_eq!(values.len(), 2);
    assert_eq!(values[0], values[1]);
}

#[actix_web::test]
async fn an_unescaped_quote_is_refused_with_the_way_to_escape_it() {
    let app = App::start().await;
    let body = r#"{"Text":"say "hi" #rustconf","UserName":"ferris"}"#;
    let response = app.post("/eventBridge/ifttt-tweet", "application/json", body).send().await.unwrap();
    let (status, problem) = problem(response).await;
    assert_eq!(status, 400);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("the body is not JSON"), "{detail}");
    assert!(detail.contains("<<<{{Text}}>>>"), "{detail}");
    assert!(records(&app).await.is_empty());
}

#[actix_web::test]
async fn a_field_that_cannot_be_taken_is_named() {
    let app = App::start().await;
    for (body, field, detail) in [
        (json!({"UserName": "f", "tagFilter": "rustconf"}), "text", "text: is missing"),
        (json!({"Text": "#rustconf"}), "author", "author: is missing"),
        (
            json!({"Text": "hi", "UserName": "f"}),
            "tagFilter",
            "tagFilter: is missing, and the text has none of the hashtags #rustconf, #kafkaconf",
        ),
        (
            json!({"Text": "hi", "UserName": "f", "tagFilter": "javaone"}),
            "tagFilter",
            "tagFilter: is javaone, which is not one of this wall's conferences: kafkaconf, rustconf",
        ),
        (
            json!({"Text": "#rustconf", "UserName": "f", "CreatedAt": "22-11-2026"}),
            "createdAt",
            "createdAt: is not a time such as \"November 22, 2026 at 03:04PM\" or 2026-11-22T15:04:05Z",
        ),
    ] {
        let response = app.post("/eventBridge/ifttt-tweet", "application/json", body.to_string()).send().await.unwrap();
        let (status, problem) = problem(response).await;
        assert_eq!(
            (status, problem["field"].as_str(), problem["detail"].as_str()),
            (422, Some(field), Some(detail)),
            "{problem}"
        );
    }
    assert!(records(&app).await.is_empty());
}
