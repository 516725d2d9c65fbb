//! Members of the group: how partitions move between them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use contracts::Topic;
use kafka_client::transaction::{Assignment, Change, Group, GroupOptions, Polled};
use serde_json::Value;

use crate::{
    expect_results, lines,
    service::{COOPERATIVE, Service},
    truth,
    wall::{PARTITIONS, PATIENCE, Wall},
};

/// What a service has logged about what the group gave ("assigned") or took ("revoked"), in order.
fn moves(service: &Service, what: &str) -> Vec<BTreeSet<i32>> {
    let log = service.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let fields = lines.filter_map(|line| {
        let fields = if line["fields"].is_object() { &line["fields"] } else { &line };
        (fields["message"] == what).then(|| fields["partitions"].as_str().unwrap().to_owned())
    });
    fields.map(|partitions| serde_json::from_str(&partitions).unwrap()).collect()
}

#[test]
fn a_second_instance_takes_partitions_and_the_survivor_takes_them_back() {
    let wall = Wall::new();
    let sent = lines(6_000);
    let first = Service::start(&wall, "").ready();
    wall.send(&sent[..2_000]);
    let second = Service::start(&wall, "").ready();
    wall.send(&sent[2_000..4_000]);
    expect_results(&second, &wall, &sent[..4_000]);
    second.wait_for("work of the second", |second| second.metric("analytics_records_total") > 0.0);
    let share = second.metric("analytics_records_total");
    assert!(share < 4_000.0, "it has done everything: {share}");
    // Dead, not gone: its partitions are free when the group has missed its heartbeats.
    second.kill();
    wall.send(&sent[4_000..]);
    expect_results(&first, &wall, &sent);
    assert!(truth::check(&wall) > 100);
}

#[test]
fn a_process_that_was_frozen_past_its_session_changes_nothing_when_it_wakes() {
    let wall = Wall::new();
    let sent = lines(3_000);
    let first = Service::start(&wall, "").ready();
    let second = Service::start(&wall, "").ready();
    wall.send(&sent[..1_000]);
    second.wait_for("work of both", |second| {
        second.metric("analytics_records_total") > 0.0 && first.metric("analytics_records_total") > 0.0
    });
    first.freeze();
    wall.send(&sent[1_000..2_000]);
    expect_results(&second, &wall, &sent[..2_000]);
    first.thaw();
    wall.send(&sent[2_000..]);
    expect_results(&second, &wall, &sent);
    let first = first.ready();
    first.wait_for("its share again", |_| second.get("/health/ready").is_some_and(|(status, _)| status == 200));
    truth::check(&wall);
}

pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_rolling_restart_of_static_members_moves_nothing_twice() {
    let wall = Wall::new();
    let sent = lines(6_000);
    let ids = ["a", "b", "c"];
    let mut services: Vec<Option<Service>> = ids.map(|id| Some(Service::start(&wall, id))).into();
    let all = f64::from(PARTITIONS);
    wait_until("all tasks run, on three members", || {
        let running = services.iter().flatten().map(|service| service.metric_of_some("analytics_tasks_running"));
        let running: Vec<f64> = running.map(Option::unwrap_or_default).collect();
        running.iter().sum::<f64>() > all - 0.5 && running.iter().all(|tasks| *tasks > 0.0)
    });
    let last = |service: &Option<Service>| moves(service.as_ref().unwrap(), "assigned").pop().unwrap();
    let had: Vec<_> = services.iter().map(last).collect();
    let count = |service: &Service| (moves(service, "assigned").len(), moves(service, "revoked").len());
    let before: Vec<_> = services.iter().flatten().map(count).collect();
    for (at, part) in sent.chunks(sent.len() / ids.len()).enumerate() {
        wall.send(part);
        assert!(services[at].take().unwrap().terminate().success());
        // It may have been the group's leader, which has more to tell the next time.
        let next = Service::start(&wall, ids[at]).ready();
        next.wait_for("its tasks", |next| next.metric("analytics_tasks_running") > 0.0);
        assert_eq!(moves(&next, "assigned"), [had[at].clone()], "it has what it had, at once");
        for (other, service) in services.iter().enumerate().filter(|(other, _)| *other > at) {
            assert_eq!(count(service.as_ref().unwrap()), before[other], "nothing of {} moves", ids[other]);
        }
        services[at] = Some(next);
    }
    expect_results(services[0].as_ref().unwrap(), &wall, &sent);
    for (service, had) in services.iter().flatten().zip(&had) {
        assert_eq!((moves(service, "assigned"), moves(service, "revoked")), (vec![had.clone()], vec![]));
    }
    truth::check(&wall);
}

