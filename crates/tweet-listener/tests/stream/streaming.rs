//! What an open stream gets.

use std::time::{Duration, Instant};

use contracts::{
    Conference, ConferenceAnalytics, HashtagCount, MinuteCounts, RankedTweet, Record as _, Timestamp, TopList, Topic,
    partition_of,
};

use crate::{
    wall::{PARTITIONS, Wall, tweet},
    wire::Wire,
};

#[actix_web::test]
async fn the_first_block_has_retry_and_an_id_and_the_stream_is_not_to_be_buffered() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut stream = replica.open("/updates").await;
    stream.until("retry", |stream| !stream.retries.is_empty()).await;
    assert!((2400..=3600).contains(&stream.retries[0].as_millis()), "{:?}", stream.retries);
    assert!(stream.id().starts_with("1-"), "{}", stream.id());
    assert!(stream.header("content-type").unwrap().starts_with("text/event-stream"));
    assert_eq!(stream.header("cache-control"), Some("no-cache"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
}

#[actix_web::test]
async fn viewers_of_a_replica_that_dies_without_a_word_do_not_return_in_one_moment() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut retries = Vec::new();
    for _ in 0..12 {
        let mut stream = replica.open("/updates").await;
        stream.until("retry", |stream| !stream.retries.is_empty()).await;
        retries.push(stream.retries[0]);
    }
    let (first, last) = (retries.iter().min().unwrap(), retries.iter().max().unwrap());
    assert!(last.saturating_sub(*first) > Duration::from_millis(200), "{retries:?}");
}

#[actix_web::test]
async fn a_filtered_stream_gets_its_conferences_only_and_each_tweet_once() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut all = replica.open("/updates").await;
    let mut filtered = replica.open("/updates?conference=%23RustConf,kafkasummit").await;
    for (conference, id) in
        [("rustconf", "1"), ("other", "2"), ("rustconf", "1"), ("kafkasummit", "3"), ("rustconf", "4")]
    {
        wall.post(conference, id);
    }
    all.until("four tweets", |stream| stream.ids().len() == 4).await;
    filtered.until("three tweets", |stream| stream.ids().len() == 3).await;
    assert!(filtered.ids().iter().all(|id| id != "2"), "{:?}", filtered.ids());
    assert!(
        all.events.iter().filter(|event| event.data["eventType"] == "tweetEvent").all(|event| event.kind == "message")
    );
}

#[actix_web::test]
async fn strings_come_plain_or_html_escaped_as_asked() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut plain = replica.open("/updates").await;
    let mut html = replica.open("/updates?escape=html").await;
    wall.post("rustconf", "1");
    plain.until_tweets(&["1"]).await;
    html.until_tweets(&["1"]).await;
    assert_eq!(plain.named("tweetEvent")[0]["text"], "<post> \"1\" & more");
    assert_eq!(html.named("tweetEvent")[0]["text"], "&lt;post&gt; &quot;1&quot; &amp; more");
}

#[actix_web::test]
async fn every_connection_gets_the_present_counts_and_totals_and_then_their_changes() {
    let wall = Wall::new().await;
    wall.post("rustconf", "1");
    wall.count("rustconf", "1", 2);
    let top = TopList {
        nrs: vec![RankedTweet {
            tweet_id: "1".into(),
            conference: "rustconf".into(),
            count: 2,
            ..RankedTweet::default()
        }],
        ..TopList::default()
    };
    let analytics = ConferenceAnalytics {
        conference: "rustconf".into(),
        tweet_count: 1,
        author_count: 1,
        like_count: 2,
        top: [("all".to_owned(), top)].into(),
        ..ConferenceAnalytics::default()
    };
    wall.write(Topic::TweetAnalytics, "rustconf", "rustconf", &analytics.to_json());
    let replica = wall.replica().await;

    let mut stream = replica.open("/updates?conference=rustconf").await;
    stream.until("the top list", |stream| !stream.named("tweetLikesAnalytics").is_empty()).await;
    assert_eq!(stream.named("tweetLikes")[0]["counts"][0]["count"], 2);
    assert_eq!(stream.named("tweetAnalytics")[0]["likeCount"], 2);
    assert_eq!(stream.named("tweetLikesAnalytics")[0]["nrs"][0]["tweetId"], "1");
    assert!(stream.events.iter().all(|event| event.kind == "message" || event.kind == "tweetLikes"));

    wall.count("rustconf", "1", 3);
    stream.until("a like", |stream| !stream.named("tweetLiked").is_empty()).await;
    assert_eq!(stream.named("tweetLikes").last().unwrap()["counts"][0]["count"], 3);
    let liked = &stream.named("tweetLiked")[0];
    assert_eq!((liked["author"].as_str(), liked["count"].as_u64()), (Some("ferris"), Some(3)));

    // A resumed connection gets the present value too: counts have no place in the log.
    let mut resumed = replica.resume("/updates", &stream.id()).await;
    resumed.until("the count", |stream| !stream.named("tweetLikes").is_empty()).await;
    assert_eq!(resumed.named("tweetLikes")[0]["counts"][0]["count"], 3);
    assert!(resumed.ids().is_empty());
}

