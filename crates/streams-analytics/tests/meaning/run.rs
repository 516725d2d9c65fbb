//! A task without Kafka: the log, the changelog and the outputs are vectors.

use std::{collections::BTreeMap, sync::Arc};

use contracts::{Timestamp, Tweet};
use proptest::prelude::*;
use streams_analytics::{
    changelog::{Applied, InputOffsets, Limits, Position, Restore, Rounds, write},
    record::{Fact, Opinion, Record},
    results::results,
    store::Store,
    topology::{Out, process},
    windows::{WindowSpec, Windowing},
};

use crate::{
    logs::{Line, Log, Says, Setting, Size},
    oracle::Answer,
    published::Published,
};

/// Entries of a list here: fewer than there are tweets and hashtags, so that the end of the list matters.
pub(crate) const LISTED: usize = 3;

/// So small that packs and slices come in many records, and shards in several parts.
const LIMITS: Limits = Limits { record: 100, slices: 300 };

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// So many records.
    Process(usize),
    Commit,
    /// A transaction that is written and then aborted.
    Abort,
    /// A transaction that is committed, but not for the group's offsets, because a broker lost its end there.
    GiveUp,
    /// The process dies and another one restores.
    Restart,
    /// DeleteRecords behind the last committed position.
    Cut,
}

pub(crate) fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_usize..15).prop_map(Step::Process),
        4 => Just(Step::Commit),
        2 => Just(Step::Abort),
        1 => Just(Step::GiveUp),
        2 => Just(Step::Restart),
        2 => Just(Step::Cut),
    ];
    prop::collection::vec(step, 0..60)
}

/// What had been published when a commit was through.
pub(crate) struct Commit {
    /// Records of the log that it covers.
    pub(crate) taken: usize,
    pub(crate) published: Answer,
}

/// All in one commit.
pub(crate) fn straight_through(log: &Log) -> Answer {
    in_steps(log, &[]).pop().expect("the last commit").published
}

/// Takes `steps`, then whatever is left of the log; the last commit covers it all.
pub(crate) fn in_steps(log: &Log, steps: &[Step]) -> Vec<Commit> {
    let (_, commits) = run(log, steps);
    commits
}

/// Text and author in the lists of all time at the end, by conference and tweet.
pub(crate) fn shown_at_the_end(log: &Log, steps: &[Step]) -> BTreeMap<(String, String), (String, String)> {
    let (task, _) = run(log, steps);
    task.published.shown
}

/// From where the changelog is needed after `steps`.
pub(crate) fn needed_from(log: &Log, steps: &[Step]) -> i64 {
    let (task, _) = run(log, steps);
    task.position.restore_from
}

fn run(log: &Log, steps: &[Step]) -> (Task, Vec<Commit>) {
    let mut task = Task::new(log);
    let mut commits = Vec::new();
    let records: Vec<Record> = log.lines.iter().map(record).collect();
    for step in steps.iter().copied().chain([Step::Process(records.len()), Step::Commit]) {
        match step {
            Step::Process(count) => task.process(&records, count),
            Step::Commit => {
                task.transaction(End::Committed);
                commits.push(Commit { taken: task.next, published: task.published.answer.clone() });
            }
            Step::Abort => task.transaction(End::Aborted),
            Step::GiveUp => task.transaction(End::GivenUp),
            Step::Restart => task.restart(),
            Step::Cut => task.changelog.cut = task.position.restore_from,
        }
    }
    (task, commits)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Committed,
    Aborted,
    /// Committed in the changelog, and nowhere else.
    GivenUp,
}

struct Task {
    windowing: Arc<Windowing>,
    store: Store,
    rounds: Rounds,
    /// The next record.
    next: usize,
    /// As committed with the offsets.
    position: Position,
    changelog: Changelog,
    published: Published,
}

#[derive(Default)]
struct Changelog {
    /// `None`: of an aborted transaction.
    records: Vec<Option<Vec<u8>>>,
    /// Deleted before this offset.
    cut: i64,
}

