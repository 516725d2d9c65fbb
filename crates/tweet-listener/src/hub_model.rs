//! A model of viewers that move between replicas: whatever the interleavings, every viewer gets the filtered log.

use std::{
    collections::{BTreeMap, HashSet},
    io::{ErrorKind, IoSlice},
};

use proptest::prelude::*;

use super::*;
use crate::ring::joined;
use crate::{
    audience::{Audience, Bounds, ViewerId},
    frame::heartbeat,
    pages::Page,
    replay::frames,
};
use kafka_client::Layout;

const PARTITIONS: usize = 3;

/// What stands on the topic: per partition (conference, tweet id); ids repeat.
type Log = Vec<Vec<(usize, u8)>>;

fn conference(partition: usize, which: usize) -> String {
    let of_partition = |name: &String| {
        let conference = Conference::parse(name).expect("a name");
        usize::try_from(partition_of(&conference, 3)) == Ok(partition)
    };
    (0..).map(|n| format!("c{n}")).filter(of_partition).nth(which).expect("names are many")
}

fn value(partition: usize, (which, id): (usize, u8)) -> Vec<u8> {
    format!(r#"{{"tweetId":"{id}","tagFilter":"{}"}}"#, conference(partition, which)).into_bytes()
}

struct Replica<'a> {
    hub: Hub<()>,
    audience: Audience<()>,
    log: &'a Log,
    read: Vec<usize>,
}

impl<'a> Replica<'a> {
    fn new(log: &'a Log, memory_bytes: usize) -> Self {
        let config = StreamConfig { memory_bytes, threads: 1, ..StreamConfig::default() };
        let ids = StreamIds::new(&Layout { cluster_id: "model".into(), partitions: 3 }, "tweets");
        let hub = Hub::new(&config, ids, &[0; PARTITIONS]).expect("an inbox");
        hub.go_live();
        let audience = Audience::new(Bounds { ring_bytes: 900, all_rings_bytes: 1 << 20 });
        Self { hub, audience, log, read: vec![0; PARTITIONS] }
    }

    /// Reads one record of a partition, where there is one.
    fn advance(&mut self, partition: usize) {
        let Some(record) = self.log[partition].get(self.read[partition]) else { return };
        let value = value(partition, *record);
        let offset = i64::try_from(self.read[partition]).expect("small");
        self.read[partition] += 1;
        self.hub.tweet(&TopicRecord {
            partition: i32::try_from(partition).expect("small"),
            offset,
            timestamp: offset,
            key: None,
            value: Some(&value),
            trace: None,
        });
        self.hub.idle();
    }

    /// What reading Kafka again gives: pages that others share, so they need not begin where this viewer does.
    fn kafka(&self, key: &ChannelKey, position: &mut Position, until: &Position) -> Bytes {
        const SIZE: i64 = 4;
        let pages: Vec<(usize, Page)> = (0..PARTITIONS)
            .filter(|partition| position.0[*partition] < until.0[*partition])
            .map(|partition| {
                let from = position.0[partition] / SIZE * SIZE;
                let to = (from + SIZE).min(self.hub.position().0[partition]);
                let entries = (from..to).map(|offset| {
                    let record = self.log[partition][usize::try_from(offset).expect("small")];
                    self.hub.entry(partition, offset, offset, &value(partition, record), None).expect("a tweet")
                });
                let entries = entries.filter(|entry| !self.hub.is_repeat(entry)).collect();
                (partition, Page { from, to, entries })
            })
            .collect();
        let pages: Vec<(usize, &Page)> = pages.iter().map(|(partition, page)| (*partition, page)).collect();
        frames(&self.hub, key, position, &pages, 150)
    }
}

#[derive(Default)]
struct Browser {
    last_event_id: Option<String>,
    received: Vec<(String, String)>,
    resets: usize,
    /// The beginning of a block.
    partial: Vec<u8>,
    /// The replica that serves it, and as whom.
    served: Option<(usize, ViewerId)>,
    position: Option<Position>,
    /// Every id that it ever had, and how many tweets it had with it.
    had: Vec<(String, usize)>,
}

impl Browser {
    /// Takes up an id that it had earlier, as a page does that was restored from a bookmark.
    fn go_back(&mut self, to: usize) {
        if self.had.is_empty() {
            return;
        }
        self.had.truncate(to % self.had.len() + 1);
        let (id, received) = self.had.last().expect("at least one").clone();
        self.last_event_id = Some(id);
        self.received.truncate(received);
    }

    /// What a browser does with bytes: of whole blocks it takes ids, and rows of unnamed events.
    fn receive(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.windows(2).position(|window| window == b"\n\n") {
            let block: Vec<u8> = self.partial.drain(..end + 2).collect();
            for line in std::str::from_utf8(&block).expect("UTF-8").lines() {
                if let Some(id) = line.strip_prefix("id: ") {
                    self.last_event_id = Some(id.to_owned());
                } else if let Some(data) = line.strip_prefix("data: ") {
                    let tweet: serde_json::Value = serde_json::from_str(data).expect("JSON");
                    if tweet["eventType"] == "reset" {
                        self.resets += 1;
                        continue;
                    }
                    let text = |field: &str| tweet[field].as_str().expect("a string").to_owned();
                    self.received.push((text("tagFilter"), text("tweetId")));
                }
            }
            self.had.extend(self.last_event_id.clone().map(|id| (id, self.received.len())));
        }
    }