#[actix_web::test]
async fn minutes_hashtags_and_the_newest_windows_come_at_the_start_and_as_they_change() {
    let minute = |n: i64| Timestamp::from_millis(1_795_359_840_000 + n * 60_000);
    let window = |start: i64, likes: u32| {
        let entry = |tweet_id: &str, count| RankedTweet { tweet_id: tweet_id.into(), count, ..RankedTweet::default() };
        let nrs = (1..=30).map(|n| entry(&n.to_string(), likes)).collect();
        TopList { start: Some(minute(start)), end: Some(minute(start + 5)), r#final: false, nrs }
    };
    let analytics = |likes: u32, start: i64| ConferenceAnalytics {
        conference: "rustconf".into(),
        tweet_count: 3,
        like_count: likes,
        tweets_stream_time: Some(minute(1)),
        likes_stream_time: Some(minute(2)),
        per_minute: vec![
            MinuteCounts { start: Some(minute(0)), tweets: 2, likes: 0 },
            MinuteCounts { start: Some(minute(2)), tweets: 1, likes },
        ],
        hashtags: vec![HashtagCount { hashtag: "rust".into(), count: 3 }],
        top: [("5m".to_owned(), window(start, likes)), ("all".to_owned(), TopList::default())].into(),
        ..ConferenceAnalytics::default()
    };
    let wall = Wall::new().await;
    wall.write(Topic::TweetAnalytics, "rustconf", "rustconf", &analytics(7, 0).to_json());
    let replica = wall.replica().await;
    let mut stream = replica.open("/updates?conference=rustconf").await;
    stream.until("the window", |stream| !stream.named("tweetWindow").is_empty()).await;
    let totals = &stream.named("tweetAnalytics")[0];
    let series = &totals["perMinute"];
    assert_eq!(series["start"], minute(-57).to_string(), "60 minutes up to the newest");
    assert_eq!(
        (&series["tweets"][57], &series["tweets"][58], &series["tweets"][59]),
        (&2.into(), &0.into(), &1.into())
    );
    assert_eq!((series["likes"].as_array().unwrap().len(), &series["likes"][59]), (60, &7.into()));
    assert_eq!(totals["hashtags"], serde_json::json!([{ "hashtag": "rust", "count": 3 }]));
    assert_eq!(totals["likesStreamTime"], minute(2).to_string());
    let first = &stream.named("tweetWindow")[0];
    assert_eq!(
        (&first["window"], &first["start"], &first["final"]),
        (&"5m".into(), &minute(0).to_string().into(), &false.into())
    );
    assert_eq!(first["nrs"].as_array().unwrap().len(), 10);
    assert!(
        stream.events.iter().all(|event| (event.kind == "tweetWindow") == (event.data["eventType"] == "tweetWindow"))
    );

    wall.write(Topic::TweetAnalytics, "rustconf", "rustconf", &analytics(8, 5).to_json());
    stream
        .until("the next window", |stream| {
            stream.named("tweetWindow").last().is_some_and(|data| data["start"] == minute(5).to_string())
        })
        .await;
    assert_eq!(stream.named("tweetWindow").last().unwrap()["nrs"][0]["count"], 8);
    assert_eq!(stream.named("tweetAnalytics").last().unwrap()["perMinute"]["likes"][59], 8);
}

#[actix_web::test]
async fn a_thousand_likes_in_a_moment_are_few_events_with_the_newest_count() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut stream = replica.open("/updates").await;
    wall.count_up("rustconf", "1", 1000);
    stream
        .until("the last count", |stream| {
            stream.named("tweetLikes").last().is_some_and(|e| e["counts"][0]["count"] == 1000)
        })
        .await;
    let events = stream.named("tweetLikes").len();
    assert!(events < 100, "{events} events for 1000 changes of one count");
}

