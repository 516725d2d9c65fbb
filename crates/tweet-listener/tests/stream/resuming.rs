//! Going on by Last-Event-ID.

use contracts::{Conference, Topic, partition_of};
use kafka_client::transaction::LogCutter;

use crate::wall::{PARTITIONS, Replica, Stream, Wall};

/// The id with one of its offsets changed.
fn with_offset(id: &str, partition: i32, offset: &str) -> String {
    let (head, offsets) = id.rsplit_once('-').unwrap();
    let mut offsets: Vec<&str> = offsets.split('.').collect();
    offsets[usize::try_from(partition).unwrap()] = offset;
    format!("{head}-{}", offsets.join("."))
}

async fn started(replica: &Replica) -> Stream {
    let mut stream = replica.open("/updates").await;
    stream.until("its start", |stream| !stream.id().is_empty()).await;
    stream
}

async fn is_reset(replica: &Replica, id: &str, reason: &str) {
    let mut stream = replica.resume("/updates", id).await;
    stream.until("a reset", |stream| stream.events.iter().any(|event| event.kind == "reset")).await;
    let reset = stream.events.iter().find(|event| event.kind == "reset").unwrap();
    assert_eq!(reset.data["reason"], reason, "{id}");
    assert!(reset.id.starts_with("1-") && reset.id != id, "the new id comes with it");
    assert!(stream.ids().is_empty());
}

#[actix_web::test]
async fn a_viewer_resumes_from_memory_at_any_replica_without_loss_or_repeat() {
    let wall = Wall::new().await;
    let (first, second) = (wall.replica().await, wall.replica().await);
    let mut stream = started(&first).await;
    for (conference, id) in [("a", "1"), ("b", "2"), ("c", "3")] {
        wall.post(conference, id);
    }
    stream.until("three tweets", |stream| stream.ids().len() == 3).await;
    let id = stream.id();
    drop(stream);
    for (conference, id) in [("a", "4"), ("b", "2"), ("d", "5"), ("a", "6")] {
        wall.post(conference, id);
    }
    for replica in [&first, &second] {
        let mut resumed = replica.resume("/updates", &id).await;
        resumed.until("what was missed", |stream| stream.ids().len() >= 3).await;
        let mut ids = resumed.ids();
        ids.sort_unstable();
        assert_eq!(ids, ["4", "5", "6"]);
    }
}

#[actix_web::test]
async fn a_viewer_resumes_from_kafka_where_memory_no_longer_reaches_and_after_a_restart() {
    let wall = Wall::new().await;
    let small = |config: &mut tweet_listener::Config| config.stream.memory_bytes = 1;
    let replica = wall.replica_with(small).await;
    let start = started(&replica).await.id();
    let mut expected: Vec<String> = (0..1200).map(|n| n.to_string()).collect();
    wall.post_all("rustconf", &expected);
    for (conference, id) in [("rustconf", "7"), ("other", "x")] {
        wall.post(conference, id);
    }
    // Another process that begins now, with nothing of this in memory.
    for replica in [replica, wall.replica_with(small).await] {
        let mut filtered = replica.resume("/updates?conference=rustconf", &start).await;
        filtered.until("all tweets", |stream| stream.ids().len() >= expected.len()).await;
        assert!(filtered.ids() == expected, "in order and each once");
        let mut all = replica.resume("/updates", &start).await;
        all.until("all tweets", |stream| stream.ids().len() > expected.len()).await;
        assert_eq!(all.ids().len(), expected.len() + 1);
        // And on, live.
        let next = format!("next-{}", replica.address.port());
        wall.post("rustconf", &next);
        expected.push(next.clone());
        all.until("a live tweet", |stream| stream.ids().contains(&next)).await;
    }
}

#[actix_web::test]
async fn the_header_wins_over_the_query() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let start = started(&replica).await.id();
    wall.post("rustconf", "1");
    let mut stream = replica.resume("/updates?lastEventId=garbage", &start).await;
    stream.until_tweets(&["1"]).await;
}

#[actix_web::test]
async fn an_id_that_cannot_be_honoured_gets_a_reset_with_its_reason_and_never_a_silent_jump() {
    let wall = Wall::new().await;
    let replica = wall.replica_with(|config| config.stream.max_resume = 5).await;
    let start = started(&replica).await.id();
    let partition = partition_of(&Conference::parse("rustconf").unwrap(), PARTITIONS);
    for id in 0..6 {
        wall.post("rustconf", &id.to_string());
    }
    let mut stream = replica.resume("/updates", &with_offset(&start, partition, "2")).await;
    stream.until_tweets(&["2", "3", "4", "5"]).await;

    is_reset(&replica, "garbage", "malformed").await;
    is_reset(&replica, &with_offset(&start, 0, "-1"), "malformed").await;
    is_reset(&replica, "\u{e9}\u{1F980}", "malformed").await;
    is_reset(&replica, &start.replacen("1-", "2-", 1), "malformed").await;
    is_reset(&replica, &format!("{start}.0"), "foreign").await;
    let other = Wall::new().await;
    let foreign = started(&other.replica().await).await.id();
    is_reset(&replica, &foreign, "foreign").await;
    is_reset(&replica, &with_offset(&start, partition, "zzzz"), "beyond-end").await;
    is_reset(&replica, &start, "too-far-back").await;
}

#[actix_web::test]
async fn an_id_from_before_retention_is_reset_as_expired() {
    let wall = Wall::new().await;
    let first = wall.replica().await;
    let start = started(&first).await.id();
    for id in 0..4 {
        wall.post("rustconf", &id.to_string());
    }
    let partition = partition_of(&Conference::parse("rustconf").unwrap(), PARTITIONS);
    let cutter = LogCutter::new(&wall.kafka, &Topic::Tweets.with_prefix(&wall.prefix)).unwrap();
    cutter.cut(partition, 3).await.unwrap();
    // A replica that began before still has them in memory, and nothing is lost there.
    let mut stream = first.resume("/updates", &start).await;
    stream.until_tweets(&["0", "1", "2", "3"]).await;
    // One that began after has not, nor has one that must ask Kafka.
    is_reset(&wall.replica().await, &start, "expired").await;
    let mut rest = wall.replica().await.resume("/updates", &with_offset(&start, partition, "3")).await;
    rest.until_tweets(&["3"]).await;
}
