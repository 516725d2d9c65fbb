//! The oracle judges the core; here it is judged itself, by numbers worked out by hand from the meaning.
//!
//! The core is asked the same, so that these are also the plainest examples of what it does.

use crate::{
    logs::{Line, Log, Says, Setting, Size},
    oracle::{self, Newest, Ranked, Totals, Window},
    run::{self, Step},
};

/// Tumbling windows of 10 s, hopping ones of 12 s every 5 s; 2 s of grace; a tweet takes likes for 100 s.
fn setting() -> Setting {
    let sizes = vec![Size { size: 10_000, advance: 10_000 }, Size { size: 12_000, advance: 5_000 }];
    Setting { sizes, grace: 2_000, like_period: 100_000 }
}

fn line(tweet: &str, time: i64, says: Says) -> Line {
    Line { conference: "c".into(), tweet: tweet.into(), told: Some(time), appended: time, says }
}

fn posted(tweet: &str, time: i64, author: &str, hashtag: &str) -> Line {
    line(tweet, time, Says::Posted { author: author.into(), text: format!("text of {tweet}"), hashtag: hashtag.into() })
}

fn likes(visitor: &str, tweet: &str, time: i64) -> Line {
    line(tweet, time, Says::Likes { visitor: visitor.into(), liked: true })
}

fn unlikes(visitor: &str, tweet: &str, time: i64) -> Line {
    line(tweet, time, Says::Likes { visitor: visitor.into(), liked: false })
}

/// Of the conference `c`.
fn results(lines: &[Line]) -> Totals {
    let log = Log { setting: setting(), lines: lines.to_vec() };
    let mut answer = oracle::answer(&log.setting, &log.lines, run::LISTED);
    assert_eq!(run::straight_through(&log), answer);
    answer.remove("c").unwrap()
}

fn ranked(entries: &[(&str, usize)]) -> Ranked {
    entries.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn window<'a>(totals: &'a Totals, size: &str, start: i64) -> &'a Window {
    &totals.windows[&(size.to_owned(), start)]
}

fn starts(totals: &Totals, size: &str) -> Vec<i64> {
    totals.windows.keys().filter(|(name, _)| name == size).map(|(_, start)| *start).collect()
}

#[test]
fn a_like_counts_in_every_window_that_contains_its_time() {
    let totals = results(&[likes("u", "1", 11_000)]);
    assert_eq!(starts(&totals, "10s"), [10_000]);
    assert_eq!(starts(&totals, "12s"), [0, 5_000, 10_000], "up to 12,000, 17,000 and 22,000");
    let expected = Window {
        end: 17_000,
        likes_final: false,
        tweets_final: false,
        likes: 1,
        tweets: 0,
        top: ranked(&[("1", 1)]),
        hashtags: ranked(&[]),
    };
    assert_eq!(*window(&totals, "12s", 5_000), expected);
    assert_eq!(totals.newest["12s"], Newest { start: 10_000, end: 22_000, top: ranked(&[("1", 1)]) });
}

#[test]
fn the_end_of_a_window_belongs_to_the_next_and_time_before_the_epoch_has_windows_too() {
    let totals = results(&[likes("u", "1", -1), likes("v", "1", 0), likes("w", "1", 10_000)]);
    assert_eq!(starts(&totals, "10s"), [-10_000, 0, 10_000]);
    assert_eq!(starts(&totals, "12s"), [-10_000, -5_000, 0, 5_000, 10_000]);
    assert_eq!(window(&totals, "12s", -5_000).likes, 2, "up to 7,000");
    assert_eq!(window(&totals, "12s", 0).likes, 2, "up to 12,000");
    assert_eq!(totals.per_minute, [(-60_000, 0, 1), (0, 0, 2)]);
    assert_eq!(results(&[likes("u", "1", -1)]).newest["12s"].start, -5_000);
}

