//! A task without Kafka: the log, the changelog and the outputs are vectors.

use contracts::{Timestamp, Tweet, TweetLike};
use proptest::prelude::*;
use streams_analytics::{
    changelog::{InputOffsets, Limits, Position, Restore, Rounds, write},
    record::{Fact, Record},
    results::results,
    store::Store,
    topology::{Out, process},
};

use crate::{
    logs::{Line, Log, Says},
    oracle::Answer,
    published::publish,
};

/// Entries of a top list here: fewer than there are tweets, so that the end of the list matters.
pub(crate) const LISTED: usize = 5;

/// So small that packs and slices come in many records, and shards in several parts.
const LIMITS: Limits = Limits { record: 100, slices: 300 };

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// So many records.
    Process(usize),
    Commit,
    /// A transaction that is written and then aborted.
    Abort,
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
        2 => Just(Step::Restart),
        2 => Just(Step::Cut),
    ];
    prop::collection::vec(step, 0..60)
}

pub(crate) fn straight_through(log: &Log) -> Answer {
    in_steps(log, &[])
}

/// Takes `steps`, then whatever is left of the log.
pub(crate) fn in_steps(log: &Log, steps: &[Step]) -> Answer {
    let mut task = Task::new();
    let records: Vec<Record> = log.lines.iter().map(record).collect();
    for step in steps {
        match *step {
            Step::Process(count) => task.process(&records, count),
            Step::Commit => task.transaction(true),
            Step::Abort => task.transaction(false),
            Step::Restart => task.restart(),
            Step::Cut => task.changelog.cut = task.position.restore_from,
        }
    }
    task.process(&records, records.len());
    task.transaction(true);
    task.published
}

struct Task {
    store: Store,
    rounds: Rounds,
    /// The next record.
    next: usize,
    /// As committed with the offsets.
    position: Position,
    changelog: Changelog,
    published: Answer,
}

#[derive(Default)]
struct Changelog {
    /// `None`: of an aborted transaction.
    records: Vec<Option<Vec<u8>>>,
    /// Deleted before this offset.
    cut: i64,
}

impl Task {
    fn new() -> Self {
        let inputs = InputOffsets { tweets: 0, likes: 0 };
        Self {
            store: Store::default(),
            rounds: Rounds::new(0),
            next: 0,
            position: Position { restore_from: 0, restore_to: 0, inputs },
            changelog: Changelog::default(),
            published: Answer::default(),
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

    fn transaction(&mut self, commits: bool) {
        let inputs = InputOffsets { tweets: i64::try_from(self.next).unwrap(), likes: 0 };
        let results = results(&mut self.store, LISTED);
        let batch = write(&self.store, &self.rounds, inputs, LIMITS);
        let first = self.changelog.records.len();
        let offsets: Vec<i64> = (first..first + batch.records.len()).map(|at| i64::try_from(at).unwrap()).collect();
        let position = batch.position(&offsets);
        if commits {
            batch.advance(&mut self.rounds, &offsets);
            self.changelog.records.extend(batch.records.into_iter().map(Some));
            self.position = position;
            self.store.commit();
            publish(&mut self.published, results);
        } else {
            self.changelog.records.extend(batch.records.iter().map(|_| None));
            self.store.undo();
            self.next = usize::try_from(self.position.inputs.tweets).unwrap();
        }
    }

    fn restart(&mut self) {
        let Position { restore_from, restore_to, inputs } = self.position;
        assert!(restore_from >= self.changelog.cut, "what is needed was cut off");
        let mut restore = Restore::default();
        for offset in restore_from..restore_to {
            if let Some(value) = &self.changelog.records[usize::try_from(offset).unwrap()] {
                restore.apply(offset, value).unwrap();
            }
        }
        let restored = (restore_to > 0).then_some(self.position);
        assert_eq!(restore.last(), restored, "Meta repeats what was committed");
        self.store = restore.finish();
        self.rounds = Rounds::new(restore_from);
        self.next = usize::try_from(inputs.tweets).unwrap();
    }
}

fn record(line: &Line) -> Record {
    let told = line.told.map(Timestamp::from_millis);
    let fact = match &line.says {
        Says::Posted { author, text } => Fact::Tweet(Tweet {
            event_type: Tweet::EVENT_TYPE.into(),
            tweet_id: line.tweet.clone(),
            text: text.clone(),
            author: author.clone(),
            created_at: told,
            tag_filter: line.conference.clone(),
            ..Tweet::default()
        }),
        Says::Likes { visitor, liked } => Fact::Like(TweetLike {
            tweet_id: line.tweet.clone(),
            conference: line.conference.clone(),
            visitor_id: visitor.clone(),
            liked: *liked,
            at: told,
        }),
    };
    Record { appended: line.appended, fact }
}
