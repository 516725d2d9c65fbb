//! Records of an older and of a newer schema are read: services of different versions run beside each other.

use contracts::{
    ConferenceAnalytics, LikeCount, MinuteSeries, Record as _, Timestamp, Tweet, TweetAnalytics, TweetLike,
    WindowResult,
};

#[test]
fn a_tweet_is_written_in_the_original_systems_field_names_with_defaults() {
    let tweet = Tweet {
        event_type: Tweet::EVENT_TYPE.into(),
        tweet_id: "1".into(),
        text: "a \"quoted\" <b>\u{1F980}</b>".into(),
        tag_filter: "rustconf".into(),
        created_at: Some(Timestamp::from_millis(1_795_359_840_000)),
        ..Tweet::default()
    };
    assert_eq!(
        String::from_utf8(tweet.to_json()).expect("JSON is UTF-8"),
        "{\"eventType\":\"tweetEvent\",\"tweetId\":\"1\",\"text\":\"a \\\"quoted\\\" <b>\u{1F980}</b>\",\"author\":\"\",\
         \"hashtag\":\"\",\"createdAt\":\"2026-11-22T15:04:00.000Z\",\"language\":\"\",\"tagFilter\":\"rustconf\",\
         \"isARetweet\":false,\"originalTweetId\":\"\"}"
    );
}

#[test]
fn a_count_of_zero_is_written_as_a_number() {
    let count = LikeCount { tweet_id: "1".into(), conference: "rustconf".into(), count: 0 };
    assert_eq!(count.to_json(), br#"{"tweetId":"1","conference":"rustconf","count":0}"#);
}

#[test]
fn a_record_of_an_older_schema_without_the_newer_fields_is_read() {
    let tweet = Tweet::from_json(br#"{"tweetId":"1","tagFilter":"rustconf","text":"old"}"#).expect("older");
    assert_eq!((tweet.text.as_str(), tweet.created_at, tweet.is_a_retweet), ("old", None, false));
}

#[test]
fn a_record_of_a_newer_schema_with_unknown_fields_is_read() {
    let like = TweetLike::from_json(
        br#"{"tweetId":"1","conference":"rustconf","visitorId":"v","liked":true,"at":"2026-11-22T15:04:00.000Z",
            "weight":3,"nested":{"list":[1,{"a":null}]}}"#,
    )
    .expect("newer");
    assert!(like.liked);
    let analytics = ConferenceAnalytics::from_json(
        br#"{"conference":"rustconf","tweetCount":2,"perMinute":[{"start":"2026-11-22T15:04:00.000Z"}],
            "top":{"all":{"nrs":[{"tweetId":"1","count":1,"newField":true}]},"5m":{"final":true,"other":1}}}"#,
    )
    .expect("newer");
    assert_eq!(analytics.top["all"].nrs[0].count, 1);
    assert!(analytics.top["5m"].r#final);
}

#[test]
fn results_from_before_windows_are_read_and_say_nothing_of_them() {
    let old = ConferenceAnalytics::from_json(
        br#"{"conference":"rustconf","tweetsStreamTime":"2026-11-22T15:04:00.000Z","tweetCount":2,"authorCount":1,
            "likeCount":1,"top":{"all":{"final":false,"nrs":[]}}}"#,
    )
    .expect("older");
    assert!(old.per_minute.is_empty() && old.hashtags.is_empty() && old.late.is_empty() && old.after_close.is_empty());
    let old: TweetAnalytics = serde_json::from_str(
        r#"{"eventType":"tweetAnalytics","conference":"rustconf","tweetCount":2,"authorCount":1,"likeCount":1}"#,
    )
    .expect("older");
    assert_eq!((old.tweet_count, old.per_minute, old.hashtags), (2, None, vec![]));
}

#[test]
fn a_window_is_written_with_its_defaults_and_read_without_them() {
    let time = Timestamp::from_millis;
    let window = WindowResult {
        conference: "rustconf".into(),
        size: "5m".into(),
        start: Some(time(0)),
        end: Some(time(300_000)),
        ..WindowResult::default()
    };
    assert_eq!(
        String::from_utf8(window.to_json()).expect("JSON is UTF-8"),
        "{\"conference\":\"rustconf\",\"size\":\"5m\",\"start\":\"1970-01-01T00:00:00.000Z\",\
         \"end\":\"1970-01-01T00:05:00.000Z\",\"likesFinal\":false,\"tweetsFinal\":false,\"final\":false,\"likes\":0,\
         \"tweets\":0,\"nrs\":[],\"hashtags\":[]}"
    );
    assert_eq!(window.key(), "rustconf/5m/1970-01-01T00:00:00.000Z");
    let bare =
        br#"{"conference":"rustconf","size":"5m","start":"1970-01-01T00:00:00Z","end":"1970-01-01T00:05:00Z","new":1}"#;
    assert_eq!(WindowResult::from_json(bare).expect("of any schema"), window);
    for (value, field) in [
        (&br#"{"conference":"rustconf","size":"5m","end":"1970-01-01T00:05:00Z"}"#[..], "start"),
        (br#"{"size":"5m"}"#, "conference"),
    ] {
        let refused = WindowResult::from_json(value).expect_err("outside the rules").to_string();
        assert!(refused.starts_with(field), "{refused}");
    }
}

#[test]
fn minutes_of_the_stream_are_numbers_in_a_row() {
    let series = MinuteSeries { start: Some(Timestamp::from_millis(60_000)), tweets: vec![0, 2], likes: vec![7, 0] };
    let json = serde_json::to_string(&series).expect("generated messages serialize");
    assert_eq!(json, r#"{"start":"1970-01-01T00:01:00.000Z","tweets":[0,2],"likes":[7,0]}"#);
}

#[test]
fn binary_and_json_of_a_message_are_the_same_message() {
    use prost::Message as _;
    let like = TweetLike {
        tweet_id: "1".into(),
        conference: "rustconf".into(),
        visitor_id: "v".into(),
        liked: true,
        at: Some(Timestamp::from_millis(1_795_359_840_123)),
    };
    assert_eq!(TweetLike::from_json(&like.to_json()).expect("own JSON"), like);
    assert_eq!(TweetLike::decode(like.encode_to_vec().as_slice()).expect("own binary"), like);
}

#[test]
fn a_record_outside_the_rules_is_refused_by_field() {
    for (value, field) in [
        (&br#"{"tweetId":"a b","tagFilter":"rustconf"}"#[..], "tweetId"),
        (br#"{"tweetId":"1","tagFilter":"RustConf"}"#, "tagFilter"),
        (br#"{"tweetId":"1"}"#, "tagFilter"),
    ] {
        let refused = Tweet::from_json(value).expect_err("outside the rules").to_string();
        assert!(refused.starts_with(field), "{refused}");
    }
    assert!(Tweet::from_json(b"not json").is_err());
    assert!(Tweet::from_json(b"{\"tweetId\":\"\xff\"}").is_err());
}
