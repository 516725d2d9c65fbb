//! What is sent: another log for each seed, with clocks that are wrong and records that nobody can read.

use contracts::{Conference, Topic, partition_of};

use crate::{
    logs::{Line, Says},
    plan::Random,
    wall::{PARTITIONS, Wall},
};

/// 2020-01-01: long past, so that the broker believes what is told.
const BEGIN: i64 = 1_577_836_800_000;
/// Between lines, as they tell it: windows open and close in a few seconds of a fight.
const BETWEEN_LINES: i64 = 300;
/// The conference whose clocks are wrong, of whose time the broker's clock is therefore a part.
const DRIFTING: &str = "drifting";
/// Conferences whose lines tell their time, up to a minute out of order.
const CONFERENCES: u64 = 5;

/// Goes on for ever.
pub(crate) struct Input {
    random: Random,
    at: u64,
    /// Lines that were sent, for [`Self::repeat`].
    lines: Vec<Line>,
}

impl Input {
    pub(crate) fn new(random: Random) -> Self {
        Self { random, at: 0, lines: Vec::new() }
    }

    /// Sends some more.
    pub(crate) fn send(&mut self, wall: &Wall, count: usize) {
        let lines: Vec<Line> = (0..count).map(|_| self.line()).collect();
        wall.send(&lines);
        self.lines.extend(lines);
        if self.below(3) == 0 {
            self.poison(wall);
        }
    }

    /// Sends again the last word of everything: a state that lacks a tweet, a like or its withdrawal shows it then.
    pub(crate) fn repeat(&mut self, wall: &Wall) {
        let mut said = std::collections::BTreeMap::new();
        for line in &self.lines {
            let visitor = match &line.says {
                Says::Posted { .. } => None,
                Says::Likes { visitor, .. } => Some(visitor.as_str()),
            };
            said.insert((line.conference.as_str(), line.tweet.as_str(), visitor), line);
        }
        let again: Vec<Line> = said.into_values().cloned().collect();
        wall.send(&again);
        self.lines.extend(again);
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random.below(end)
    }

    fn line(&mut self) -> Line {
        self.at += 1;
        // New tweets come all the time, old ones stop taking likes.
        let oldest = self.at / 25;
        let (tweet, says) = if self.below(8) == 0 {
            let text = "x".repeat(self.below(200).try_into().unwrap());
            let (author, hashtag) = (format!("author{}", self.below(300)), format!("Tag{}", self.below(40)));
            (oldest + self.below(600), Says::Posted { author, text, hashtag })
        } else {
            (
                oldest + self.below(400),
                Says::Likes { visitor: format!("visitor{}", self.below(50)), liked: self.below(5) > 0 },
            )
        };
        let now = BEGIN + i64::try_from(self.at).unwrap() * BETWEEN_LINES;
        let late = i64::try_from(self.below(60_000)).unwrap();
        let (conference, told) = match self.below(12) {
            0 => (DRIFTING.to_owned(), self.wrong_clock()),
            _ => (format!("conf{}", self.below(CONFERENCES)), Some(now - late)),
        };
        Line { conference, tweet: tweet.to_string(), told, appended: now, says }
    }

    fn wrong_clock(&mut self) -> Option<i64> {
        let now = clock();
        let some = |below: u64, random: &mut Random| i64::try_from(random.below(below)).unwrap();
        match self.below(10) {
            0..3 => None,
            // Ahead, by more than is believed.
            3..5 => Some(now + 2_000 + some(100_000_000, &mut self.random)),
            5..7 => Some(now - some(7_200_000, &mut self.random)),
            7 => Some(0),
            _ => Some(now),
        }
    }

    fn poison(&mut self, wall: &Wall) {
        let partition = i32::try_from(self.below(4)).unwrap();
        let home = |conference: &str| partition_of(&Conference::parse(conference).unwrap(), PARTITIONS);
        let topic = if self.below(2) == 0 { Topic::Tweets } else { Topic::TweetLikes };
        match self.below(3) {
            0 => wall.poison(topic, partition, format!("{{not json {}", self.at).as_bytes()),
            1 => {
                let value = format!(r#"{{"tweetId":"{}","conference":"conf0","liked":true}}"#, self.at);
                wall.poison(Topic::TweetLikes, home("conf0"), value.as_bytes());
            }
            _ => {
                let value = format!(r#"{{"tweetId":"{}","tagFilter":"conf1"}}"#, self.at);
                wall.poison(Topic::Tweets, (home("conf1") + 1) % PARTITIONS, value.as_bytes());
            }
        }
    }
}

fn clock() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
