//! Random logs: few names, so that repeats, ties, unlikes and unknown tweets are common, and windows shorter than the
//! log, so that they open and close in it.

use proptest::prelude::*;

/// A log of both topics in one of the orders in which a task may meet them, and the windows it is counted in.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) setting: Setting,
    pub(crate) lines: Vec<Line>,
}

/// All in milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) sizes: Vec<Size>,
    pub(crate) grace: i64,
    pub(crate) like_period: i64,
}

/// Windows of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) size: i64,
    pub(crate) advance: i64,
}

/// One record, in plain words.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) conference: String,
    pub(crate) tweet: String,
    /// What its producer says, in milliseconds.
    pub(crate) told: Option<i64>,
    /// When the broker took it.
    pub(crate) appended: i64,
    pub(crate) says: Says,
}

#[derive(Debug, Clone)]
pub(crate) enum Says {
    Posted { author: String, text: String, hashtag: String },
    Likes { visitor: String, liked: bool },
}

/// What a producer's clock says.
#[derive(Debug, Clone, Copy)]
enum Clock {
    None,
    /// So long after the broker's.
    Off(i64),
    /// It stands still.
    At(i64),
}

/// 2026-11-22T15:04:00Z.
const TODAY: i64 = 1_795_359_840_000;

/// A day after the first moment that has a name on the wire.
const YEAR_ONE: i64 = -62_135_510_400_000;

/// Some logs last minutes, with windows of seconds, others hours, with windows of minutes. In some all times are whole
/// seconds, so that they often fall on the very moment at which something closes.
pub(crate) fn any_log() -> impl Strategy<Value = Log> {
    let scale = prop_oneof![3 => Just(1), 1 => Just(30)];
    let grid = prop::sample::select(vec![1000, 1]);
    let base = prop::sample::select(vec![0, TODAY]);
    let few = vec!["rustconf", "rustconf", "rustconf", "a"];
    let many = vec!["rustconf", "a", "b", "c", "d", "e", "f", "g", "1", "1.1", "~", "kafkaconf"];
    let names = prop_oneof![4 => Just(few), 1 => Just(many)];
    (scale, grid, base, names).prop_flat_map(|(scale, grid, base, names)| {
        let lines = prop::collection::vec(any_line(scale, names), 0..120);
        let on_grid = move |time: i64| time.div_euclid(grid) * grid;
        (any_setting(scale), lines).prop_map(move |(mut setting, lines)| {
            setting.grace = on_grid(setting.grace);
            let mut appended = base;
            let timed = lines.into_iter().map(|(gap, clock, line)| {
                appended += on_grid(gap);
                let told = match clock {
                    Clock::None => None,
                    Clock::Off(by) => Some(appended + on_grid(by)),
                    Clock::At(time) => Some(on_grid(time)),
                };
                Line { told, appended, ..line }
            });
            Log { lines: timed.collect(), setting }
        })
    })
}

fn any_setting(scale: i64) -> impl Strategy<Value = Setting> {
    // Advances that divide the size and ones that do not, one of a twelfth, and a size that is a minute's.
    let sizes = vec![(10, 10), (12, 5), (24, 2), (20, 10), (60, 60)];
    let sizes = prop::sample::subsequence(sizes, 1..=3);
    let grace = prop_oneof![2 => Just(0), 5 => 1..=5_000_i64, 1 => Just(90_000)];
    let like_period = prop::sample::select(vec![40_000_i64, 15_000, 100_000, 100_000]);
    (sizes, grace, like_period).prop_map(move |(sizes, grace, like_period)| Setting {
        sizes: sizes
            .into_iter()
            .map(|(size, advance)| Size { size: size * 1000 * scale, advance: advance * 1000 * scale })
            .collect(),
        grace: grace * scale,
        like_period: like_period * scale,
    })
}

