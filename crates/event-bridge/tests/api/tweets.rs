use serde_json::{Value, json};

use crate::{
    app::{App, json, problem},
    topic::{record_of, records},
};

fn post(n: usize) -> Value {
    json!({"tweetId": n.to_string(), "text": format!("post {n}"), "author": "ferris", "tagFilter": "rustconf"})
}

#[actix_web::test]
async fn one_object_is_answered_with_its_place_on_the_topic() {
    let app = App::start().await;
    let (status, answer) = app
        .tweets(&json!({
            "text": "Tom &amp; Jerry", "author": "ferris", "hashtag": "#Async", "tagFilter": "#RustConf", "language": "en",
            "createdAt": "2026-11-22T16:04:05.678+01:00", "isARetweet": true, "originalTweetId": "16", "ignored": [1],
        }))
        .await;
    assert_eq!((status, &answer["conference"]), (200, &json!("rustconf")), "{answer}");
    assert_eq!(
        record_of(&app, &answer).await.value,
        json!({
            "eventType": "tweetEvent", "tweetId": answer["tweetId"], "text": "Tom &amp; Jerry", "author": "ferris",
            "hashtag": "Async", "createdAt": "2026-11-22T15:04:05.678Z", "language": "en", "tagFilter": "rustconf",
            "isARetweet": true, "originalTweetId": "16",
        })
    );
}

#[actix_web::test]
async fn a_post_without_a_time_gets_the_present_one() {
    let app = App::start().await;
    let before = jiff::Timestamp::now();
    let (_, answer) = app.tweets(&post(1)).await;
    let tweet = record_of(&app, &answer).await.value;
    let at: jiff::Timestamp = tweet["createdAt"].as_str().unwrap().parse().unwrap();
    assert!(at.as_millisecond() >= before.as_millisecond() && at <= jiff::Timestamp::now(), "{tweet}");
}

#[actix_web::test]
async fn an_array_is_answered_per_post() {
    let app = App::start().await;
    let (status, answer) = app.tweets(&json!([post(0), post(1)])).await;
    assert_eq!((status, &answer["accepted"], &answer["refused"]), (200, &json!(2), &json!(0)), "{answer}");
    for (n, result) in answer["results"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&result["index"], &result["status"]), (&json!(n), &json!(200)));
        assert_eq!(result["tweetId"], n.to_string());
        assert_eq!(record_of(&app, result).await.value["text"], format!("post {n}"));
    }
}

#[actix_web::test]
async fn three_wrong_posts_of_a_hundred_do_not_hold_up_the_others() {
    let app = App::start().await;
    let lines: Vec<String> = (0..100)
        .map(|n| match n {
            17 => json!({"author": "ferris", "tagFilter": "rustconf"}).to_string(),
            42 => "{\"text\": \"cut off".to_owned(),
            99 => json!({"text": "hi", "author": 17, "tagFilter": "rustconf"}).to_string(),
            n => post(n).to_string(),
        })
        .collect();
    let (status, answer) = app.lines(lines.join("\n")).await;
    assert_eq!((status, &answer["accepted"], &answer["refused"]), (207, &json!(97), &json!(3)), "{answer}");
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 100);
    assert_eq!(results[17], json!({"index": 17, "status": 422, "field": "text", "detail": "text: is missing"}));
    assert_eq!((&results[42]["status"], &results[42]["field"]), (&json!(400), &Value::Null));
    assert!(results[42]["detail"].as_str().unwrap().starts_with("the post is not JSON: EOF"), "{}", results[42]);
    assert_eq!(
        results[99],
        json!({"index": 99, "status": 422, "field": "author", "detail": "author: must be a string, is a number"})
    );

    let ids: Vec<String> =
        records(&app).await.iter().map(|record| record.value["tweetId"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<String> = (0..100).filter(|n| ![17, 42, 99].contains(n)).map(|n| n.to_string()).collect();
    assert_eq!(ids, expected, "in the order of the body");
}

#[actix_web::test]
async fn posts_of_several_conferences_go_to_their_partitions() {
    let app = App::start_with(|config| config.posts.conferences.clear()).await;
    let posts: Vec<Value> = (0..20)
        .map(|n| json!({"text": "hi", "author": "ferris", "tweetId": n.to_string(), "tagFilter": format!("c{n}")}))
        .collect();
    let (status, answer) = app.tweets(&posts.into()).await;
    assert_eq!(status, 200, "{answer}");
    let records = records(&app).await;
    assert_eq!(records.len(), 20);
    for record in &records {
        let conference = contracts::Conference::parse(&record.key).unwrap();
        assert_eq!(record.value["tagFilter"], record.key);
        assert_eq!(record.partition, contracts::partition_of(&conference, crate::app::PARTITIONS));
    }
    assert!(records.iter().any(|record| record.partition != records[0].partition));
}

#[actix_web::test]
async fn a_batch_of_the_largest_size_is_taken_and_one_more_is_not() {
    let app = App::start().await;
    let lines = |count| (0..count).map(|n| post(n).to_string() + "\n").collect::<String>();
    let (status, answer) = app.lines(lines(1_000)).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(1_000)));
    let request = app.post("/eventBridge/tweets", "application/x-ndjson", lines(1_001));
    let (status, problem) = problem(request.send().await.unwrap()).await;
    assert_eq!(
        (status, problem["detail"].as_str()),
        (413, Some("the body has more than the 1000 posts that are taken at once"))
    );
    assert_eq!(records(&app).await.len(), 1_000, "nothing of the second one");
}

#[actix_web::test]
async fn what_was_done_is_counted() {
    let app = App::start().await;
    app.tweets(&json!([post(0), {"text": 1}])).await;
    let metrics = app.get("/metrics").send().await.unwrap().text().await.unwrap();
    for metric in [
        "event_bridge_posts_total{outcome=\"accepted\"}",
        "event_bridge_posts_total{outcome=\"refused\"}",
        "event_bridge_publish_seconds_bucket",
        "# HELP event_bridge_posts_total",
    ] {
        assert!(metrics.contains(metric), "{metric} is not in {metrics}");
    }
}

#[actix_web::test]
async fn the_openapi_document_describes_the_calls() {
    let app = App::start().await;
    let (status, document) = json(app.get("/eventBridge/openapi.json").send().await.unwrap()).await;
    assert_eq!(status, 200);
    assert!(document["paths"]["/eventBridge/tweets"]["post"]["responses"]["207"].is_object());
}
