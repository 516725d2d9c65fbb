//! The client against real Kafka.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::{env, sync::mpsc, time::Duration};

use contracts::{
    Conference, EventHeaders, Record as _, Timestamp, TimestampType, Topic, TopicSpec, TraceParent, Tweet, partition_of,
};
use kafka_client::{
    BareProducer, BareRecord, BroadcastReader, ClusterState, ClusterWatch, KafkaConfig, Layout, Producer, Range,
    ReaderEvent, ReaderState, SendError, Watermarks, admin, read_range,
    transaction::{OutRecord, TransactionError, TransactionalProducer},
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
};
use tokio_util::sync::CancellationToken;

const PARTITIONS: i32 = 4;
const WAIT: Duration = Duration::from_secs(20);

fn config() -> KafkaConfig {
    let brokers = env::var("LIVEWALL_TEST_BROKERS")
        .expect("LIVEWALL_TEST_BROKERS names a running broker; scripts/test starts one");
    KafkaConfig { brokers, ..KafkaConfig::default() }
}

fn prefix() -> String {
    format!("kc-{}-", uuid::Uuid::new_v4().simple())
}

async fn layout_of(prefix: &str) -> Layout {
    admin::create_topics(&config(), prefix, PARTITIONS, 1, Topic::spec).await.unwrap();
    let watch = ClusterWatch::start(&config(), prefix, &Topic::ALL, CancellationToken::new()).unwrap();
    tokio::time::timeout(WAIT, watch.layout()).await.expect("found in time").unwrap()
}

fn tweet(conference: &str, id: &str) -> Tweet {
    Tweet { tweet_id: id.into(), tag_filter: conference.into(), ..Tweet::default() }
}

fn headers(id: &str, trace: Option<TraceParent>) -> EventHeaders {
    EventHeaders { id: id.into(), source: "/test", time: Timestamp::from_millis(0), trace }
}

#[tokio::test]
async fn records_of_a_conference_stand_in_its_partition_in_the_order_of_their_sends() {
    let prefix = prefix();
    let layout = layout_of(&prefix).await;
    let producer = Producer::new(&config(), &prefix, &layout).unwrap();
    let trace = TraceParent::start();
    let names = ["a", "b", "rustconf"];
    let mut deliveries = Vec::new();
    for n in 0..300 {
        let id = n.to_string();
        deliveries.push(producer.send(&tweet(names[n % 3], &id), &headers(&id, Some(trace))).unwrap());
    }
    for (n, delivery) in deliveries.into_iter().enumerate() {
        let position = delivery.await.unwrap();
        assert_eq!(position.partition, partition_of(&Conference::parse(names[n % 3]).unwrap(), PARTITIONS));
    }

    let (sender, records) = mpsc::channel();
    let stop = CancellationToken::new();
    let topic = Topic::Tweets.with_prefix(&prefix);
    let reader = BroadcastReader::start(&config(), topic, &layout, stop.clone(), move |event| {
        if let ReaderEvent::Record(record) = event {
            let tweet = Tweet::from_json(record.value.unwrap()).unwrap();
            assert_eq!(record.trace, Some(trace));
            assert_eq!(record.key, Some(tweet.tag_filter.as_bytes()));
            sender.send((tweet.tag_filter, tweet.tweet_id.parse::<usize>().unwrap())).unwrap();
        }
    })
    .unwrap();
    let mut state = reader.state();
    tokio::time::timeout(WAIT, state.wait_for(|state| *state == ReaderState::Live)).await.unwrap().unwrap();
    let read: Vec<_> = records.try_iter().collect();
    assert_eq!(read.len(), 300, "live means that everything was read");
    for name in names {
        let of_conference: Vec<_> = read.iter().filter(|(of, _)| of == name).map(|(_, n)| *n).collect();
        assert!(of_conference.is_sorted(), "{name}: {of_conference:?}");
    }
    stop.cancel();
    reader.join();
}

