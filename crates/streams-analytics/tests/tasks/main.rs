//! The service on a real broker, as processes of their own. LIVEWALL_TEST_BROKERS names the broker.
#![allow(clippy::unwrap_used, reason = "tests")]

mod embedded;
mod given_up;
#[path = "../meaning/logs.rs"]
#[allow(dead_code, reason = "shared with tests/meaning, which uses more of it")]
mod logs;
mod members;
#[path = "../meaning/oracle.rs"]
#[allow(dead_code, reason = "shared with tests/meaning, which uses more of it")]
mod oracle;
#[path = "../meaning/published.rs"]
#[allow(dead_code, reason = "shared with tests/meaning, which uses more of it")]
mod published;
mod reset;
mod restoring;
#[allow(dead_code, reason = "shared with tests/proof, which uses more of it")]
mod service;
mod truth;
mod wall;

use std::collections::BTreeSet;

use contracts::{Conference, Topic, partition_of};
use kafka_client::{BareProducer, BareRecord};
use serde_json::json;

use crate::{
    logs::Line,
    service::Service,
    wall::{PARTITIONS, Wall},
};

/// The binary that [`service`] starts.
const BINARY: &str = env!("CARGO_BIN_EXE_streams-analytics");

/// Entries of a list on the topic, with the default configuration.
const LISTED: usize = 30;

/// Lines whose time is long past, as the broker's clock sees them.
fn lines(count: usize) -> Vec<Line> {
    logs::large_log(count).lines
}

/// What the oracle says, with the windows that [`Service`] is configured with.
fn answer(sent: &[Line], listed: usize) -> oracle::Answer {
    oracle::answer(&logs::large_log(0).setting, sent, listed)
}

fn expect_results(service: &Service, wall: &Wall, sent: &[Line]) {
    // What a broker appends now is later than any time told.
    let expected = answer(sent, LISTED);
    service.wait_for("results equal to the oracle's", |_| wall.published(sent) == expected);
}

#[test]
fn results_are_those_of_the_oracle_and_any_conference_is_answered() {
    let wall = Wall::new();
    let sent = lines(4_000);
    let service = Service::start(&wall, "").ready();
    wall.send(&sent);
    expect_results(&service, &wall, &sent);
    assert!(truth::check(&wall) > 100);

    let expected = &answer(&sent, 10)["conf1"];
    service.wait_for("the last results by HTTP", |service| {
        service.get("/analytics/conf1").is_some_and(|(_, json)| json["likeCount"] == json!(expected.likes))
    });
    let (_, all) = service.get("/analytics/conf1").unwrap();
    assert_eq!(all["tweetCount"], json!(expected.tweets));
    let listed = |list: &serde_json::Value| -> Vec<(String, u64)> {
        let entry = |nr: &serde_json::Value| (nr["tweetId"].as_str().unwrap().into(), nr["count"].as_u64().unwrap());
        list["nrs"].as_array().unwrap().iter().map(entry).collect()
    };
    let top: Vec<(String, u64)> =
        expected.top.iter().map(|(id, count)| (id.clone(), u64::try_from(*count).unwrap())).collect();
    assert_eq!(listed(&all["top"]["all"]), top);
    let (status, three) = service.get("/analytics/conf1/top?n=3&window=all").unwrap();
    assert_eq!((status, &three["window"], &three["final"]), (200, &json!("all"), &json!(false)));
    assert_eq!(listed(&three), top[..3]);

    assert_eq!(service.get("/analytics/nowhere").unwrap().0, 404);
    let (status, refused) = service.get("/analytics/conf1/top?window=7m").unwrap();
    assert_eq!((status, &refused["field"]), (400, &json!("window")));
    assert_eq!(service.get("/analytics/conf1/top?n=11").unwrap().0, 400);
    assert_eq!(service.get("/analytics/a%20b").unwrap().0, 400);
    assert!(service.get("/analytics/openapi.json").unwrap().1["paths"].is_object());
    assert!(service.metric("analytics_commits_total") > 0.0);
    let records = u64::try_from(sent.len()).unwrap();
    assert!((service.metric("analytics_records_total") - records as f64).abs() < 0.5);
}