impl Task {
    fn new(log: &Log) -> Self {
        let windowing = Arc::new(windowing(&log.setting));
        let inputs = InputOffsets { tweets: 0, likes: 0 };
        Self {
            store: Store::new(Arc::clone(&windowing)),
            windowing,
            rounds: Rounds::new(0),
            next: 0,
            position: Position { restore_from: 0, restore_to: 0, inputs },
            changelog: Changelog::default(),
            published: Published::new(&log.lines),
        }
    }

    fn process(&mut self, records: &[Record], count: usize) {
        let end = records.len().min(self.next + count);
        let mut out = Out::default();
        for record in &records[self.next..end] {
            process(&mut self.store, record, &mut out);
        }
        self.next = end;
    }

    fn transaction(&mut self, end: End) {
        let inputs = InputOffsets { tweets: i64::try_from(self.next).unwrap(), likes: 0 };
        let results = results(&mut self.store, LISTED);
        let last = (self.position.restore_to > 0).then_some(self.position);
        let batch = write(&mut self.store, &self.rounds, last, inputs, LIMITS);
        let first = self.changelog.records.len();
        let offsets: Vec<i64> = (first..first + batch.records.len()).map(|at| i64::try_from(at).unwrap()).collect();
        let position = batch.position(&offsets);
        let seen = |record: &Vec<u8>| (end != End::Aborted).then(|| record.clone());
        self.changelog.records.extend(batch.records.iter().map(seen));
        if end == End::Committed {
            batch.advance(&mut self.rounds, &offsets);
            self.position = position;
            self.store.commit();
            self.published.take(results);
        } else {
            self.store.undo();
            self.next = usize::try_from(self.position.inputs.tweets).unwrap();
        }
    }

    fn restart(&mut self) {
        let Position { restore_from, restore_to, inputs } = self.position;
        assert!(restore_from >= self.changelog.cut, "what is needed was cut off");
        let mut restore = Restore::new(Arc::clone(&self.windowing));
        let mut offset = restore_from;
        while offset < restore_to {
            let record = &self.changelog.records[usize::try_from(offset).unwrap()];
            let applied = record.as_ref().map_or(Applied::Taken, |value| restore.apply(offset, value).unwrap());
            offset = if applied == Applied::StartOver { restore_from } else { offset + 1 };
        }
        let restored = (restore_to > 0).then_some(self.position);
        assert_eq!(restore.last(), restored, "Meta repeats what was committed");
        let rounds = restore.rounds().unwrap_or_else(|| Rounds::new(0));
        assert_eq!(rounds, self.rounds, "it goes on with the round that it was in");
        self.store = restore.finish().expect("a state of the same windows");
        self.rounds = rounds;
        self.next = usize::try_from(inputs.tweets).unwrap();
    }
}

fn windowing(setting: &Setting) -> Windowing {
    let spec = |size: &Size| WindowSpec { size: size.size, advance: size.advance };
    let windows = setting.sizes.iter().map(spec).collect();
    Windowing { windows, grace: setting.grace, like_period: setting.like_period }
}

fn record(line: &Line) -> Record<'_> {
    let told = line.told.map(Timestamp::from_millis);
    let fact = match &line.says {
        Says::Posted { author, text, hashtag } => Fact::Tweet(Tweet {
            event_type: Tweet::EVENT_TYPE.into(),
            tweet_id: line.tweet.clone(),
            text: text.clone(),
            author: author.clone(),
            hashtag: hashtag.clone(),
            created_at: told,
            tag_filter: line.conference.clone(),
            ..Tweet::default()
        }),
        Says::Likes { visitor, liked } => Fact::Like(Opinion {
            tweet_id: line.tweet.as_str().into(),
            conference: line.conference.as_str().into(),
            visitor_id: visitor.as_str().into(),
            liked: *liked,
            at: told,
        }),
    };
    Record { appended: line.appended, fact }
}
