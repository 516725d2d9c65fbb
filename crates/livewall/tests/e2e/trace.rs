//! One trace from the caller to the frame.

use std::sync::{Arc, Mutex};

use contracts::{Record as _, Topic, TraceParent};
use kafka_client::{BroadcastReader, Layout, ReaderEvent};
use load_test::{
    Viewer,
    stage::{PARTITIONS, until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    curl::curl,
    wall::{tweet, unique, wall},
};

#[tokio::test]
async fn a_sampled_trace_goes_from_curl_through_kafka_to_the_frame() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("trace");
    let viewer = Viewer::start("of the trace", &[stage.origin()], &format!("/updates?conference={conference}"));
    viewer.connected().await?;

    let trace = TraceParent::start();
    let trace_id = trace.trace_id();
    let sampled = trace.to_string().trim_end_matches("00").to_owned() + "01";
    let (url, token) = (format!("{}/eventBridge/tweets", stage.url()), format!("X-Webhook-Token: {}", stage.token()));
    let post = async |id: &str, traceparent: &str| {
        let body = String::from_utf8(tweet(&conference, id, "traced", "ann").to_json())?;
        let header = format!("traceparent: {traceparent}");
        let answer =
            curl(&[&url, "-H", &token, "-H", &header, "-H", "Content-Type: application/json", "-d", &body]).await?;
        anyhow::ensure!(answer.head.status == 200, "{}", answer.text());
        Ok(())
    };
    post("sampled", &sampled).await?;
    post("unsampled", &TraceParent::start().to_string()).await?;
    viewer
        .until("both posts", |journal| journal.last("tweetEvent", |data| data["tweetId"] == "unsampled").map(drop))
        .await?;
    let comments = viewer.journal().comments.clone();
    assert_eq!(comments.len(), 1, "only a trace that somebody records: {comments:?}");
    let in_frame = comments[0].strip_prefix("traceparent=").and_then(TraceParent::parse).expect("a traceparent");
    assert_eq!((in_frame.trace_id(), in_frame.is_sampled()), (trace_id.clone(), true));
    assert_ne!(in_frame.to_string(), sampled, "the parent is a span of ours, not the caller's");

    let in_header = header_of(stage, "sampled", &conference).await?;
    assert_eq!(in_header.trace_id(), trace_id);
    Ok(())
}

/// The trace in the headers of a post's record.
async fn header_of(stage: &load_test::stage::Stage, id: &str, conference: &str) -> anyhow::Result<TraceParent> {
    let found: Arc<Mutex<Option<TraceParent>>> = Arc::default();
    let stop = CancellationToken::new();
    let (letter, id, conference) = (Arc::clone(&found), id.to_owned(), conference.to_owned());
    let reader = BroadcastReader::start(
        &stage.broker.config(),
        Topic::Tweets.with_prefix(stage.prefix()),
        &Layout { cluster_id: "".into(), partitions: PARTITIONS },
        stop.clone(),
        move |event| {
            if let ReaderEvent::Record(record) = event
                && let Ok(tweet) = contracts::Tweet::from_json(record.value.unwrap_or_default())
                && (tweet.tweet_id.as_str(), tweet.tag_filter.as_str()) == (id.as_str(), conference.as_str())
            {
                *letter.lock().unwrap() = record.trace;
            }
        },
    )?;
    let trace = until("the record with its trace", async || found.lock().unwrap().ok_or("not there")).await?;
    stop.cancel();
    reader.join();
    Ok(trace)
}