#[actix_web::test]
async fn heartbeats_move_the_id_of_a_filtered_stream_and_fire_nothing_unless_asked() {
    let wall = Wall::new().await;
    let replica = wall.replica_with(|config| config.stream.heartbeat = Duration::from_millis(200)).await;
    let mut quiet = replica.open("/updates?conference=quiet").await;
    let mut pinged = replica.open("/updates?conference=quiet&ping=true").await;
    quiet.until("its start", |stream| !stream.id().is_empty()).await;
    let before = quiet.id();
    wall.post("busy", "1");
    quiet.until("a moved id", |stream| stream.id() != before).await;
    assert!(quiet.events.is_empty());
    pinged.until("a ping", |stream| !stream.named("ping").is_empty()).await;
    assert_eq!(pinged.events[0].kind, "ping");
}

#[actix_web::test]
async fn a_conference_with_likes_but_no_posts_keeps_its_id_moving_and_its_pings_coming() {
    let wall = Wall::new().await;
    let replica = wall.replica_with(|config| config.stream.heartbeat = Duration::from_millis(300)).await;
    let mut liked = replica.open("/updates?conference=liked&ping=true").await;
    liked.until("its start", |stream| !stream.id().is_empty()).await;
    let start = liked.id();
    // Counts come far more often than heartbeats, and every one is bytes.
    for count in 1..=30 {
        wall.post("busy", &count.to_string());
        wall.count("liked", "1", count);
        let seen = |stream: &crate::wall::Stream| {
            stream.named("tweetLikes").last().is_some_and(|event| event["counts"][0]["count"] == count)
        };
        liked.until("the count", seen).await;
    }
    let pings = liked.named("ping").len();
    assert!(pings > 0 && liked.id() != start, "{pings} pings, from {start} to {}", liked.id());
}