#[test]
fn a_window_closes_when_stream_time_reaches_its_end_and_grace() {
    let totals = results(&[likes("u", "1", 11_999), likes("v", "1", 9_000)]);
    assert_eq!(window(&totals, "10s", 0).likes, 1);
    assert!(!window(&totals, "10s", 0).likes_final);
    assert!(totals.late.is_empty());

    let totals = results(&[likes("u", "1", 5_000), likes("u", "2", 12_000), likes("v", "1", 9_000)]);
    let closed = window(&totals, "10s", 0);
    assert_eq!((closed.likes, closed.likes_final, closed.tweets_final), (1, true, false));
    assert_eq!(
        totals.late,
        [("10s".to_owned(), 1)].into(),
        "of 12 s, those from 0 and 5,000 are open until 14,000 and 19,000"
    );
    assert_eq!(totals.likes, 3, "the like itself stands");
    assert_eq!(totals.likes_time, Some(12_000));
}

#[test]
fn a_window_that_was_closed_before_its_first_like_does_not_exist() {
    let totals = results(&[likes("u", "1", 50_000), likes("v", "1", 9_000)]);
    assert_eq!(starts(&totals, "10s"), [50_000]);
    assert_eq!(totals.late, [("10s".to_owned(), 1), ("12s".to_owned(), 2)].into(), "of 12 s, from 0 and from 5,000");
}

#[test]
fn a_like_that_is_taken_back_leaves_open_windows_only() {
    // At 18,000 what ends by 16,000 is closed: of 10 s that from 0, of 12 s those from -5,000 and 0.
    let totals = results(&[likes("u", "1", 6_000), unlikes("u", "1", 18_000)]);
    assert_eq!(window(&totals, "10s", 0).top, ranked(&[("1", 1)]));
    assert_eq!(window(&totals, "12s", -5_000).likes, 1);
    assert_eq!(window(&totals, "12s", 0).likes, 1);
    let left = window(&totals, "12s", 5_000);
    assert_eq!((left.likes, left.likes_final, left.top.len()), (0, false, 0), "it stays, as a window without likes");
    assert_eq!(totals.after_close, [("10s".to_owned(), 1), ("12s".to_owned(), 2)].into());
    assert_eq!((totals.likes, totals.counts.len(), totals.top.len()), (0, 0, 0));
    assert!(totals.per_minute.is_empty(), "the minute is open");
}

#[test]
fn whether_a_like_is_taken_back_after_close_is_a_question_of_stream_time() {
    let totals = results(&[likes("u", "1", 5_000), likes("u", "2", 12_000), unlikes("u", "1", 6_000)]);
    // At 12,000 that from 0 up to 10,000 has just closed, and of 12 s that from -5,000.
    assert_eq!(totals.after_close, [("10s".to_owned(), 1), ("12s".to_owned(), 1)].into());
    assert_eq!((window(&totals, "10s", 0).likes, window(&totals, "12s", 0).likes), (1, 0));
}

#[test]
fn late_is_counted_once_for_each_window_that_contains_the_like() {
    let totals = results(&[likes("u", "1", 90_000), likes("v", "1", 20_000)]);
    assert_eq!(totals.late, [("10s".to_owned(), 1), ("12s".to_owned(), 3)].into(), "of 12 s, from 10, 15 and 20 s");
}

#[test]
fn a_tweet_that_comes_as_its_window_closes_is_not_in_it() {
    let totals = results(&[posted("1", 12_000, "ann", "rust"), posted("2", 9_000, "ann", "rust")]);
    assert_eq!(starts(&totals, "10s"), [10_000]);
    assert_eq!(totals.tweets, 2);
}

#[test]
fn a_like_that_came_too_late_is_not_after_close_when_it_is_taken_back() {
    let totals = results(&[likes("u", "1", 50_000), likes("v", "1", 9_000), unlikes("v", "1", 9_000)]);
    assert_eq!(totals.late, [("10s".to_owned(), 1), ("12s".to_owned(), 2)].into());
    assert!(totals.after_close.is_empty());
}

#[test]
fn a_like_counts_since_the_record_that_made_it() {
    let repeated = [likes("u", "1", 3_000), likes("u", "1", 11_000)];
    assert_eq!(starts(&results(&repeated), "10s"), [0]);
    let again = [likes("u", "1", 3_000), unlikes("u", "1", 4_000), likes("u", "1", 11_000)];
    let totals = results(&again);
    assert_eq!((window(&totals, "10s", 0).likes, window(&totals, "10s", 10_000).likes), (0, 1));
}