#[test]
fn in_a_cooperative_group_the_tasks_that_stay_go_on() {
    let wall = Wall::new();
    let sent = lines(6_000);
    let first = Service::start_with(&wall, "", &[COOPERATIVE]).ready();
    first.wait_for("all partitions", |first| (first.metric("analytics_tasks_running") - 4.0).abs() < 0.5);
    wall.send(&sent[..2_000]);
    let second = Service::start_with(&wall, "", &[COOPERATIVE]).ready();
    wall.send(&sent[2_000..4_000]);
    expect_results(&second, &wall, &sent[..4_000]);
    let (given, taken) = (moves(&first, "assigned"), moves(&first, "revoked"));
    let all: BTreeSet<i32> = (0..PARTITIONS).collect();
    assert_eq!(given.iter().flatten().copied().collect::<BTreeSet<_>>(), all);
    assert_eq!(given.iter().flatten().count(), all.len(), "what stays is not given again: {given:?}");
    let moved: BTreeSet<i32> = taken.iter().flatten().copied().collect();
    assert_eq!(moved.len(), 2, "{taken:?}");
    assert_eq!(moves(&second, "assigned").into_iter().flatten().collect::<BTreeSet<_>>(), moved);
    // An orderly end gives all back at once.
    assert!(second.terminate().success());
    wall.send(&sent[4_000..]);
    expect_results(&first, &wall, &sent);
    assert!(truth::check(&wall) > 100);
}

#[test]
fn a_cooperative_static_member_waits_for_the_end_of_its_former_lifes_session() {
    let wall = Wall::new();
    let sent = lines(2_000);
    let first = Service::start_with(&wall, "only", &[COOPERATIVE]).ready();
    wall.send(&sent[..1_000]);
    expect_results(&first, &wall, &sent[..1_000]);
    first.kill();
    wall.send(&sent[1_000..]);
    let next = Service::start_with(&wall, "only", &[COOPERATIVE]);
    expect_results(&next, &wall, &sent);
    assert!(next.log().contains("former life"), "{}", next.log());
    truth::check(&wall);
}

#[test]
fn a_newer_process_with_the_same_instance_id_fences_the_older_one() {
    let wall = Wall::new();
    let sent = lines(1_000);
    let mut older = Service::start(&wall, "same").ready();
    wall.send(&sent[..500]);
    let newer = Service::start(&wall, "same").ready();
    wall.send(&sent[500..]);
    assert_eq!(older.wait().code(), Some(1));
    let last = older.log().lines().last().unwrap().to_owned();
    assert!(last.contains("another process runs with this kafka.instance_id"), "{last}");
    expect_results(&newer, &wall, &sent);
    truth::check(&wall);
}

#[test]
fn a_member_that_was_fenced_by_no_other_process_joins_again() {
    let wall = Wall::new();
    let sent = lines(1_000);
    let service = Service::start(&wall, "only").ready();
    wall.send(&sent[..500]);
    service.wait_for("a commit", |service| service.metric("analytics_commits_total") > 0.0);
    // As after a coordinator's failure, when a request to join was granted and its answer lost: the instance id belongs
    // to a member of which the process knows nothing, but no other process has made a producer.
    let options = GroupOptions {
        group: format!("{}streams-analytics", wall.prefix()),
        topics: vec![wall.name(Topic::Tweets), wall.name(Topic::TweetLikes)],
        instance: "only".into(),
        assignment: Assignment::Eager,
    };
    let forgotten = Group::join(wall.kafka(), options).unwrap();
    service.wait_for("another member with its id", |_| {
        matches!(forgotten.poll(Duration::from_millis(10)), Polled::Change(Change::Assigned(_)))
    });
    drop(forgotten);
    wall.send(&sent[500..]);
    expect_results(&service, &wall, &sent);
    truth::check(&wall);
    assert!(service.log().contains("joins again"), "{}", service.log());
    service.ready();
}