#[tokio::test]
async fn a_range_is_read_again_exactly_and_an_empty_topic_is_caught_up_at_once() {
    let prefix = prefix();
    let layout = layout_of(&prefix).await;
    let topic = Topic::Tweets.with_prefix(&prefix);
    let stop = CancellationToken::new();
    let reader = BroadcastReader::start(&config(), topic.clone(), &layout, stop.clone(), |_| {}).unwrap();
    let mut state = reader.state();
    tokio::time::timeout(WAIT, state.wait_for(|state| *state == ReaderState::Live)).await.unwrap().unwrap();

    let bare = BareProducer::new(&config()).unwrap();
    for n in 0..100 {
        let value = format!("{n}");
        bare.send(BareRecord { topic: &topic, partition: 2, key: b"k", value: value.as_bytes(), headers: &[] })
            .unwrap();
    }
    bare.flush(WAIT).unwrap();
    let watermarks = Watermarks::new(&config(), topic.clone(), &layout).unwrap();
    assert_eq!(watermarks.get().await.unwrap()[2].end, 100);
    let ranges = [Range { partition: 2, from: 10, to: 20 }, Range { partition: 1, from: 0, to: 0 }];
    let read =
        tokio::task::spawn_blocking(move || read_range(&config(), &topic, &ranges, WAIT)).await.unwrap().unwrap();
    let offsets: Vec<_> = read.iter().map(|record| record.offset).collect();
    assert_eq!(offsets, (10..20).collect::<Vec<_>>());
    stop.cancel();
    reader.join();
}

#[tokio::test]
async fn a_range_ends_where_it_ends_and_not_where_the_log_does_meanwhile() {
    let prefix = prefix();
    layout_of(&prefix).await;
    let topic = Topic::Tweets.with_prefix(&prefix);
    let bare = BareProducer::new(&config()).unwrap();
    let write = |value: &str| {
        bare.send(BareRecord { topic: &topic, partition: 0, key: b"k", value: value.as_bytes(), headers: &[] })
            .unwrap();
        bare.flush(WAIT).unwrap();
    };
    let read = |range: Range, patience: Duration| {
        let topic = topic.clone();
        tokio::task::spawn_blocking(move || read_range(&config(), &topic, &[range], patience))
    };
    write("0");
    // As after a change of leaders: the records are there, but the leader does not give them out yet.
    let range = Range { partition: 0, from: 0, to: 2 };
    let short = read(range, Duration::from_secs(2)).await.unwrap();
    assert!(short.is_err(), "half a range is no range: {short:?}");
    let waiting = read(range, WAIT);
    write("1");
    let offsets: Vec<_> = waiting.await.unwrap().unwrap().iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 1]);

    // A marker at the end is never delivered, and is no reason to wait.
    let producer = TransactionalProducer::new(&config(), &format!("{prefix}t")).unwrap();
    tokio::task::spawn_blocking({
        let topic = topic.clone();
        move || {
            producer.init(WAIT).unwrap();
            producer.begin().unwrap();
            producer
                .send(OutRecord { topic: &topic, partition: 0, key: Some(b"k"), value: Some(b"2"), headers: &[] })
                .unwrap();
            producer.commit().unwrap();
        }
    })
    .await
    .unwrap();
    for from in [2, 3] {
        let read = read(Range { partition: 0, from, to: 4 }, WAIT).await.unwrap().unwrap();
        assert_eq!(read.len(), usize::try_from(3 - from).unwrap(), "{read:?}");
    }
}

#[tokio::test]
async fn missing_topics_and_differing_partitions_are_named() {
    let stop = CancellationToken::new();
    let absent = prefix();
    let watch = ClusterWatch::start(&config(), &absent, &[Topic::Tweets], stop.clone()).unwrap();
    until(|| matches!(watch.state(), ClusterState::TopicsMissing(_))).await;
    let reason = watch.ready().unwrap_err();
    assert!(reason.contains(&format!("{absent}tweets")) && reason.contains("livewall topics create"), "{reason}");

    // Once they are created, the same watch finds them by itself.
    admin::create_topics(&config(), &absent, PARTITIONS, 1, Topic::spec).await.unwrap();
    until(|| watch.ready().is_ok()).await;
    assert_eq!(admin::verify_topics(&config(), &absent, Some(PARTITIONS)).await.unwrap(), Vec::<String>::new());
    let wrong = admin::verify_topics(&config(), &absent, Some(7)).await.unwrap();
    assert_eq!(wrong.len(), Topic::ALL.len(), "{wrong:?}");
    stop.cancel();
}

