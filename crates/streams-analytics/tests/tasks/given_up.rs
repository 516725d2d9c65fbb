//! Commits that the group forgot: what a broker leaves behind that loses the end of a transaction for the group's offsets
//! alone, and the producer then ends it.

use kafka_client::transaction::{Assignment, CommittedOffset, GroupObserver, GroupOptions, TransactionalProducer};

use contracts::Topic;

use crate::{
    expect_results, lines,
    logs::Line,
    service::Service,
    wall::{PARTITIONS, PATIENCE, Wall},
};

type Offsets = Vec<(i32, Vec<CommittedOffset>)>;

fn group(wall: &Wall) -> GroupOptions {
    GroupOptions {
        group: format!("{}streams-analytics", wall.prefix()),
        topics: vec![wall.name(Topic::Tweets), wall.name(Topic::TweetLikes)],
        instance: String::new(),
        assignment: Assignment::Eager,
    }
}

/// What the group has committed for partitions that it has committed anything for.
fn committed(wall: &Wall) -> Offsets {
    let observer = GroupObserver::new(wall.kafka(), &group(wall)).unwrap();
    let partitions = (0..PARTITIONS).map(|partition| (partition, observer.committed(partition, PATIENCE).unwrap()));
    partitions
        .filter_map(|(partition, offsets)| Some((partition, offsets.into_iter().collect::<Option<_>>()?)))
        .collect()
}

/// Where reading back must begin, by what stands beside the offsets.
fn restore_from(offsets: &Offsets) -> Vec<i64> {
    let of =
        |metadata: &str| serde_json::from_str::<serde_json::Value>(metadata).unwrap()["restoreFrom"].as_i64().unwrap();
    offsets.iter().map(|(_, offsets)| of(&offsets[0].metadata)).collect()
}

/// Has the group say what it said before.
fn go_back(wall: &Wall, offsets: &Offsets) {
    let producer = TransactionalProducer::new(wall.kafka(), &format!("{}go-back", wall.prefix())).unwrap();
    producer.init(PATIENCE).unwrap();
    producer.begin().unwrap();
    producer.send_offsets_of_nobody(wall.kafka(), &group(wall), offsets).unwrap();
    producer.commit().unwrap();
}

/// No window ends, because a result of a forgotten commit has been seen, and one of less input comes after it.
fn at_one_time(count: usize) -> Vec<Line> {
    let mut lines = lines(count);
    let told = lines[0].told;
    for line in &mut lines {
        line.told = told;
    }
    lines
}

#[test]
fn a_commit_that_the_group_forgot_is_passed_over_whenever_the_state_is_read_back() {
    let wall = Wall::new();
    let sent = at_one_time(4_000);
    let mut told = 0;
    let mut tell = |count: usize| {
        wall.send(&sent[told..told + count]);
        told += count;
        told
    };
    let mut service = Service::start(&wall, "only").ready();
    let told = tell(1_000);
    expect_results(&service, &wall, &sent[..told]);
    let mut forgotten = 0;
    for _ in 0..5 {
        let before = committed(&wall);
        let told = tell(100);
        expect_results(&service, &wall, &sent[..told]);
        service.kill();
        // What the earlier commit needs may be cut once the group has told of a later one, so such a one is not forgotten.
        if restore_from(&before) == restore_from(&committed(&wall)) {
            go_back(&wall, &before);
            forgotten += 1;
        }
        service = Service::start(&wall, "only").ready();
        let told = tell(300);
        expect_results(&service, &wall, &sent[..told]);
    }
    assert!(forgotten > 0);
    // With commits that nothing follows in what is read back.
    service.kill();
    let service = Service::start(&wall, "only").ready();
    let told = tell(100);
    expect_results(&service, &wall, &sent[..told]);
    assert!(service.log().contains("was given up"), "{}", service.log());
}
