//! Whether every committed result, not only the last one, is true of the input that it says it has seen.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::resume_unwind,
    thread,
};

use contracts::{Record, Topic};
use streams_analytics::results::Results;

use crate::{
    LISTED,
    logs::{self, Line, Setting},
    oracle::{self, Answer},
    published::Published,
    wall::{PARTITIONS, Seen, Wall},
};

/// Checks all results ever committed, under read_committed, once all input is committed. Returns how many there were.
pub(crate) fn check(wall: &Wall) -> usize {
    let committed = read(wall);
    let (results, found) = judge(&committed);
    assert_eq!(found, oracle::answer(&logs::large_log(0).setting, &committed.input(), LISTED));
    results
}

/// Everything that was committed.
pub(crate) struct Committed {
    partitions: Vec<Partition>,
}

struct Partition {
    /// `None`: poison.
    tweets: Vec<Option<Line>>,
    likes: Vec<Option<Line>>,
    counts: Vec<Seen>,
    conferences: Vec<Seen>,
    windows: Vec<Seen>,
}

pub(crate) fn read(wall: &Wall) -> Committed {
    let input = |topic, partition| {
        let sent = wall.sent(topic, partition);
        let seen = of(wall.read(topic), partition);
        assert_eq!(seen.len(), sent.len(), "{topic:?} {partition} has what was sent");
        // When the broker took it decides what is believed of a clock.
        let lines = sent.into_iter().zip(&seen);
        lines.map(|(line, seen)| line.map(|line| Line { appended: seen.timestamp, ..line })).collect()
    };
    let partitions = (0..PARTITIONS).map(|partition| Partition {
        tweets: input(Topic::Tweets, partition),
        likes: input(Topic::TweetLikes, partition),
        counts: of(wall.read(Topic::TweetLikeCounts), partition),
        conferences: of(wall.read(Topic::TweetAnalytics), partition),
        windows: of(wall.read(Topic::TweetWindows), partition),
    });
    Committed { partitions: partitions.collect() }
}

fn of(seen: Vec<Seen>, partition: i32) -> Vec<Seen> {
    seen.into_iter().filter(|seen| seen.partition == partition).collect()
}

impl Committed {
    /// All input, as the broker took it.
    pub(crate) fn input(&self) -> Vec<Line> {
        let lines = self.partitions.iter().flat_map(|partition| partition.tweets.iter().chain(&partition.likes));
        lines.flatten().cloned().collect()
    }
}

/// Fails where what a reader has after any of the commits is not what the oracle says of the input that the commit had
/// seen: counts, totals, minutes, lists, windows with their flags, and what came too late. Returns how many results there
/// were, and what the reader has in the end.
pub(crate) fn judge(committed: &Committed) -> (usize, Answer) {
    let setting = logs::large_log(0).setting;
    let judged: Vec<(usize, Answer)> = thread::scope(|scope| {
        let judges = committed.partitions.iter().map(|partition| scope.spawn(|| partition.judge(&setting)));
        let judges: Vec<_> = judges.collect();
        judges.into_iter().map(|judge| judge.join().unwrap_or_else(|failure| resume_unwind(failure))).collect()
    });
    let results = judged.iter().map(|(results, _)| results).sum();
    (results, judged.into_iter().flat_map(|(_, answer)| answer).collect())
}

/// The input that a commit has seen: so many of `tweets`, so many of `tweet-likes`.
type Position = (usize, usize);

impl Partition {
    fn judge(&self, setting: &Setting) -> (usize, Answer) {
        let lines: Vec<Line> = self.tweets.iter().chain(&self.likes).flatten().cloned().collect();
        let mut published = Published::new(&lines);
        let mut count = 0;
        let mut last = (0, 0);
        for (position, results) in self.commits() {
            assert!(
                position.0 >= last.0 && position.1 >= last.1,
                "commits of two that did not know of each other: {last:?} and {position:?}"
            );
            last = position;
            count += results.counts.len() + results.conferences.len() + results.windows.len();
            let of_counts = results.counts.iter().map(|result| result.conference.clone());
            let of_windows = results.windows.iter().map(|result| result.conference.clone());
            let own = results.conferences.iter().map(|result| result.conference.clone());
            let conferences: BTreeSet<String> = of_counts.chain(of_windows).chain(own).collect();
            published.take(results);
            for name in conferences {
                let truth = oracle::answer(setting, &self.seen_by(position, &name), LISTED);
                let found = published.answer.get(&name);
                assert_eq!(found, truth.get(&name), "{name} after the commit at {position:?}");
            }
        }
        (count, published.answer)
    }

    /// What a commit had seen of a conference.
    fn seen_by(&self, (tweets, likes): Position, name: &str) -> Vec<Line> {
        let lines = self.tweets[..tweets].iter().chain(&self.likes[..likes]).flatten();
        lines.filter(|line| line.conference == name).cloned().collect()
    }

    /// The results by commit.
    fn commits(&self) -> BTreeMap<Position, Results> {
        let mut commits = BTreeMap::new();
        each(&self.counts, &mut commits, |results| &mut results.counts);
        each(&self.conferences, &mut commits, |results| &mut results.conferences);
        each(&self.windows, &mut commits, |results| &mut results.windows);
        commits
    }
}

/// Puts a topic's results to their commits. Each commit has a key once, and none comes before one that had seen less.
fn each<R: Record>(
    seen: &[Seen],
    commits: &mut BTreeMap<Position, Results>,
    of_commit: impl Fn(&mut Results) -> &mut Vec<R>,
) {
    let mut last = (0, 0);
    let mut keys = BTreeSet::new();
    for record in seen {
        let position = position(record);
        if position != last {
            assert!(
                position.0 >= last.0 && position.1 >= last.1,
                "a result of earlier input follows one of {last:?}: {record:?}"
            );
            (last, keys) = (position, BTreeSet::new());
        }
        assert!(keys.insert(&record.key), "a result is there twice: {record:?}");
        let result = R::from_json(&record.value).unwrap();
        of_commit(commits.entry(position).or_default()).push(result);
    }
}

/// What a result's `ce_id` names: `partition-tweets-likes/key`.
fn position(record: &Seen) -> Position {
    let id = record.header("ce_id");
    let numbers: Vec<usize> = id.split('/').next().unwrap().split('-').map(|number| number.parse().unwrap()).collect();
    assert_eq!(Ok(numbers[0]), usize::try_from(record.partition), "{record:?}");
    (numbers[1], numbers[2])
}