#[tokio::test]
async fn topics_whose_records_carry_their_producers_times_are_named() {
    let (stop, prefix) = (CancellationToken::new(), prefix());
    let by_producers = |topic: Topic| match topic {
        Topic::TweetLikes => TopicSpec { timestamps: TimestampType::CreateTime, ..topic.spec() },
        topic => topic.spec(),
    };
    admin::create_topics(&config(), &prefix, PARTITIONS, 1, by_producers).await.unwrap();
    let watch = ClusterWatch::start(&config(), &prefix, &Topic::ALL, stop.clone()).unwrap();
    let likes = Topic::TweetLikes.with_prefix(&prefix);
    until(|| watch.state() == ClusterState::ProducersTimes(vec![likes.clone()])).await;
    let reason = watch.ready().unwrap_err();
    assert!(reason.contains(&likes) && reason.contains("message.timestamp.type to LogAppendTime"), "{reason}");

    // Once that is set, the same watch finds it by itself.
    let mut client = ClientConfig::new();
    let admin: AdminClient<_> = client.set("bootstrap.servers", config().brokers).create().unwrap();
    let setting = AlterConfig::new(ResourceSpecifier::Topic(&likes)).set("message.timestamp.type", "LogAppendTime");
    admin.alter_configs([&setting], &AdminOptions::new()).await.unwrap();
    until(|| watch.ready().is_ok()).await;
    stop.cancel();
}

#[tokio::test]
async fn a_broker_that_tells_no_settings_is_taken_as_it_is() {
    let broker = kafka_client::EmbeddedBroker::start("embedded-", PARTITIONS).unwrap();
    let stop = CancellationToken::new();
    let watch = ClusterWatch::start(&broker.config(), "embedded-", &Topic::ALL, stop.clone()).unwrap();
    until(|| watch.ready().is_ok()).await;
    stop.cancel();
}

#[tokio::test]
async fn a_record_that_is_too_large_is_told_from_what_passes_by_itself() {
    let prefix = prefix();
    layout_of(&prefix).await;
    let refused = tokio::task::spawn_blocking(move || {
        let topic = Topic::TweetAnalytics.with_prefix(&prefix);
        // Nothing that compression makes smaller.
        let mut random = 88_172_645_463_325_252_u64;
        let value: Vec<u8> = (0..1_200_000)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random.to_le_bytes()[0]
            })
            .collect();
        // By the client, and by the broker.
        [None, Some("2000000")].map(|most| {
            let mut config = config();
            config.properties.extend(most.map(|bytes| ("message_max_bytes".into(), bytes.into())));
            let producer = TransactionalProducer::new(&config, &prefix).unwrap();
            producer.init(WAIT).unwrap();
            producer.begin().unwrap();
            let record =
                OutRecord { topic: &topic, partition: 1, key: Some(b"conf"), value: Some(&value), headers: &[] };
            let refused = producer.send(record).and_then(|_| producer.delivered()).unwrap_err();
            producer.abort().unwrap();
            refused
        })
    });
    for refused in refused.await.unwrap() {
        let TransactionError::TooLarge(reason) = refused else { panic!("{refused:?}") };
        assert!(reason.to_string().contains("tweet-analytics, partition 1, with a value of 1200000 bytes"), "{reason}");
    }
}

#[tokio::test]
async fn without_a_broker_the_watch_says_so_and_a_send_fails_in_time() {
    let nobody = KafkaConfig { brokers: "127.0.0.1:1".into(), delivery_timeout_ms: 1000, ..KafkaConfig::default() };
    let stop = CancellationToken::new();
    let watch = ClusterWatch::start(&nobody, "", &[Topic::Tweets], stop.clone()).unwrap();
    until(|| matches!(watch.state(), ClusterState::Unreachable(_))).await;
    let layout = Layout { cluster_id: "none".into(), partitions: PARTITIONS };
    let producer = Producer::new(&nobody, "", &layout).unwrap();
    let delivery = producer.send(&tweet("rustconf", "1"), &headers("1", None)).unwrap();
    let outcome = tokio::time::timeout(WAIT, delivery).await.expect("bounded");
    assert!(matches!(outcome, Err(SendError::Unacknowledged(_))), "{outcome:?}");
    stop.cancel();
}

#[tokio::test]
async fn a_queue_that_is_full_answers_busy_instead_of_growing() {
    let mut nobody = KafkaConfig { brokers: "127.0.0.1:1".into(), ..KafkaConfig::default() };
    nobody.properties.insert("queue_buffering_max_messages".into(), "10".into());
    let layout = Layout { cluster_id: "none".into(), partitions: PARTITIONS };
    let producer = Producer::new(&nobody, "", &layout).unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        match producer.send(&tweet("rustconf", "1"), &headers("1", None)) {
            Ok(delivery) => waiting.push(delivery),
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused, waiting.len()), (SendError::Busy, 10));
}

async fn until(done: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + WAIT;
    while !done() {
        assert!(tokio::time::Instant::now() < deadline, "did not come to pass in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
