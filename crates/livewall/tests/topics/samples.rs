//! `livewall samples`: the generator as a client of its own.

use crate::{
    command::{PATIENCE, Running, SOON, eventually, run_with},
    wall::{get, origin},
};

const TOKEN: (&str, &str) = ("LIVEWALL_WEBHOOK__TOKEN", "a token of the tests");

fn empty_wall() -> (Running, String) {
    let mut wall = Running::start(&["--listen", "127.0.0.1:0", "--no-samples"], &[TOKEN]);
    let origin = origin(&mut wall);
    (wall, origin)
}

fn tweet_count(origin: &str) -> u64 {
    let count = |conference| {
        get(&format!("{origin}/analytics/{conference}")).map_or(0, |result| result["tweetCount"].as_u64().unwrap_or(0))
    };
    count("rustconf") + count("streamdays")
}

#[test]
fn samples_go_on_for_as_long_as_they_are_told() {
    let (wall, origin) = empty_wall();
    // It waits for a wall that is not ready yet.
    let ended = run_with(&["samples", "--to", &origin, "--rate", "50", "--for", "2s"], &[TOKEN]);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{ended:?}");
    eventually("all posts are counted", || tweet_count(&origin) > 30);
    wall.signal("-INT");
    assert_eq!(wall.ends_within(SOON).code, Some(0));
}

#[test]
fn samples_end_in_order_at_a_signal() {
    let (wall, origin) = empty_wall();
    let samples = Running::start(&["samples", "--to", &format!("{origin}/"), "--rate", "20"], &[TOKEN]);
    eventually("posts arrive", || tweet_count(&origin) > 12);
    samples.signal("-TERM");
    let ended = samples.ends_within(SOON);
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{ended:?}");
    wall.signal("-INT");
    assert_eq!(wall.ends_within(SOON).code, Some(0));
}

#[test]
fn a_wrong_token_is_one_line() {
    let (wall, origin) = empty_wall();
    let ended = run_with(&["samples", "--to", &origin, "--token", "another"], &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.starts_with("livewall: posts are refused: 401"), "{}", ended.errors);
    assert_eq!(ended.errors.trim().lines().count(), 1, "{}", ended.errors);
    wall.signal("-INT");
    assert_eq!(wall.ends_within(PATIENCE).code, Some(0));
}