fn any_line(scale: i64, names: Vec<&'static str>) -> impl Strategy<Value = (i64, Clock, Line)> {
    // Ids whose order by bytes is neither that of numbers nor that of letters.
    let liked_tweet = prop::sample::select(vec!["1", "10", "9", "A", "a", "never posted"]);
    let tweet = prop::sample::select(vec!["1", "10", "9", "A", "a", "~", "_", "aa", "b", "c", "d", "e", "f", "g"]);
    let says = prop_oneof![
        2 => (tweet, any_post()),
        5 => (liked_tweet, any_liking()),
    ];
    let conference = prop::sample::select(names);
    let gap = prop_oneof![10 => 0..2_000_i64, 3 => 2_000..15_000_i64, 1 => 15_000..90_000_i64];
    let clock = prop_oneof![
        7 => (-8_000..=1_500_i64).prop_map(move |by| Clock::Off(by * scale)),
        4 => (-90_000..-8_000_i64).prop_map(move |by| Clock::Off(by * scale)),
        2 => Just(Clock::None),
        1 => (1_000..10_000_000_i64).prop_map(Clock::Off),
        1 => (-1_000_000..=0_i64).prop_map(Clock::At),
    ];
    // A clock that was never set, and rarely: each throws a conference that had no record yet far into the past.
    let clock = prop_oneof![60 => clock, 1 => prop::sample::select(vec![0, YEAR_ONE]).prop_map(Clock::At)];
    (gap, clock, conference, says).prop_map(move |(gap, clock, conference, (tweet, says))| {
        let line = Line { conference: conference.into(), tweet: tweet.into(), told: None, appended: 0, says };
        (gap * scale, clock, line)
    })
}

fn any_post() -> impl Strategy<Value = Says> {
    let author = prop::sample::select(vec!["ann", "Ann", "bob", "", "a/b"]);
    let hashtag = prop::sample::select(vec!["rust", "Rust", "RUST", "", "kafka", "été", "ÉTÉ", "B", "z"]);
    // The first hundred characters count.
    let long = ("É{100}", "[xy]").prop_map(|(same, rest)| same + &rest);
    let hashtag = prop_oneof![20 => hashtag.prop_map(str::to_owned), 1 => long];
    (author, "[a-z &<\"]{0,12}", hashtag).prop_map(|(author, text, hashtag)| Says::Posted {
        author: author.into(),
        text,
        hashtag,
    })
}

fn any_liking() -> impl Strategy<Value = Says> {
    ("[uvw]", prop::bool::weighted(0.6)).prop_map(|(visitor, liked)| Says::Likes { visitor, liked })
}

/// The same records of each topic in the same order, but the topics otherwise mixed.
pub(crate) fn interleaved_anew(lines: &[Line], seed: u64) -> Vec<Line> {
    let posts = lines.iter().filter(|line| matches!(line.says, Says::Posted { .. }));
    let likes = lines.iter().filter(|line| matches!(line.says, Says::Likes { .. }));
    let (mut posts, mut likes) = (posts.peekable(), likes.peekable());
    let mut random = seed | 1;
    let mut mixed = Vec::new();
    while posts.peek().is_some() || likes.peek().is_some() {
        random = next_random(random);
        let first = if random & 64 == 0 { posts.next() } else { likes.next() };
        mixed.extend(first.cloned());
    }
    mixed
}

/// Many tweets, authors and visitors, and windows of minutes.
pub(crate) fn large_log(lines: usize) -> Log {
    log_of(lines, 5)
}

/// The same, of so many conferences.
pub(crate) fn log_of(lines: usize, conferences: u64) -> Log {
    let minutes = |size: i64, advance: i64| Size { size: size * 60_000, advance: advance * 60_000 };
    let sizes = vec![minutes(5, 5), minutes(60, 60), minutes(10, 1)];
    let setting = Setting { sizes, grace: 10_000, like_period: 45 * 60_000 };
    let mut random = 88_172_645_463_325_252;
    let mut next = |below: u64| {
        random = next_random(random);
        random % below
    };
    let lines = (0..lines)
        .map(|at| {
            // New tweets come all the time, old ones stop taking likes.
            let oldest = u64::try_from(at).unwrap() / 25;
            let (tweet, says) = if next(8) == 0 {
                let text = "x".repeat(next(200).try_into().unwrap());
                let says =
                    Says::Posted { author: format!("author{}", next(300)), text, hashtag: format!("Tag{}", next(40)) };
                (oldest + next(600), says)
            } else {
                (oldest + next(400), Says::Likes { visitor: format!("visitor{}", next(50)), liked: next(5) > 0 })
            };
            let appended = TODAY + i64::try_from(at).unwrap() * 300;
            Line {
                conference: format!("conf{}", next(conferences)),
                tweet: tweet.to_string(),
                told: Some(appended - i64::try_from(next(60_000)).unwrap()),
                appended,
                says,
            }
        })
        .collect();
    Log { setting, lines }
}

/// Xorshift, so that a failing seed fails again.
fn next_random(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}