    fn disconnect(&mut self, replicas: &mut [Replica<'_>]) {
        if let Some((at, id)) = self.served.take() {
            let ((), channel) = replicas[at].audience.leave(id).expect("it is there");
            replicas[at].hub.leave(0, [channel]);
        }
        self.position = None;
        self.partial.clear();
    }

    /// One step of a stream at replica `at`, over a socket that takes `room` bytes.
    fn step(&mut self, replicas: &mut [Replica<'_>], at: usize, key: &ChannelKey, room: usize) {
        if self.served.is_some_and(|(at, _)| !self.turn(&mut replicas[at], room)) {
            self.disconnect(replicas);
            return;
        }
        if self.served.is_some() {
            return;
        }
        let replica = &mut replicas[at];
        let mut position = self.position.take().unwrap_or_else(|| match &self.last_event_id {
            Some(id) => replica.hub.ids.read(id).expect("an id that was sent"),
            None => Position(vec![0; PARTITIONS]),
        });
        let opening = || Some(Opening { socket: (), bytes: Bytes::new(), ping: false });
        match replica.hub.join(key, &mut position, 100, opening).expect("few channels") {
            Join::Entered => {
                for told in replica.hub.inbox(0).take() {
                    match told {
                        Told::Frame { channel, frame, .. } => replica.audience.publish(channel, frame, None),
                        Told::Enter(newcomer) => self.served = Some((at, replica.audience.enter(newcomer, 0))),
                        Told::Drain(_) | Told::Stop => {}
                    }
                }
            }
            Join::Tweets(frames) => self.receive(&frames),
            Join::Kafka(until) => {
                let frames = replica.kafka(key, &mut position, &until);
                self.receive(&frames);
            }
            Join::Ahead => {}
        }
        self.position = Some(position);
    }

    /// What a serving thread does in one turn, with a heartbeat for whoever has everything; false when it closes.
    fn turn(&mut self, replica: &mut Replica<'_>, mut room: usize) -> bool {
        let Some((_, id)) = self.served else { return true };
        let (told, position) = replica.hub.collect(0);
        for told in told {
            if let Told::Frame { channel, frame, .. } = told {
                replica.audience.publish(channel, frame, None);
            }
        }
        let mut send = |(): &(), slices: &[IoSlice<'_>]| {
            let bytes = joined(slices);
            let taken = bytes.len().min(room);
            self.receive(&bytes[..taken]);
            room -= taken;
            if taken == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
        };
        let mut gone = Vec::new();
        replica.audience.sweep(0, &mut send, &mut gone);
        let beat = heartbeat(&replica.hub.ids.write(&position));
        gone.is_empty()
            && replica.audience.resume(id, 0, &mut send).is_ok()
            && replica.audience.send_between(id, &beat, 0, &mut send).is_ok()
    }
}

#[test]
fn a_viewer_on_the_live_stream_is_told_when_retention_passes_the_reader() {
    let log = vec![vec![(0, 1)], Vec::new(), Vec::new()];
    let mut replicas = [Replica::new(&log, 1 << 20)];
    let mut browser = Browser::default();
    let key = ChannelKey { filter: Filter::default(), html: false };
    browser.step(&mut replicas, 0, &key, usize::MAX);
    replicas[0].advance(0);
    browser.step(&mut replicas, 0, &key, usize::MAX);
    assert_eq!((browser.received.len(), browser.resets), (1, 0));
    replicas[0].hub.skip_to(0, 1);
    browser.step(&mut replicas, 0, &key, usize::MAX);
    assert_eq!(browser.resets, 0, "nothing was skipped");
    replicas[0].hub.skip_to(0, 7);
    browser.step(&mut replicas, 0, &key, usize::MAX);
    assert_eq!(browser.resets, 1);
    let id = browser.last_event_id.expect("the new one");
    assert_eq!(replicas[0].hub.ids.read(&id), Ok(Position(vec![7, 0, 0])));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_viewer_that_moves_between_replicas_gets_the_filtered_log_in_order_and_each_tweet_once(
        log in proptest::collection::vec(proptest::collection::vec((0_usize..2, 0_u8..12), 0..25), PARTITIONS),
        steps in proptest::collection::vec((0_u8..12, 0_usize..2, 0..PARTITIONS, 0_usize..200), 0..250),
        filtered: bool,
        memory_bytes in prop_oneof![Just(500_usize), Just(1 << 20)],
    ) {
        let mut replicas = [Replica::new(&log, memory_bytes), Replica::new(&log, memory_bytes)];
        let filter = if filtered { format!("{},{}", conference(0, 0), conference(1, 1)) } else { String::new() };
        let key = ChannelKey { filter: Filter::parse(&filter).expect("valid"), html: false };
        let mut browser = Browser::default();
        let mut at = 0;
        for (action, replica, partition, room) in steps {
            match action {
                0..=4 => replicas[replica].advance(partition),
                5..=8 => browser.step(&mut replicas, at, &key, room),
                9 => {
                    browser.disconnect(&mut replicas);
                    at = replica;
                }
                10 => {
                    browser.disconnect(&mut replicas);
                    browser.go_back(room);
                }
                _ => {
                    browser.disconnect(&mut replicas);
                    replicas[replica] = Replica::new(&log, memory_bytes);
                }
            }
        }
        // Calm: everything is read, and the viewer catches up.
        for replica in &mut replicas {
            for (partition, records) in log.iter().enumerate() {
                for _ in records {
                    replica.advance(partition);
                }
            }
        }
        for _ in 0..500 {
            browser.step(&mut replicas, at, &key, usize::MAX);
        }

        let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (partition, records) in log.iter().enumerate() {
            let mut seen = HashSet::new();
            for (which, id) in records {
                let name = conference(partition, *which);
                let wanted = key.filter.matches(&Conference::parse(&name).expect("valid"));
                if wanted && seen.insert((*which, *id)) {
                    expected.entry(name).or_default().push(id.to_string());
                }
            }
        }
        let mut received: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, id) in browser.received {
            received.entry(name).or_default().push(id);
        }
        prop_assert_eq!(received, expected);
    }
}
