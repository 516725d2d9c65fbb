//! `streams-analytics reset`, and what makes it necessary.

use contracts::Topic;
use kafka_client::transaction::{LogCutter, OutRecord, TransactionalProducer};

use crate::{
    answer, expect_results, lines,
    service::{Service, reset},
    truth,
    wall::{PARTITIONS, PATIENCE, Wall},
};

#[test]
fn after_a_reset_the_same_results_come_from_the_inputs_again() {
    let wall = Wall::new();
    let sent = lines(3_000);
    let service = Service::start(&wall, "").ready();
    wall.send(&sent);
    expect_results(&service, &wall, &sent);
    let before = wall.published(&sent);

    let refused = reset(&wall, &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.contains("stop every streams-analytics"), "{refused:?}");
    assert_eq!(wall.published(&sent), before, "nothing is withdrawn that cannot be computed anew");

    assert!(service.terminate().success());
    let done = reset(&wall, &[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.output.contains("results are withdrawn"), "{done:?}");
    for topic in [Topic::TweetLikeCounts, Topic::TweetAnalytics, Topic::TweetWindows] {
        let mut last = std::collections::BTreeMap::new();
        wall.read(topic).into_iter().for_each(|record| drop(last.insert(record.key, record.value)));
        assert!(!last.is_empty() && last.values().all(Vec::is_empty), "{topic:?} has results left");
    }
    assert!(wall.read(Topic::StreamsAnalyticsChangelog).is_empty());
    // It may be repeated, such as after an interruption.
    assert_eq!(reset(&wall, &[]).code, Some(0));

    let service = Service::start(&wall, "").ready();
    expect_results(&service, &wall, &sent);
    service.wait_for("the results by HTTP", |service| {
        service
            .get("/analytics/conf1")
            .is_some_and(|(status, json)| status == 200 && json["likeCount"] == answer(&sent, 10)["conf1"].likes)
    });
}

#[test]
fn where_retention_has_cut_the_input_a_reset_must_be_meant() {
    let wall = Wall::new();
    let sent = lines(600);
    wall.send(&sent);
    let home = (0..PARTITIONS).find(|p| wall.sent(Topic::TweetLikes, *p).len() > 10).unwrap();
    let cutter = LogCutter::new(wall.kafka(), &wall.name(Topic::TweetLikes)).unwrap();
    actix_web::rt::System::new().block_on(cutter.cut(home, 10)).unwrap();

    let refused = reset(&wall, &[]);
    assert_eq!(refused.code, Some(1));
    let topic = wall.name(Topic::TweetLikes);
    assert!(refused.errors.contains(&format!("first 10 records of {topic}, partition {home}")), "{refused:?}");
    assert!(refused.errors.contains("--from-retained"), "{refused:?}");
    assert_eq!(reset(&wall, &["--from-retained"]).code, Some(0));

    let gone: Vec<_> = wall.sent(Topic::TweetLikes, home).into_iter().flatten().take(10).collect();
    let mut left = sent.clone();
    for line in gone {
        let at = left.iter().position(|other| format!("{other:?}") == format!("{line:?}")).unwrap();
        left.remove(at);
    }
    let service = Service::start(&wall, "").ready();
    let expected = answer(&left, crate::LISTED);
    service.wait_for("results of what is left", |_| wall.published(&left) == expected);
}

#[test]
fn results_behind_the_open_transaction_of_a_dead_member_are_withdrawn_too() {
    let wall = Wall::new();
    let topic = wall.name(Topic::TweetLikeCounts);
    let begin = |who: &str, key: &[u8]| {
        let mut kafka = wall.kafka().clone();
        kafka.properties.insert("transaction_timeout_ms".into(), "1000".into());
        let producer = TransactionalProducer::new(&kafka, &format!("{}{who}", wall.prefix())).unwrap();
        producer.init(PATIENCE).unwrap();
        producer.begin().unwrap();
        let record = OutRecord { topic: &topic, partition: 0, key: Some(key), value: Some(b"{}"), headers: &[] };
        producer.send(record).unwrap();
        producer.delivered().unwrap();
        producer
    };
    let dead = begin("dead", b"conf/never");
    begin("other", b"conf/behind").commit().unwrap();
    let done = reset(&wall, &[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let mut last = std::collections::BTreeMap::new();
    wall.read(Topic::TweetLikeCounts).into_iter().for_each(|record| drop(last.insert(record.key, record.value)));
    assert_eq!(last, [("conf/behind".to_owned(), Vec::new())].into());
    drop(dead);
}

#[test]
fn changed_windows_are_noticed_at_the_start_and_explained() {
    let wall = Wall::new();
    let sent = lines(600);
    let service = Service::start(&wall, "only").ready();
    wall.send(&sent);
    expect_results(&service, &wall, &sent);
    service.kill();
    let mut changed = Service::start_with(&wall, "only", &[("LIVEWALL_ANALYTICS__WINDOWS", "5m,2h")]);
    assert_eq!(changed.wait().code(), Some(1));
    let log = changed.log();
    let last = log.lines().last().unwrap();
    assert!(last.contains("it was computed with windows 5m 1h 10m/1m, grace 10s"), "{last}");
    assert!(last.contains("the configuration says windows 5m 2h"), "{last}");
    assert!(last.contains("streams-analytics reset"), "{last}");
    // With the former ones it goes on.
    let service = Service::start(&wall, "only").ready();
    expect_results(&service, &wall, &sent);
    truth::check(&wall);
}