#[actix_web::test]
async fn an_unreadable_record_is_skipped_and_what_follows_is_shown() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut stream = replica.open("/updates").await;
    for value in [&b"not json"[..], b"{\"tweetId\":\"\xff\"}", b"{\"tweetId\":\"a b\",\"tagFilter\":\"rustconf\"}", b""]
    {
        wall.write(Topic::Tweets, "rustconf", "rustconf", value);
        wall.write(Topic::TweetLikeCounts, "rustconf", "rustconf/1", value);
        wall.write(Topic::TweetAnalytics, "rustconf", "rustconf", value);
    }
    // In a partition that is not its conference's.
    let of = |name: &str| partition_of(&Conference::parse(name).unwrap(), PARTITIONS);
    let elsewhere = (0..100).map(|n| format!("c{n}")).find(|name| of(name) != of("rustconf")).unwrap();
    wall.write(Topic::Tweets, &elsewhere, "rustconf", &tweet("rustconf", "misplaced").to_json());
    wall.post("rustconf", "1");
    stream.until_tweets(&["1"]).await;
    // The same for a replica that finds them at its start, and for a resume over them.
    let start = replica.open("/updates").await;
    drop(start);
    let second = wall.replica().await;
    assert_eq!(second.get("/tweets").await.1["tweets"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn tweets_gives_the_newest_posts_and_the_id_to_go_on_from() {
    let wall = Wall::new().await;
    for id in 0..5 {
        wall.post("rustconf", &id.to_string());
    }
    wall.post("other", "x");
    wall.count("rustconf", "4", 7);
    let replica = wall.replica().await;
    let (status, body) = replica.get("/tweets?conference=rustconf&limit=3").await;
    assert_eq!(status, 200);
    let ids: Vec<_> =
        body["tweets"].as_array().unwrap().iter().map(|tweet| tweet["tweetId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["4", "3", "2"]);
    assert_eq!(body["counts"], serde_json::json!([{"tweetId": "4", "conference": "rustconf", "count": 7}]));
    wall.post("rustconf", "5");
    let id = body["lastEventId"].as_str().unwrap();
    let mut stream = replica.open(&format!("/updates?conference=rustconf&lastEventId={id}")).await;
    stream.until_tweets(&["5"]).await;
}

#[actix_web::test]
async fn a_bad_parameter_is_refused_by_name() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let many: Vec<String> = (0..17).map(|n| format!("c{n}")).collect();
    for (target, field) in [
        ("/updates?conference=a%20b".to_owned(), "conference"),
        (format!("/updates?conference={}", many.join(",")), "conference"),
        ("/updates?escape=xml".to_owned(), "escape"),
        ("/updates?ping=maybe".to_owned(), "ping"),
        ("/tweets?limit=0".to_owned(), "limit"),
        ("/tweets?limit=many".to_owned(), "limit"),
    ] {
        let (status, problem) = replica.get(&target).await;
        assert_eq!((status, problem["field"].as_str()), (400, Some(field)), "{target}: {problem}");
    }
    assert_eq!(replica.get("/no/such/path").await.0, 404);
}

#[actix_web::test]
async fn over_a_limit_a_viewer_is_told_when_to_come_again() {
    let wall = Wall::new().await;
    let replica = wall.replica_with(|config| config.stream.max_viewers = 1).await;
    let mut first = replica.open("/updates").await;
    first.until("its start", |stream| !stream.retries.is_empty()).await;
    let mut second = replica.open("/updates").await;
    second.until_end().await;
    assert!(second.retries[0] >= Duration::from_secs(5) && second.events.is_empty());
    // A place is free again once a viewer has gone.
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let mut third = replica.open("/updates").await;
        third.until("an answer", |stream| !stream.retries.is_empty()).await;
        if !third.id().is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "the place of a viewer that went is never free");
    }
}

#[actix_web::test]
async fn over_the_limit_of_filters_a_viewer_is_told_when_to_come_again_and_others_are_served() {
    let wall = Wall::new().await;
    let replica = wall.replica_with(|config| config.stream.max_filters = 1).await;
    let mut first = replica.open("/updates?conference=a").await;
    first.until("its start", |stream| !stream.retries.is_empty()).await;
    let mut other = replica.open("/updates?conference=b").await;
    other.until_end().await;
    assert!(other.retries.last().unwrap() >= &Duration::from_secs(5), "{:?}", other.retries);
    let mut same = replica.open("/updates?conference=a").await;
    wall.post("a", "1");
    same.until_tweets(&["1"]).await;
}

#[actix_web::test]
async fn each_address_has_its_limit_and_behind_a_trusted_proxy_it_is_the_client_s() {
    let wall = Wall::new().await;
    let limited = wall.replica_with(|config| config.stream.max_viewers_per_address = 1).await;
    let trusting = wall
        .replica_with(|config| {
            config.stream.max_viewers_per_address = 1;
            config.stream.trusted_proxies = vec!["127.0.0.0/8".into()];
        })
        .await;
    let is_served = async |replica: &crate::wall::Replica, forwarded: &str| {
        let mut wire = Wire::to(replica.address);
        wire.send(&format!("GET /updates HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {forwarded}\r\n\r\n"));
        wire.until("an answer", |text| text.contains("retry: ") && text.ends_with("\n\n")).await;
        let served = wire.text().contains("\nid: ");
        (wire, served)
    };
    let (_one, first) = is_served(&limited, "192.0.2.1").await;
    let (_two, second) = is_served(&limited, "192.0.2.2").await;
    assert!(first && !second, "a stranger cannot choose its address");
    let mut open = Vec::new();
    for (forwarded, expected) in [
        ("192.0.2.1", true),
        ("192.0.2.2:4711", true),
        ("\u{e9}, 192.0.2.2", false),
        ("198.51.100.9, 192.0.2.1", false),
        ("192.0.2.3", true),
    ] {
        let (wire, served) = is_served(&trusting, forwarded).await;
        assert_eq!(served, expected, "{forwarded}");
        open.push(wire);
    }
}

#[actix_web::test]
async fn on_drain_every_stream_gets_a_retry_and_a_close_spread_over_the_time() {
    let wall = Wall::new().await;
    let replica = wall.replica().await;
    let mut streams = Vec::new();
    for _ in 0..12 {
        let mut stream = replica.open("/updates").await;
        stream.until("its start", |stream| !stream.retries.is_empty()).await;
        streams.push(stream);
    }
    let began = Instant::now();
    replica.shutdown.begin();
    let ends = futures_util::future::join_all(streams.into_iter().map(async |mut stream| {
        stream.until_end().await;
        assert_eq!(stream.retries.len(), 2, "a last retry before the close");
        began.elapsed()
    }))
    .await;
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    assert!(last.saturating_sub(*first) > Duration::from_millis(200), "closed all at once: {ends:?}");
    assert!(*last < Duration::from_secs(3), "over the drain time: {ends:?}");
    replica.ended().await.unwrap();
}
