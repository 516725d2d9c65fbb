//! Likes, and what stands on the topic then.

use std::collections::BTreeSet;

use contracts::{Conference, partition_of};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode, header};
use serde_json::json;

use crate::{
    service::{Service, answer, eventually},
    topics::{PARTITIONS, Topics, like, publish_tweet},
};

#[actix_web::test]
async fn a_like_is_one_record_in_each_conference_of_the_tweet() {
    let topics = Topics::new().await;
    for conference in ["rustconf", "kafkaconf", "wall"] {
        topics.tweet("1", conference).await;
    }
    let service = Service::on(&topics).await;
    let cookie = service.new_visitor().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = service.request(Method::PUT, "/likes/1").header(header::COOKIE, &cookie);
    let liked = answer(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    assert_eq!(liked.status, StatusCode::OK);
    assert_eq!(liked.json(), json!({"tweetId": "1", "conferences": ["kafkaconf", "rustconf", "wall"], "liked": true}));
    assert_eq!(liked.headers[header::CACHE_CONTROL], "no-store");

    let records = topics.like_records().await;
    let mut conferences = BTreeSet::new();
    for record in &records {
        let like = like(record);
        assert_eq!((like.tweet_id.as_str(), like.liked), ("1", true));
        assert_eq!(record.trace.unwrap().trace_id(), trace);
        let conference = Conference::parse(&like.conference).unwrap();
        assert_eq!(record.partition, partition_of(&conference, PARTITIONS));
        conferences.insert(like.conference);
    }
    assert_eq!((records.len(), conferences.len()), (3, 3));
    service.stop().await;
}

#[actix_web::test]
async fn a_named_conference_is_the_only_one_that_is_written() {
    let topics = Topics::new().await;
    topics.tweet("1", "rustconf").await;
    topics.tweet("1", "kafkaconf").await;
    topics.tweet("2", "wall").await;
    let service = Service::on(&topics).await;
    let cookie = service.new_visitor().await;
    let liked = service.put("/likes/1?conference=%23RustConf", &cookie).await;
    assert_eq!(liked.json(), json!({"tweetId": "1", "conferences": ["rustconf"], "liked": true}));
    let posted = service.post(&json!({"tweetId": "1", "conference": "kafkaconf"})).await;
    assert_eq!(posted.json()["conferences"], json!(["kafkaconf"]));
    let elsewhere = service.put("/likes/1?conference=wall", &cookie).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    assert_eq!(elsewhere.problem().0, "there is no tweet 1 in the conference wall");
    let likes = topics.likes().await;
    let mut conferences: Vec<&str> = likes.iter().map(|like| like.conference.as_str()).collect();
    conferences.sort_unstable();
    assert_eq!(conferences, ["kafkaconf", "rustconf"]);
    service.stop().await;
}

#[actix_web::test]
async fn an_unknown_tweet_is_told_from_one_that_was_just_published() {
    let topics = Topics::new().await;
    let service = Service::on(&topics).await;
    let cookie = service.new_visitor().await;
    let producer = topics.producer();
    for number in 0..100 {
        let conference = format!("c{}", number % 9);
        publish_tweet(&producer, &number.to_string(), &conference).await;
        let liked = service.put(&format!("/likes/{number}"), &cookie).await;
        assert_eq!(liked.status, StatusCode::OK, "tweet {number} was acknowledged before: {}", liked.text);
        // The same tweet in a further conference, which is not known yet.
        publish_tweet(&producer, &number.to_string(), "further").await;
        let liked = service.put(&format!("/likes/{number}?conference=further"), &cookie).await;
        assert_eq!(liked.status, StatusCode::OK, "{}", liked.text);
    }
    assert_eq!(topics.likes().await.len(), 200);
    let unknown: Vec<_> = (1000..1200).map(|number| format!("/likes/{number}")).collect();
    for refused in join_all(unknown.iter().map(|path| service.put(path, &cookie))).await {
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
        assert!(refused.problem().0.starts_with("there is no tweet 1"), "{refused:?}");
    }
    let posted = service.post(&json!({"tweetId": "1000"})).await;
    assert_eq!((posted.status, posted.cookie), (StatusCode::NOT_FOUND, None), "nobody comes into being by a refusal");
    assert_eq!(topics.likes().await.len(), 200);
    service.stop().await;
}

#[actix_web::test]
async fn what_one_visitor_does_in_turn_stands_in_this_order() {
    let topics = Topics::new().await;
    topics.tweet("1", "rustconf").await;
    let replicas = [Service::on(&topics).await, Service::on(&topics).await];
    let visitors = join_all((0..4).map(|_| replicas[0].new_visitor())).await;
    let turns = visitors.iter().map(async |cookie| {
        for turn in 0..25 {
            let replica = &replicas[turn / 2 % 2];
            let answer = if turn % 2 == 0 {
                replica.put("/likes/1", cookie).await
            } else {
                replica.delete("/likes/1", cookie).await
            };
            assert_eq!((answer.status, &answer.json()["liked"]), (StatusCode::OK, &json!(turn % 2 == 0)));
        }
    });
    join_all(turns).await;
    let likes = topics.likes().await;
    let ids: BTreeSet<&str> = likes.iter().map(|like| like.visitor_id.as_str()).collect();
    assert_eq!((likes.len(), ids.len()), (100, 4));
    for id in ids {
        let of_one: Vec<bool> = likes.iter().filter(|like| like.visitor_id == id).map(|like| like.liked).collect();
        assert!(of_one.iter().enumerate().all(|(turn, liked)| *liked == (turn % 2 == 0)), "{of_one:?}");
    }
    for replica in replicas {
        replica.stop().await;
    }
}

#[actix_web::test]
async fn a_like_that_is_repeated_is_taken_again() {
    let topics = Topics::new().await;
    topics.tweet("visitor", "rustconf").await;
    let service = Service::on(&topics).await;
    let cookie = service.new_visitor().await;
    // A tweet may have the id of a path of ours.
    let answers = join_all((0..3).map(|_| service.put("/likes/visitor", &cookie))).await;
    assert!(answers.iter().all(|answer| answer.text == answers[0].text && answer.status == StatusCode::OK));
    assert_eq!(service.delete("/likes/visitor", &cookie).await.json()["liked"], false);
    let likes = topics.likes().await;
    assert_eq!(likes.len(), 4);
    assert!(likes.iter().all(|like| like.visitor_id == likes[0].visitor_id && like.at >= likes[0].at));
    service.stop().await;
}

#[actix_web::test]
async fn an_unreadable_record_among_the_tweets_is_skipped_and_counted() {
    let topics = Topics::new().await;
    topics.tweet("1", "rustconf").await;
    topics.unreadable_tweet("{\"tweetId\":", "rustconf").await;
    topics.unreadable_tweet("{\"tweetId\":\"2\",\"tagFilter\":\"RustConf\"}", "rustconf").await;
    topics.tweet("3", "rustconf").await;
    topics.unreadable_tweet("", "rustconf").await;
    let service = Service::on(&topics).await;
    let cookie = service.new_visitor().await;
    for (id, status) in [("1", StatusCode::OK), ("2", StatusCode::NOT_FOUND), ("3", StatusCode::OK)] {
        assert_eq!(service.put(&format!("/likes/{id}"), &cookie).await.status, status);
    }
    let counted = async || {
        let metrics = service.get("/metrics").await.text;
        metrics.lines().any(|line| line.starts_with("likes_unreadable_records_total{topic=\"tweets\"}"))
            && metrics.lines().any(|line| line.starts_with("likes_total{outcome=\"unknown_tweet\"}"))
            && metrics.lines().any(|line| line.starts_with("likes_known_tweets "))
    };
    eventually("the metrics tell", counted).await;
    let metrics = service.get("/metrics").await.text;
    for name in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} has no help:\n{metrics}");
        assert!(["likes_", "http_"].iter().any(|part| name.starts_with(part)), "{name} is of no service");
    }
    service.stop().await;
}