#[test]
fn a_tweet_stops_taking_likes_one_period_after_its_first_and_keeps_its_count() {
    let totals = results(&[
        unlikes("u", "1", 1_000),
        likes("u", "1", 4_000),
        likes("v", "1", 103_999),
        likes("w", "2", 104_000),
        likes("w", "1", 90_000),
        unlikes("v", "1", 104_000),
        likes("u", "1", 130_000),
    ]);
    assert_eq!(totals.late, [("closed".to_owned(), 3)].into());
    assert_eq!(totals.counts, [("1".to_owned(), 2), ("2".to_owned(), 1)].into());
    assert_eq!(totals.likes_time, Some(130_000), "a record that changes nothing still moves the stream time");
    let kept = window(&totals, "10s", 100_000);
    assert_eq!((kept.likes, kept.likes_final), (2, true));
}

#[test]
fn one_wrong_clock_carries_nobody_into_the_future() {
    let totals = results(&[Line { told: Some(10_000_000), ..likes("u", "1", 5_000) }]);
    assert_eq!(totals.likes_time, Some(6_000));
    let totals = results(&[Line { told: None, ..likes("u", "1", 5_000) }]);
    assert_eq!(totals.likes_time, Some(5_000));
}

#[test]
fn tweets_and_their_hashtags_count_once_and_by_their_own_stream_time() {
    let totals = results(&[
        posted("1", 1_000, "ann", "Rust"),
        posted("2", 2_000, "bob", "kafka"),
        posted("3", 3_000, "", "RUST"),
        posted("1", 4_000, "eve", "zig"),
        posted("4", 5_000, "bob", ""),
        likes("u", "9", 80_000),
        posted("5", 12_500, "ann", "ada"),
        posted("6", 6_000, "ann", "ada"),
    ]);
    assert_eq!((totals.tweets, totals.authors), (6, 2));
    assert_eq!(totals.hashtags, ranked(&[("ada", 2), ("rust", 2), ("kafka", 1)]));
    let first = window(&totals, "10s", 0);
    assert_eq!((first.tweets, first.tweets_final, first.likes_final), (4, true, true), "6 came too late");
    assert_eq!(first.hashtags, ranked(&[("rust", 2), ("kafka", 1)]));
    assert_eq!(window(&totals, "10s", 10_000).tweets, 1);
    assert_eq!(totals.tweets_time, Some(12_500));
    assert_eq!(totals.per_minute, [(0, 6, 0), (60_000, 0, 1)], "the minute is open until 62,000");
    assert!(totals.late.is_empty(), "late are likes");
}

#[test]
fn minutes_show_the_last_hour_of_each_topic() {
    let minute = 60_000;
    let totals = results(&[
        likes("u", "1", 0),
        likes("u", "2", minute),
        posted("1", minute, "ann", ""),
        likes("u", "3", 60 * minute + 1),
        posted("2", 61 * minute, "ann", ""),
        likes("v", "3", 59 * minute),
        unlikes("u", "2", 61 * minute),
    ]);
    // Likes from minute 2 on, posts as well. The like of minute 59 came when that was open: until 60 minutes and 2 s.
    assert_eq!(totals.per_minute, [(59 * minute, 0, 1), (60 * minute, 0, 1), (61 * minute, 1, 0)]);
    let totals = results(&[likes("u", "1", 0), likes("u", "2", 59 * minute + 59_999)]);
    assert_eq!(totals.per_minute, [(0, 0, 1), (59 * minute, 0, 1)]);
}

#[test]
fn a_tie_goes_by_bytes_and_a_list_has_an_end() {
    let totals = results(&[
        likes("u", "a", 1_000),
        likes("u", "9", 1_000),
        likes("u", "10", 1_000),
        likes("u", "B", 1_000),
        likes("v", "a", 1_000),
    ]);
    assert_eq!(totals.top, ranked(&[("a", 2), ("10", 1), ("9", 1)]));
    assert_eq!(window(&totals, "10s", 0).top, totals.top);
}

#[test]
fn an_entry_has_the_text_and_author_of_a_tweet_that_is_known() {
    let log = Log {
        setting: setting(),
        lines: vec![posted("1", 1_000, "ann", ""), posted("1", 1_000, "eve", ""), likes("u", "1", 2_000)],
    };
    let steps = [Step::Process(2), Step::Commit, Step::Restart];
    let shown = run::shown_at_the_end(&log, &steps);
    assert_eq!(shown[&("c".into(), "1".into())], ("text of 1".into(), "ann".into()));
}