#[test]
fn a_killed_process_goes_on_from_the_changelog() {
    let wall = Wall::new();
    let sent = lines(6_000);
    for (round, part) in sent.chunks(600).enumerate() {
        // A static member, whose next life takes its partitions at once.
        let service = Service::start(&wall, "only");
        let before = wall.read(Topic::TweetLikeCounts).len();
        wall.send(part);
        // Another number of commits in each round, from none to some.
        service.wait_for("progress", |_| wall.read(Topic::TweetLikeCounts).len() >= before + round * 20);
        service.kill();
    }
    let service = Service::start(&wall, "only").ready();
    expect_results(&service, &wall, &sent);
    assert!(truth::check(&wall) > 100);
    assert!(service.metric("analytics_restores_total") > 0.0);
}

#[test]
fn poison_goes_to_dead_letters_once_and_holds_up_nothing() {
    let wall = Wall::new();
    let sent = lines(400);
    let home = partition_of(&Conference::parse("conf1").unwrap(), PARTITIONS);
    let elsewhere = (home + 1) % PARTITIONS;
    wall.send(&sent[..200]);
    wall.poison(Topic::Tweets, home, b"{not json");
    wall.poison(Topic::TweetLikes, elsewhere, br#"{"tweetId":"1","conference":"conf1","visitorId":"v","liked":true}"#);
    let killed = Service::start(&wall, "only");
    wall.send(&sent[200..]);
    killed.wait_for("a dead letter", |_| !wall.read(Topic::DeadLetters).is_empty());
    killed.kill();
    let service = Service::start(&wall, "only").ready();
    expect_results(&service, &wall, &sent);

    let mut letters = wall.read(Topic::DeadLetters);
    letters.sort_by_key(|letter| letter.header("origin_topic").len());
    let [tweet, like] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((tweet.value.as_slice(), tweet.key.as_str()), (&b"{not json"[..], "poison"));
    assert_eq!(tweet.header("origin_topic"), wall.name(Topic::Tweets));
    assert_eq!(tweet.header("origin_partition"), home.to_string());
    let offset = wall.sent(Topic::Tweets, home).iter().position(Option::is_none).unwrap();
    assert_eq!(tweet.header("origin_offset"), offset.to_string());
    assert!(tweet.header("error").starts_with("not the JSON of this message"), "{}", tweet.header("error"));
    assert!(tweet.header("traceparent").starts_with("00-4bf9"), "the original's headers stay");
    assert_eq!(like.header("error"), format!("conference conf1 belongs to partition {home}"));
}

#[test]
fn an_unreadable_record_as_large_as_one_can_be_holds_up_nothing() {
    let wall = Wall::new();
    let sent = lines(400);
    let producer = BareProducer::new(wall.kafka()).unwrap();
    let (topic, headers) = (wall.name(Topic::Tweets), vec![("header", "x".repeat(1_000)); 100]);
    let mut value = vec![b'x'; 900_000];
    // So that there is no room for anything beside it.
    let record = BareRecord { topic: &topic, partition: 0, key: b"poison", value: b"", headers: &headers };
    while producer.send(BareRecord { value: &value, ..record }).is_err() {
        value.truncate(value.len() - 10);
    }
    producer.flush(wall::PATIENCE).unwrap();
    let service = Service::start(&wall, "").ready();
    wall.send(&sent);
    service.wait_for("results", |_| wall.published(&sent) == answer(&sent, LISTED));
    let letters = wall.read(Topic::DeadLetters);
    let [letter] = letters.as_slice() else { panic!("{} letters", letters.len()) };
    assert_eq!((&letter.value, letter.header("origin_topic")), (&value, topic.as_str()));
    assert!(letter.header("error").contains("of 100 headers are kept"), "{}", letter.header("error"));
}

#[test]
fn too_many_unreadable_records_stop_the_service_and_are_done_once_when_it_is_told_to_go_on() {
    let wall = Wall::new();
    let sent = lines(400);
    let mut stopped = Service::start(&wall, "only");
    wall.send(&sent);
    let home = partition_of(&Conference::parse("conf1").unwrap(), PARTITIONS);
    wall.poison_often(Topic::Tweets, home, b"{not json", 2_000);
    assert_eq!(stopped.wait().code(), Some(1));
    let log = stopped.log();
    let last = log.lines().last().unwrap();
    assert!(last.contains(&format!("partition {home}: ")), "{last}");
    assert!(last.contains("of the last 1000 records cannot be processed"), "{last}");
    assert!(last.contains("not the JSON of this message"), "{last}");

    let service = Service::start_with(&wall, "only", &[("LIVEWALL_ANALYTICS__POISON_RATIO", "1")]).ready();
    expect_results(&service, &wall, &sent);
    service.wait_for("all dead letters", |_| wall.read(Topic::DeadLetters).len() >= 2_000);
    let letters = wall.read(Topic::DeadLetters);
    let origins: BTreeSet<_> = letters.iter().map(|letter| letter.header("origin_offset")).collect();
    assert_eq!((letters.len(), origins.len()), (2_000, 2_000));
}

#[test]
fn an_orderly_end_commits_first_and_the_next_life_goes_on() {
    let wall = Wall::new();
    let sent = lines(1_000);
    let service = Service::start(&wall, "").ready();
    wall.send(&sent[..500]);
    service.wait_for("a commit", |service| service.metric("analytics_commits_total") > 0.0);
    assert!(service.terminate().success());
    wall.send(&sent[500..]);
    // It has left the group, so nobody waits for its session to end.
    let service = Service::start(&wall, "").ready();
    expect_results(&service, &wall, &sent);
    truth::check(&wall);
}

#[test]
fn what_operation_needs_to_know_is_in_the_metrics() {
    let wall = Wall::new();
    let sent = lines(2_000);
    let first = Service::start(&wall, "only").ready();
    wall.send(&sent[..1_000]);
    expect_results(&first, &wall, &sent[..1_000]);
    first.kill();
    let service = Service::start(&wall, "only").ready();
    wall.send(&sent[1_000..]);
    wall.poison(Topic::Tweets, 0, b"{not json");
    expect_results(&service, &wall, &sent);
    let within = |name: &str, bounds: std::ops::RangeInclusive<f64>| {
        service.wait_for(name, |service| service.metric_of_some(name).is_some_and(|value| bounds.contains(&value)));
    };
    within("analytics_tasks_assigned", 4.0..=4.0);
    within("analytics_tasks_running", 4.0..=4.0);
    within("analytics_records_total", 1_000.0..=1_000.0);
    within("analytics_dead_letters_total", 1.0..=1.0);
    within("analytics_commits_total", 1.0..=1_000.0);
    within("analytics_commit_seconds_count", 1.0..=1_000.0);
    within("analytics_restores_total", 4.0..=4.0);
    within("analytics_restore_seconds_count", 4.0..=4.0);
    within("analytics_late_total", 1.0..=2_000.0);
    // As the oracle counts them.
    let expected: usize = answer(&sent, 10).values().map(|conference| conference.tweets).sum();
    service.wait_for("sizes and lag that are true", |service| {
        let text = service.text("/metrics").unwrap();
        let values = |name: &str, label: &str| -> Vec<f64> {
            let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
            lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
        };
        let (tweets, lag) = (values("analytics_state_entries", "kind=\"tweets\""), values("analytics_lag_records", ""));
        // By partition, and by topic and partition. Tweets that were liked and are not known yet have entries, too.
        tweets.len() == 4
            && tweets.iter().sum::<f64>() >= expected as f64
            && lag.len() == 8
            && lag.iter().all(|records| *records < 0.5)
    });
    // A result that somebody else has put there.
    wall.poison(Topic::TweetAnalytics, 0, b"{not json");
    within("analytics_unreadable_records_total", 1.0..=1.0);
    let text = service.text("/metrics").unwrap();
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help:\n{text}");
        assert!(["analytics_", "http_"].iter().any(|part| name.starts_with(part)), "{name} is of no service");
    }
}

#[test]
fn missing_topics_are_named() {
    let wall = Wall::without_topics();
    let service = Service::start(&wall, "");
    let missing = wall.name(Topic::StreamsAnalyticsChangelog);
    service.wait_for("a reason that names the topics", |service| {
        service.get("/health/ready").is_some_and(|(status, json)| {
            status == 503 && json["checks"]["broker"].as_str().is_some_and(|reason| reason.contains(&missing))
        })
    });
    assert_eq!(service.get("/analytics/conf1").unwrap().0, 503);
}
