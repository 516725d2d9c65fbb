use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::{
    app::{App, problem, with_token},
    topic::records,
};

const TWEETS: &str = "/eventBridge/tweets";
const JSON: &str = "application/json";

async fn refused(request: RequestBuilder) -> (u16, String) {
    let (status, problem) = problem(request.send().await.unwrap()).await;
    (status, problem["detail"].as_str().unwrap().to_owned())
}

#[actix_web::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_reason() {
    let app = App::start().await;
    for (request, status, detail) in [
        (
            app.post(TWEETS, JSON, "{\"text\":"),
            400,
            "the body is not JSON: EOF while parsing a value at line 1 column 8",
        ),
        (app.post(TWEETS, JSON, "17"), 400, "the body is not a JSON object but a number"),
        (app.post(TWEETS, JSON, vec![b'{', 0xff]), 400, "the body is not UTF-8: byte 1 begins no character"),
        (
            app.post(
                "/eventBridge/ifttt-tweet",
                "application/x-www-form-urlencoded",
                "text=caf%E9&userName=ferris&tagFilter=rustconf",
            ),
            400,
            "the body is not UTF-8 once its escapes are resolved: what stands at byte 8 begins no character",
        ),
        (app.post(TWEETS, JSON, ""), 400, "the body has no post in it"),
        (app.post(TWEETS, JSON, "[]"), 400, "the body has no post in it"),
        (app.post(TWEETS, "application/x-ndjson", "\n\n"), 400, "the body has no post in it"),
        (
            app.post(TWEETS, "text/plain", "{}"),
            415,
            "the Content-Type must be one of: application/json, application/x-ndjson, application/ndjson, application/jsonl",
        ),
        (
            app.post("/eventBridge/ifttt-tweet", "application/x-ndjson", "{}"),
            415,
            "the Content-Type must be one of: application/json, application/x-www-form-urlencoded",
        ),
        (
            app.post(TWEETS, JSON, "{}").header("content-encoding", "gzip"),
            415,
            "the body must not be compressed (Content-Encoding: gzip)",
        ),
    ] {
        assert_eq!(refused(request).await, (status, detail.to_owned()));
    }
    assert!(records(&app).await.is_empty());
}

#[actix_web::test]
async fn a_body_that_is_too_large_is_refused_whether_or_not_its_length_is_declared() {
    let app = App::start_with(|config| config.limits.body_bytes = 1_000).await;
    let post = json!({"text": "x".repeat(1_000), "author": "ferris", "tagFilter": "rustconf"}).to_string();
    let chunks: Vec<Result<Vec<u8>, std::io::Error>> = post.as_bytes().chunks(100).map(|c| Ok(c.to_vec())).collect();
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    for body in [post.into(), chunked] {
        let (status, detail) = refused(app.post(TWEETS, JSON, body)).await;
        assert_eq!((status, detail.as_str()), (413, "the body is larger than 1000 bytes"));
    }
    assert!(records(&app).await.is_empty());
}

#[actix_web::test]
async fn a_field_outside_its_rule_is_named() {
    let app = App::start().await;
    for (field, value, detail) in [
        ("text", Value::Null, "text: is missing"),
        ("text", json!(" \n"), "text: is empty"),
        ("text", json!("x".repeat(10_001)), "text: has 10001 characters, at most 10000 are allowed"),
        ("text", json!({}), "text: must be a string, is an object"),
        ("author", json!(""), "author: is empty"),
        ("author", json!("x".repeat(201)), "author: has 201 characters, at most 200 are allowed"),
        ("tweetId", json!(17), "tweetId: must be a string, is a number"),
        ("tweetId", json!("x".repeat(65)), "tweetId: has 65 bytes, at most 64 are allowed"),
        ("createdAt", json!("soon"), "createdAt: is not an RFC 3339 time such as 2026-11-22T15:04:05.000Z"),
        ("isARetweet", json!("y"), "isARetweet: must be true or false, is a string"),
        ("hashtag", json!("two words"), "hashtag: is not one word"),
        ("language", json!("Klingon language"), "language: is not a BCP 47 tag such as en or pt-BR"),
        (
            "tagFilter",
            json!("javaone"),
            "tagFilter: is javaone, which is not one of this wall's conferences: kafkaconf, rustconf",
        ),
    ] {
        let mut post = json!({"text": "hi", "author": "ferris", "tagFilter": "rustconf"});
        post[field] = value;
        let (status, problem) = problem(app.post(TWEETS, JSON, post.to_string()).send().await.unwrap()).await;
        assert_eq!((status, problem["field"].as_str(), problem["detail"].as_str()), (422, Some(field), Some(detail)));
    }
    assert!(records(&app).await.is_empty());
}

#[actix_web::test]
async fn a_call_without_the_token_is_refused_before_anything_else() {
    let app = App::start_with(with_token).await;
    let client = reqwest::Client::new();
    let post = json!({"text": "hi", "author": "ferris", "tagFilter": "rustconf"}).to_string();
    let bare = |path: &str| client.post(format!("{}{path}", app.url)).header("content-type", JSON).body(post.clone());
    for request in [
        bare(TWEETS),
        bare("/eventBridge/ifttt-tweet"),
        bare(TWEETS).bearer_auth("wrong"),
        bare(TWEETS).header("x-webhook-token", "s3cre"),
        bare("/eventBridge/tweets?token=s3cret%20"),
        bare(TWEETS).header("content-type", "text/plain"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let (status, problem) = problem(response).await;
        assert_eq!((status, problem["detail"].as_str()), (401, Some("the webhook token is missing or wrong")));
    }
    assert!(records(&app).await.is_empty());
    for request in [
        bare(TWEETS).bearer_auth("s3cret"),
        bare(TWEETS).header("x-webhook-token", "s3cret"),
        bare("/eventBridge/tweets?token=s3cret"),
    ] {
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    assert_eq!(records(&app).await.len(), 3);
}

#[actix_web::test]
async fn another_method_or_path_is_a_problem_too() {
    let app = App::start().await;
    for path in [TWEETS, "/eventBridge/ifttt-tweet"] {
        let response = app.get(path).send().await.unwrap();
        assert_eq!(response.headers()["allow"], "POST");
        assert_eq!(problem(response).await.0, 405);
    }
    assert_eq!(problem(app.get("/eventBridge/nothing").send().await.unwrap()).await.0, 404);
}
