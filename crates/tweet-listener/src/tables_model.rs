//! A model of snapshot and change: whoever comes between whatever changes ends with the present values.

use std::collections::BTreeMap;

use kafka_client::Layout;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const TWEETS: [(&str, &str); 4] = [("a", "1"), ("a", "2"), ("b", "1"), ("c", "3")];
const FILTERS: [&str; 4] = ["", "a", "a,c", "b"];

/// What a page shows: by conference and tweet the count, by conference the likes in all and the top list.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    counts: BTreeMap<(String, String), u64>,
    totals: BTreeMap<String, u64>,
    tops: BTreeMap<String, Value>,
}

impl Shown {
    fn receive(&mut self, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
            let data: Value = serde_json::from_str(data).expect("JSON");
            let conference = || data["conference"].as_str().expect("a name").to_owned();
            match data["eventType"].as_str() {
                Some("tweetLikes") => {
                    for count in data["counts"].as_array().expect("counts") {
                        let id = count["tweetId"].as_str().expect("an id").to_owned();
                        self.counts.insert((conference(), id), count["count"].as_u64().expect("a number"));
                    }
                }
                Some("tweetAnalytics") => {
                    self.totals.insert(conference(), data["likeCount"].as_u64().expect("a number"));
                }
                Some("tweetLikesAnalytics") => {
                    self.tops.insert(conference(), data["nrs"].clone());
                }
                _ => {}
            }
        }
    }
}

struct Page {
    filter: Filter,
    channel: ChannelId,
    shown: Shown,
}

/// Hands on what the hub told its serving thread.
fn serve(hub: &Hub<Filter>, pages: &mut Vec<Page>) {
    for told in hub.inbox(0).take() {
        match told {
            Told::Frame { channel, frame, .. } => {
                pages.iter_mut().filter(|page| page.channel == channel).for_each(|page| page.shown.receive(&frame));
            }
            Told::Enter(Newcomer { socket: filter, channel, opening, .. }) => {
                let mut shown = Shown::default();
                for bytes in &opening {
                    shown.receive(bytes);
                }
                pages.push(Page { filter, channel, shown });
            }
            Told::Drain(_) | Told::Stop => {}
        }
    }
}

fn analytics(conference: &str, likes: u32) -> ConferenceAnalytics {
    let entry = contracts::RankedTweet { tweet_id: "1".into(), count: likes, ..contracts::RankedTweet::default() };
    let top = contracts::TopList { nrs: vec![entry], ..contracts::TopList::default() };
    ConferenceAnalytics {
        conference: conference.into(),
        like_count: likes,
        top: [("all".to_owned(), top)].into(),
        ..ConferenceAnalytics::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn between_snapshot_and_change_nothing_is_missed(
        steps in proptest::collection::vec((0_u8..7, 0_usize..4, 0_u32..4), 0..80),
        tables_bytes in prop_oneof![Just(1_usize), Just(1 << 20)],
    ) {
        let config = StreamConfig { tick: Duration::ZERO, tables_bytes, threads: 1, ..StreamConfig::default() };
        let ids = StreamIds::new(&Layout { cluster_id: "model".into(), partitions: 1 }, "tweets");
        let hub: Hub<Filter> = Hub::new(&config, ids, &[0]).expect("an inbox");
        let mut posted = 0;
        let mut post = |hub: &Hub<Filter>| {
            let (conference, id) = TWEETS[posted % TWEETS.len()];
            let value = format!(r#"{{"tweetId":"{id}","tagFilter":"{conference}"}}"#);
            let offset = i64::try_from(posted).expect("small");
            posted += 1;
            let value = Some(value.as_bytes());
            hub.tweet(&TopicRecord { partition: 0, offset, timestamp: offset, key: None, value, trace: None });
        };
        for _ in TWEETS {
            post(&hub);
        }
        hub.go_live();
        let (mut pages, mut expected) = (Vec::new(), Shown::default());
        for (action, which, number) in steps {
            let (conference, id) = TWEETS[which];
            match action {
                0..=2 => {
                    hub.count(LikeCount { tweet_id: id.into(), conference: conference.into(), count: number });
                    expected.counts.insert((conference.into(), id.into()), number.into());
                }
                3 => {
                    let analytics = analytics(conference, number);
                    expected.tops.insert(
                        conference.into(),
                        serde_json::to_value(&analytics.top["all"].nrs).expect("JSON"),
                    );
                    hub.analytics(analytics);
                    expected.totals.insert(conference.into(), number.into());
                }
                4 => hub.idle(),
                // A repeat: it makes no frame, but the log is longer.
                5 => post(&hub),
                _ => {
                    let filter = Filter::parse(FILTERS[which]).expect("valid");
                    let key = ChannelKey { filter: filter.clone(), html: false };
                    let opening = || Some(Opening { socket: filter, bytes: Bytes::new(), ping: false });
                    let joined = hub.join(&key, &mut hub.position(), 100, opening);
                    prop_assert!(matches!(joined, Ok(Join::Entered)));
                }
            }
            serve(&hub, &mut pages);
        }
        // As many ticks as the smallest budget needs.
        for _ in 0..50 {
            hub.idle();
            serve(&hub, &mut pages);
        }
        for Page { filter, shown, .. } in &pages {
            let wanted = |name: &str| filter.matches(&Conference::parse(name).expect("a name"));
            let expected = Shown {
                counts: expected.counts.iter().filter(|((name, _), _)| wanted(name)).map(|(k, v)| (k.clone(), *v)).collect(),
                totals: expected.totals.iter().filter(|(name, _)| wanted(name)).map(|(k, v)| (k.clone(), *v)).collect(),
                tops: expected.tops.iter().filter(|(name, _)| wanted(name)).map(|(k, v)| (k.clone(), v.clone())).collect(),
            };
            prop_assert_eq!(shown, &expected);
        }
    }
}
