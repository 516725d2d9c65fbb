//! The stream as others read it: two libraries that know nothing of this project, and ours, must see the same.

use contracts::{Record as _, Topic, Tweet};
use eventsource_stream::Eventsource as _;
use futures_util::{Stream, StreamExt as _};
use sse_stream::SseStream;

use crate::wall::{Replica, Wall};

/// What an event is to its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    kind: String,
    data: String,
    id: String,
}

async fn open(replica: &Replica, id: Option<&str>) -> reqwest::Response {
    let mut request = reqwest::Client::new().get(format!("http://{}/updates", replica.address));
    if let Some(id) = id {
        request = request.header("Last-Event-ID", id);
    }
    request.send().await.unwrap().error_for_status().unwrap()
}

async fn by_eventsource_stream(replica: &Replica, id: Option<&str>) -> impl Stream<Item = Seen> + Unpin + use<> {
    let events = open(replica, id).await.bytes_stream().eventsource();
    Box::pin(events.map(|event| {
        let event = event.unwrap();
        Seen { kind: event.event, data: event.data, id: event.id }
    }))
}

async fn by_sse_stream(replica: &Replica, id: Option<&str>) -> impl Stream<Item = Seen> + Unpin + use<> {
    let blocks = SseStream::from_bytes_stream(open(replica, id).await.bytes_stream());
    let mut last_id = id.unwrap_or_default().to_owned();
    Box::pin(blocks.filter_map(move |block| {
        let block = block.unwrap();
        if let Some(id) = block.id {
            last_id = id;
        }
        // As the standard has it: without data nothing is fired.
        let id = last_id.clone();
        let kind = block.event.unwrap_or_else(|| "message".into());
        std::future::ready(block.data.map(|data| Seen { kind, data, id }))
    }))
}

async fn next(events: &mut (impl Stream<Item = Seen> + Unpin), count: usize) -> Vec<Seen> {
    let taken = events.take(count).collect();
    tokio::time::timeout(std::time::Duration::from_secs(20), taken).await.expect("events in time")
}

/// Texts that would end a line, a block or a stream if they stood in it as they are.
const TEXTS: [&str; 7] =
    ["plain", "two\nlines", "\r\n\r\n", "data: x\n\nid: y\n\n", "\u{0}\u{feff}\u{2028}\u{2029}\u{85}", "🦀 é", ": \\n"];

#[actix_web::test]
async fn libraries_that_are_not_ours_read_the_same_events_and_resume_by_their_ids() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut ours = replica.open("/updates").await;
    ours.until("its start", |stream| !stream.id().is_empty()).await;
    let mut first = by_eventsource_stream(&replica, None).await;
    let mut second = by_sse_stream(&replica, None).await;
    let post = |number: usize| {
        let tweet = Tweet {
            tweet_id: number.to_string(),
            tag_filter: "rustconf".into(),
            text: TEXTS[number % TEXTS.len()].into(),
            ..Tweet::default()
        };
        wall.write(Topic::Tweets, "rustconf", "rustconf", &tweet.to_json());
    };
    (0..TEXTS.len()).for_each(post);
    let by_first = next(&mut first, TEXTS.len()).await;
    assert_eq!(by_first, next(&mut second, TEXTS.len()).await);
    ours.until("all", |stream| stream.events.len() == TEXTS.len()).await;
    for ((seen, event), text) in by_first.iter().zip(&ours.events).zip(TEXTS) {
        assert_eq!((&seen.kind, &seen.id), (&event.kind, &event.id));
        let data: serde_json::Value = serde_json::from_str(&seen.data).unwrap();
        assert_eq!((&data, data["text"].as_str()), (&event.data, Some(text)));
    }

    drop((first, second));
    (TEXTS.len()..2 * TEXTS.len()).for_each(post);
    let id = by_first[2].id.as_str();
    let mut first = by_eventsource_stream(&replica, Some(id)).await;
    let mut second = by_sse_stream(&replica, Some(id)).await;
    let missed = next(&mut first, 2 * TEXTS.len() - 3).await;
    assert_eq!(missed, next(&mut second, 2 * TEXTS.len() - 3).await);
    assert_eq!(missed[..4], by_first[3..], "the same bytes again, from memory");
}

#[actix_web::test]
async fn an_id_with_a_nul_is_no_id_of_this_stream() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut stream = replica.open("/updates?lastEventId=1-%00").await;
    stream.until("a reset", |stream| !stream.events.is_empty()).await;
    assert_eq!((stream.events[0].kind.as_str(), &stream.events[0].data["reason"]), ("reset", &"malformed".into()));
}
