//! Random logs: few names, so that repeats, ties, unlikes and unknown tweets are common.

use proptest::prelude::*;

/// A log of both topics in one of the orders in which a task may meet them.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) lines: Vec<Line>,
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
    Posted { author: String, text: String },
    Likes { visitor: String, liked: bool },
}

pub(crate) fn any_log() -> impl Strategy<Value = Log> {
    prop::collection::vec(any_line(), 0..120).prop_map(|lines| Log { lines })
}

fn any_line() -> impl Strategy<Value = Line> {
    let says = prop_oneof![
        2 => (any_author(), "[a-z &<\"]{0,12}").prop_map(|(author, text)| Says::Posted { author, text }),
        5 => ("[uvwxyz]", prop::bool::weighted(0.7)).prop_map(|(visitor, liked)| Says::Likes { visitor, liked }),
    ];
    // Ids whose order by bytes is neither that of numbers nor that of letters.
    let tweet = prop::sample::select(vec!["1", "10", "9", "A", "a", "~", "_", "aa"]);
    let conference = prop::sample::select(vec!["rustconf", "devoxx", "a"]);
    let told = prop::option::weighted(0.9, -5_000_i64..20_000);
    (conference, tweet, told, 0_i64..10_000, says).prop_map(|(conference, tweet, told, appended, says)| Line {
        conference: conference.into(),
        tweet: tweet.into(),
        told,
        appended,
        says,
    })
}

fn any_author() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["ann", "Ann", "bob", "", "a/b"]).prop_map(String::from)
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

/// Many tweets, authors and visitors.
pub(crate) fn large_log(lines: usize) -> Log {
    let mut random = 88_172_645_463_325_252;
    let mut next = |below: u64| {
        random = next_random(random);
        random % below
    };
    let lines = (0..lines)
        .map(|at| {
            let says = if next(8) == 0 {
                Says::Posted { author: format!("author{}", next(300)), text: "x".repeat(next(200).try_into().unwrap()) }
            } else {
                Says::Likes { visitor: format!("visitor{}", next(500)), liked: next(5) > 0 }
            };
            let appended = i64::try_from(at).unwrap() * 10;
            Line {
                conference: format!("conf{}", next(5)),
                tweet: next(400).to_string(),
                told: Some(appended - i64::try_from(next(60_000)).unwrap()),
                appended,
                says,
            }
        })
        .collect();
    Log { lines }
}

/// Xorshift, so that a failing seed fails again.
fn next_random(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}
