//! Where a task begins: from the committed offsets, the changelog and what is left of the input.

use contracts::{Conference, Topic, partition_of};
use kafka_client::{
    admin::{self, Forgotten},
    transaction::LogCutter,
};

use crate::{
    expect_results, lines,
    service::Service,
    truth,
    wall::{PARTITIONS, Wall},
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
    assert!(last.contains("streams-analytics reset"), "{last}");
}
