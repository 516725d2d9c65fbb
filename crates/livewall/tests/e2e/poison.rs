//! Records that nobody can read.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use contracts::Topic;
use kafka_client::{BareProducer, BareRecord, BroadcastReader, Layout, ReaderEvent};
use load_test::{
    Viewer,
    stage::{Broker, PARTITIONS, Plan, Stage, until},
};
use tokio_util::sync::CancellationToken;

use crate::wall::{like, plan, post, tweet, unique, visitor};

/// What stands on no topic of ours, by name.
const UNREADABLE: [(&str, &[u8]); 4] = [
    ("no JSON", b"{\"eventType\":"),
    ("no UTF-8", b"\xff\xfe"),
    ("another message", b"{\"hello\":\"world\"}"),
    ("empty", b""),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_record_on_any_topic_is_skipped_by_all() -> anyhow::Result<()> {
    let plan = Plan { replicas: 1, ..plan() };
    let mut stage = Stage::start(Broker::of_tests(), plan).await?;
    let conference = unique("poison");
    let viewer = Viewer::start("through the origin", &[stage.origin()], &format!("/updates?conference={conference}"));
    viewer.connected().await?;
    let cookie = visitor(&stage).await?;
    post(&stage, &tweet(&conference, "before", "before", "ann")).await?;
    like(&stage, "PUT", &cookie, "before").await?;

    poison(&stage)?;

    post(&stage, &tweet(&conference, "after", "after", "bob")).await?;
    like(&stage, "PUT", &cookie, "after").await?;
    viewer
        .until("both posts and likes", |journal| {
            let totals = journal.last("tweetAnalytics", |_| true)?;
            (totals.data["tweetCount"] == 2 && totals.data["likeCount"] == 2).then_some(())
        })
        .await?;
    viewer
        .until("the later post", |journal| journal.last("tweetEvent", |data| data["tweetId"] == "after").map(drop))
        .await?;
    assert_eq!(viewer.journal().odd, Vec::<String>::new());
    dead_letters(&stage, 2 * UNREADABLE.len() * usize::try_from(PARTITIONS)?).await?;

    // A restart meets them again.
    for replicas in stage.services_mut() {
        for process in replicas.processes_mut() {
            process.terminate().await?;
            process.start()?;
            process.ready().await?;
        }
    }
    post(&stage, &tweet(&conference, "later", "later", "eve")).await?;
    let again = Viewer::start("after the restart", &[stage.origin()], &format!("/updates?conference={conference}"));
    again
        .until("three posts counted", |journal| {
            journal.last("tweetAnalytics", |data| data["tweetCount"] == 3).map(drop)
        })
        .await?;
    // Nothing is sent to dead-letters twice.
    dead_letters(&stage, 2 * UNREADABLE.len() * usize::try_from(PARTITIONS)?).await
}

/// Puts each of them on each partition of every topic that a service reads.
fn poison(stage: &Stage) -> anyhow::Result<()> {
    let producer = BareProducer::new(&stage.broker.config())?;
    let mut sent = 0;
    let topics = [Topic::Tweets, Topic::TweetLikes, Topic::TweetLikeCounts, Topic::TweetAnalytics, Topic::TweetWindows];
    for topic in topics {
        for partition in 0..PARTITIONS {
            for (key, value) in UNREADABLE {
                let topic = topic.with_prefix(stage.prefix());
                producer.send(BareRecord { topic: &topic, partition, key: key.as_bytes(), value, headers: &[] })?;
                sent += 1;
            }
        }
    }
    producer.flush(Duration::from_secs(20))?;
    assert_eq!(producer.acknowledged(), sent);
    Ok(())
}

/// Waits until `count` records are on `dead-letters`, with the bytes that were sent, and no more.
async fn dead_letters(stage: &Stage, count: usize) -> anyhow::Result<()> {
    let found: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let stop = CancellationToken::new();
    let letters = Arc::clone(&found);
    let reader = BroadcastReader::start(
        &stage.broker.config(),
        Topic::DeadLetters.with_prefix(stage.prefix()),
        &Layout { cluster_id: "".into(), partitions: PARTITIONS },
        stop.clone(),
        move |event| {
            if let ReaderEvent::Record(record) = event {
                letters.lock().unwrap().push(record.value.unwrap_or_default().to_vec());
            }
        },
    )?;
    until(format_args!("{count} dead letters"), async || {
        let found = found.lock().unwrap().len();
        if found >= count { Ok(()) } else { Err(format!("{found} are there")) }
    })
    .await?;
    stop.cancel();
    reader.join();
    let found = found.lock().unwrap();
    assert_eq!(found.len(), count);
    for (name, value) in UNREADABLE {
        let copies = found.iter().filter(|letter| letter.as_slice() == value).count();
        assert_eq!(copies, count / UNREADABLE.len(), "{name}");
    }
    Ok(())
}
