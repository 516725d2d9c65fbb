//! Where a task begins: from the committed offsets, the changelog and what is left of the input.

use contracts::{ChangelogRecord, Conference, Topic, partition_of};
use kafka_client::{
    BareProducer, BareRecord,
    admin::{self, Forgotten},
    transaction::LogCutter,
};
use prost::Message as _;

use crate::{
    answer, expect_results, lines,
    members::wait_until,
    service::{Service, reset},
    truth,
    wall::{PARTITIONS, PATIENCE, Wall},
};

#[test]
fn offsets_that_the_group_has_forgotten_are_found_in_the_changelog() {
    let wall = Wall::new();
    let sent = lines(3_000);
    let service = Service::start(&wall, "").ready();
    wall.send(&sent[..2_000]);
    expect_results(&service, &wall, &sent[..2_000]);
    assert!(service.terminate().success());
    let results = || wall.read(Topic::TweetLikeCounts).len();
    let before = results();
    // What a broker does when a group has had no members for offsets.retention.minutes.
    let group = format!("{}streams-analytics", wall.prefix());
    let forgotten = actix_web::rt::System::new().block_on(admin::forget_group(wall.kafka(), &group)).unwrap();
    assert_eq!(forgotten, Forgotten::Yes);
    let service = Service::start(&wall, "").ready();
    service.wait_for("the state", |service| service.metric("analytics_tasks_running") > 3.5);
    assert_eq!(results(), before, "nothing is done again");
    wall.send(&sent[2_000..]);
    expect_results(&service, &wall, &sent);
    // Each result is of later input than the one before it, so that nothing was counted from the beginning.
    assert!(truth::check(&wall) > 100);
}

#[test]
fn the_changelog_is_cut_and_a_state_that_it_lacks_stops_the_service_with_a_line_that_names_reset() {
    let wall = Wall::new();
    let sent = lines(3_000);
    let service = Service::start(&wall, "only").ready();
    for part in sent.chunks(100) {
        wall.send(part);
    }
    expect_results(&service, &wall, &sent);
    let first_offset = || wall.read(Topic::StreamsAnalyticsChangelog).iter().map(|record| record.offset).min().unwrap();
    service.wait_for("a cut", |_| {
        // Any input leads to a commit, after which what is behind the last complete round may go.
        wall.send(&sent[..1]);
        first_offset() > 0
    });
    service.kill();

    let changelog = wall.read(Topic::StreamsAnalyticsChangelog);
    let torn = changelog.last().unwrap();
    let cutter = LogCutter::new(wall.kafka(), &wall.name(Topic::StreamsAnalyticsChangelog)).unwrap();
    actix_web::rt::System::new().block_on(cutter.cut(torn.partition, torn.offset)).unwrap();
    let mut stopped = Service::start(&wall, "only");
    assert_eq!(stopped.wait().code(), Some(1));
    let last = stopped.log().lines().last().unwrap().to_owned();
    assert!(last.contains(&format!("partition {}", torn.partition)), "{last}");
    assert!(last.contains("streams-analytics reset"), "{last}");
}

#[test]
fn input_that_has_expired_before_it_was_processed_stops_the_service_with_a_line_that_names_reset() {
    let wall = Wall::new();
    let sent = lines(1_000);
    let service = Service::start(&wall, "only").ready();
    wall.send(&sent[..500]);
    expect_results(&service, &wall, &sent[..500]);
    service.kill();
    wall.send(&sent[500..]);
    let home = partition_of(&Conference::parse("conf1").unwrap(), PARTITIONS);
    let end = i64::try_from(wall.sent(Topic::TweetLikes, home).len()).unwrap();
    let cutter = LogCutter::new(wall.kafka(), &wall.name(Topic::TweetLikes)).unwrap();
    actix_web::rt::System::new().block_on(cutter.cut(home, end)).unwrap();
    let mut stopped = Service::start(&wall, "only");
    assert_eq!(stopped.wait().code(), Some(1));
    let last = stopped.log().lines().last().unwrap().to_owned();
    assert!(last.contains(&format!("the next record of {}", wall.name(Topic::TweetLikes))), "{last}");
    assert!(last.contains(&format!("the topic holds {end}..{end}")), "{last}");
    assert!(last.contains("`streams-analytics reset --from-retained`"), "{last}");
    // What the line names works, and what it does not name would not.
    assert_eq!(reset(&wall, &[]).code, Some(1));
    assert_eq!(reset(&wall, &["--from-retained"]).code, Some(0));
    let gone = wall.sent(Topic::TweetLikes, home);
    let is_gone = |line: &_| gone.iter().flatten().any(|other| format!("{other:?}") == format!("{line:?}"));
    let left: Vec<_> = sent.into_iter().filter(|line| !is_gone(line)).collect();
    let service = Service::start(&wall, "only").ready();
    let expected = answer(&left, crate::LISTED);
    service.wait_for("results of what is left", |_| wall.published(&left) == expected);
}

#[test]
fn a_changelog_record_of_an_unknown_version_stops_the_service_with_a_line_that_names_both() {
    let wall = Wall::new();
    let sent = lines(600);
    let service = Service::start(&wall, "only").ready();
    wall.send(&sent);
    expect_results(&service, &wall, &sent);
    service.kill();
    // Without the offsets, the state is that of the last record.
    let group = format!("{}streams-analytics", wall.prefix());
    let forget = || actix_web::rt::System::new().block_on(admin::forget_group(wall.kafka(), &group)).unwrap();
    wait_until("its session has ended", || forget() == Forgotten::Yes);
    let value = ChangelogRecord { version: 99, body: None }.encode_to_vec();
    let (topic, partition) = (wall.name(Topic::StreamsAnalyticsChangelog), PARTITIONS - 1);
    let producer = BareProducer::new(wall.kafka()).unwrap();
    producer.send(BareRecord { topic: &topic, partition, key: b"later", value: &value, headers: &[] }).unwrap();
    producer.flush(PATIENCE).unwrap();

    let mut stopped = Service::start(&wall, "only");
    assert_eq!(stopped.wait().code(), Some(1));
    let last = stopped.log().lines().last().unwrap().to_owned();
    assert!(last.contains(&format!("partition {partition}: the changelog cannot be read at offset")), "{last}");
    assert!(last.contains("it is of format 99, this program knows format 3"), "{last}");
    assert!(last.contains("`streams-analytics reset`"), "{last}");
}
