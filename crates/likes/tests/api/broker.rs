//! Kafka that is not there, goes away and comes back.

use std::time::{Duration, Instant};

use reqwest::{StatusCode, header};

use crate::{
    own_broker::OwnBroker,
    service::{Answer, Service, config, eventually},
    topics::{Topics, brokers},
};

/// How long an acknowledgement may take.
const DELIVERY: Duration = Duration::from_secs(3);

fn assert_come_again(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    assert!(answer.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u32>().unwrap() > 0);
    answer.problem();
}

/// Likes a tweet until the answer is `status`; until then it is to come again.
async fn like_until(service: &Service, tweet: &str, cookie: &str, status: StatusCode) {
    let liked = async || {
        let answer = service.put(&format!("/likes/{tweet}"), cookie).await;
        if answer.status != status {
            assert_come_again(&answer);
        }
        answer.status == status
    };
    eventually("the broker is back for likes", liked).await;
}

#[actix_web::test]
async fn missing_topics_are_named_and_found_when_they_are_there() {
    let topics = Topics::missing(brokers());
    let service = Service::start(config(&topics));
    let named = async || {
        let ready = service.get("/health/ready").await;
        assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
        ready.json()["checks"]["broker"]
            .as_str()
            .is_some_and(|reason| reason.contains(&format!("topics missing: {0}tweets, {0}tweet-likes", topics.prefix)))
    };
    eventually("the missing topics are named", named).await;
    assert_eq!(service.get("/health/live").await.status, StatusCode::OK);
    let cookie = service.new_visitor().await;
    assert_come_again(&service.put("/likes/1", &cookie).await);

    topics.create().await;
    topics.tweet("1", "rustconf").await;
    service.wait_until_ready().await;
    assert_eq!(service.put("/likes/1", &cookie).await.status, StatusCode::OK);
    service.stop().await;
}

#[actix_web::test]
async fn a_broker_may_be_down_at_the_start_go_away_and_come_back() {
    let broker = OwnBroker::up();
    let topics = Topics::missing(broker.address.clone());
    topics.create().await;
    topics.tweet("1", "rustconf").await;
    broker.tell("down");

    let mut config = config(&topics);
    config.kafka.delivery_timeout_ms = DELIVERY.as_millis().try_into().unwrap();
    let service = Service::start(config);
    assert_eq!(service.get("/health/live").await.status, StatusCode::OK);
    let cookie = service.new_visitor().await;
    assert_come_again(&service.put("/likes/1", &cookie).await);

    broker.tell("up");
    service.wait_until_ready().await;
    like_until(&service, "1", &cookie, StatusCode::OK).await;
    let mut acknowledged = 1;

    // A broker that hangs: whether an unknown tweet exists cannot be told.
    broker.tell("pause");
    let began = Instant::now();
    let undecided = service.put("/likes/2", &cookie).await;
    assert_come_again(&undecided);
    assert!(undecided.problem().0.starts_with("whether this tweet exists cannot be told now"), "{undecided:?}");
    assert!(began.elapsed().as_secs() < 10, "after 3 s: {:?}", began.elapsed());
    broker.tell("resume");
    like_until(&service, "2", &cookie, StatusCode::NOT_FOUND).await;

    broker.tell("kill");
    let refused = async || match service.put("/likes/1", &cookie).await {
        answer if answer.status == StatusCode::OK => {
            acknowledged += 1;
            false
        }
        answer => {
            assert_come_again(&answer);
            true
        }
    };
    eventually("likes are refused", refused).await;
    let noticed = async || service.get("/health/ready").await.status == StatusCode::SERVICE_UNAVAILABLE;
    eventually("the service is not ready", noticed).await;
    let began = Instant::now();
    assert_come_again(&service.delete("/likes/1", &cookie).await);
    assert!(began.elapsed() < DELIVERY, "refused at once: {:?}", began.elapsed());

    broker.tell("up");
    service.wait_until_ready().await;
    topics.tweet("2", "rustconf").await;
    // The reader goes on by itself.
    like_until(&service, "2", &cookie, StatusCode::OK).await;
    acknowledged += 1;
    // What was refused may stand on the topic too; what was acknowledged must.
    let likes = topics.likes().await;
    assert!(likes.len() >= acknowledged, "{} of {acknowledged}", likes.len());
    service.stop().await;
}
