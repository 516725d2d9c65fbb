//! Viewers on their way to the live stream.

use std::{
    net::Shutdown,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::{
    wall::{Replica, Wall},
    wire::{Wire, get, until_a_place_is_free},
};

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

/// The ids of the tweets that came, in their order.
fn tweets(text: &str) -> Vec<&str> {
    let events = text.split("\"eventType\":\"tweetEvent\"").skip(1);
    events.filter_map(|rest| rest.split_once("\"tweetId\":\"")?.1.split_once('"').map(|(id, _)| id)).collect()
}

async fn start_of(replica: &Replica) -> String {
    let mut stream = replica.open("/updates").await;
    stream.until("its start", |stream| !stream.id().is_empty()).await;
    stream.id()
}

async fn metrics(replica: &Replica) -> String {
    reqwest::get(format!("http://{}/metrics", replica.address)).await.unwrap().text().await.unwrap()
}

async fn pages_read(replica: &Replica) -> u64 {
    let metrics = metrics(replica).await;
    let line = metrics.lines().find_map(|line| line.strip_prefix("tweet_listener_pages_read_total "));
    line.map_or(0, |count| count.parse().unwrap())
}

#[actix_web::test]
async fn every_metric_has_its_help_and_the_name_of_its_service() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    wall.post("rustconf", "1");
    let mut stream = replica.open("/updates?lastEventId=nonsense").await;
    stream.until("the reset", |stream| !stream.named("reset").is_empty()).await;
    let text = metrics(&replica).await;
    let names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.contains(&"tweet_listener_viewers") && names.contains(&"tweet_listener_resets_total"), "{names:?}");
    for name in names {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help:\n{text}");
        assert!(["tweet_listener_", "http_"].iter().any(|part| name.starts_with(part)), "{name} is of no service");
    }
}

#[actix_web::test]
async fn a_thousand_old_ids_at_once_are_all_served_exactly_by_few_readings() {
    service_shell::open_file_limit();
    let wall = Wall::new().await;
    let replica = wall
        .replica_with(|config| {
            config.stream.memory_bytes = 1;
            config.stream.max_kafka_readers = 2;
            config.http.head_timeout = Duration::from_mins(1);
            config.stream.write_timeout = Duration::from_mins(1);
        })
        .await;
    let mut live = replica.open("/updates").await;
    live.until("its start", |stream| !stream.id().is_empty()).await;
    let mut ids = vec![live.id()];
    let posts = numbered(300);
    wall.post_all("rustconf", &posts);
    live.until("all", |stream| stream.ids().len() == posts.len()).await;
    ids.extend(live.events.iter().map(|event| event.id.clone()));

    let before = pages_read(&replica).await;
    let mut wires: Vec<(usize, Wire)> = (0..1000)
        .map(|n| {
            let (missed, mut wire) = (n % 200, Wire::to(replica.address));
            wire.send(&get(&format!("/updates?conference=rustconf&lastEventId={}", ids[missed])));
            (missed, wire)
        })
        .collect();
    for (missed, wire) in &mut wires {
        wire.until("the last post", |text| text.contains("\"tweetId\":\"299\"") && text.ends_with("\n\n")).await;
        assert!(tweets(&wire.text()) == posts[*missed..], "in order and each once, from {missed}");
        assert!(!wire.text().contains("event: reset"));
    }
    // Others of these tests read too, but far less than a thousand viewers each for itself.
    let read = pages_read(&replica).await - before;
    assert!((1..300).contains(&read), "{read} pages were read");
}

/// A wall with long past posts, of which one viewer takes nothing while it holds the only piece.
async fn crowded(places: usize) -> (Wall, Replica, String, Wire) {
    let wall = Wall::new().await;
    let replica = wall
        .replica_with(|config| {
            config.stream.memory_bytes = 1;
            config.stream.resume_bytes = 1;
            config.stream.send_buffer_bytes = 4096;
            config.stream.heartbeat = Duration::from_millis(200);
            config.stream.max_viewers = places;
        })
        .await;
    let start = start_of(&replica).await;
    let mut live = replica.open("/updates").await;
    live.until("its start", |stream| !stream.id().is_empty()).await;
    wall.post_all("rustconf", &numbered(3000));
    live.until("all", |stream| stream.ids().len() == 3000).await;
    drop(live);
    let mut deaf = Wire::to(replica.address);
    deaf.send(&get(&format!("/updates?lastEventId={start}")));
    deaf.until("a tweet", |text| text.contains("tweetEvent")).await;
    (wall, replica, start, deaf)
}

#[actix_web::test]
async fn who_waits_for_its_turn_has_its_first_block_and_heartbeats_and_whoever_goes_is_not_waited_for() {
    let (_wall, replica, start, deaf) = crowded(3).await;
    let mut waits = Wire::to(replica.address);
    waits.send(&get(&format!("/updates?ping=true&lastEventId={start}")));
    waits.until("its first block", |text| text.contains(&format!("\nid: {start}\n\n"))).await;
    waits.until("pings", |text| text.matches("event: ping").count() > 2).await;
    assert!(tweets(&waits.text()).len() < 3000, "the piece is not its own yet");
    // It reads on, though it says nothing more.
    waits.socket.shutdown(Shutdown::Write).unwrap();
    let mut goes = Wire::to(replica.address);
    goes.send(&get(&format!("/updates?lastEventId={start}")));
    goes.until("its first block", |text| text.contains("\nid: ")).await;
    drop(goes);
    until_a_place_is_free(&replica).await;
    drop(deaf);
    waits.until("all", |text| text.contains("\"tweetId\":\"2999\"") && text.ends_with("\n\n")).await;
    assert!(tweets(&waits.text()) == numbered(3000));
}

#[actix_web::test]
async fn on_drain_viewers_on_their_way_get_a_retry_and_a_close_spread_over_the_time() {
    let (_wall, replica, start, _deaf) = crowded(100).await;
    let mut waiting = Vec::new();
    for _ in 0..12 {
        let mut wire = Wire::to(replica.address);
        wire.send(&get(&format!("/updates?lastEventId={start}")));
        wire.until("its first block", |text| text.contains("\nid: ")).await;
        waiting.push(wire);
    }
    let began = Instant::now();
    replica.shutdown.begin();
    let ends = join_all(waiting.iter_mut().map(async |wire| {
        wire.until_end().await;
        assert_eq!(wire.text().matches("retry: ").count(), 2, "a last retry before the close: {}", wire.text());
        began.elapsed()
    }))
    .await;
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    assert!(last.saturating_sub(*first) > Duration::from_millis(200), "closed all at once: {ends:?}");
    replica.ended().await.unwrap();
}
