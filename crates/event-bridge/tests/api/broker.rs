use std::net::TcpListener;

use kafka_client::{KafkaConfig, admin};
use serde_json::json;

use crate::{
    app::{self, App, PARTITIONS, problem},
    topic::records,
};

#[actix_web::test]
async fn without_a_broker_posts_are_refused_for_now_and_the_service_is_not_ready() {
    // A port that was free a moment ago, and at which nobody listens.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = app::config("unreachable-");
    config.kafka = KafkaConfig { brokers: closed.to_string(), ..KafkaConfig::default() };
    let app = App::start_unready(config);
    let post = json!({"text": "hi", "author": "ferris", "tagFilter": "rustconf"});
    for body in [post.clone(), json!([post, {"text": 1}])] {
        let request = app.post("/eventBridge/tweets", "application/json", body.to_string());
        let response = request.send().await.unwrap();
        assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
        assert_eq!(problem(response).await.0, 503);
    }
    let (status, body) = app::json(app.get("/health/ready").send().await.unwrap()).await;
    assert_eq!((status, body["checks"]["broker"].is_string()), (503, true), "{body}");
    assert_eq!(app.get("/health/live").send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn a_missing_topic_is_named_and_posts_are_taken_once_it_is_there() {
    let config = app::config(&app::new_prefix());
    let missing = format!("{}tweets", config.topics.prefix);
    let app = App::start_unready(config);
    let reason = app.readiness(|status, body| status == 503 && !body.to_string().contains("no answer")).await;
    let reason = reason["checks"]["broker"].as_str().unwrap();
    assert!(reason.contains(&missing) && reason.contains("livewall topics create"), "{reason}");
    let post = json!({"text": "hi", "author": "ferris", "tagFilter": "rustconf"});
    let request = app.post("/eventBridge/tweets", "application/json", post.to_string());
    let (status, body) = problem(request.send().await.unwrap()).await;
    assert_eq!(status, 503);
    assert!(body["detail"].as_str().unwrap().contains(&missing), "{body}");

    admin::create_topics(&app.config.kafka, &app.config.topics.prefix, PARTITIONS, 1, contracts::Topic::spec)
        .await
        .unwrap();
    app.becomes_ready().await;
    assert_eq!(app.tweets(&post).await.0, 200);
    assert_eq!(records(&app).await.len(), 1);
}
