//! Whether everything is right in the end, and was all the time.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use contracts::Topic;
use kafka_client::transaction::{Assignment, GroupObserver, GroupOptions, PartitionReader, RawEnds};

use crate::{
    LISTED,
    ends::{End, tail},
    logs, oracle,
    plan::Plan,
    service::Service,
    truth,
    wall::{PARTITIONS, Seen, Wall},
};

/// How long until all input is committed: longer than a session, and than the longest transaction of a
/// [`Plan`](crate::plan::Plan) and the broker's search for it.
const PATIENCE: Duration = Duration::from_mins(4);
/// How long the broker may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);
/// What transactions of the service write to.
const OUTPUTS: [Topic; 5] = [
    Topic::TweetLikeCounts,
    Topic::TweetAnalytics,
    Topic::TweetWindows,
    Topic::StreamsAnalyticsChangelog,
    Topic::DeadLetters,
];

/// What a service must never do. That it takes too long is none of it, and a failure of the proof itself.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// Something was committed that is not true.
    Untrue(String),
    /// It refused the state that it read back.
    Refused(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrue(what) => write!(f, "committed, and not true: {what}"),
            Self::Refused(log) => {
                let last = log.lines().last().unwrap_or_default();
                write!(f, "the state read back was refused: {last}\nthe service's log ends with:\n{log}")
            }
        }
    }
}

/// Waits until everything that was sent is committed, and nothing is open.
pub(crate) fn settle(wall: &Wall, services: &mut [Service]) -> Result<(), Wrong> {
    let deadline = Instant::now() + PATIENCE;
    let group = GroupObserver::new(
        wall.kafka(),
        &GroupOptions {
            group: format!("{}streams-analytics", wall.prefix()),
            topics: vec![wall.name(Topic::Tweets), wall.name(Topic::TweetLikes)],
            instance: String::new(),
            assignment: Assignment::Eager,
        },
    )
    .unwrap();
    while !is_committed(wall, &group) {
        for service in &mut *services {
            if let Some(status) = service.ended() {
                let log = service.log();
                match End::of(&Plan::Nothing, status, &log) {
                    End::Refused => return Err(Wrong::Refused(tail(&log))),
                    end => panic!("{end:?}: {status}; the service's log ends with:\n{}", tail(&log)),
                }
            }
        }
        let logs = || services.iter().map(|service| tail(&service.log())).collect::<Vec<_>>().join("\n\n");
        assert!(
            Instant::now() < deadline,
            "not all input is committed in time; the services' logs end with:\n{}",
            logs()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let ends = RawEnds::new(wall.kafka()).unwrap();
    for topic in OUTPUTS.map(|topic| wall.name(topic)) {
        for partition in 0..PARTITIONS {
            let reader = PartitionReader::new(wall.kafka(), &topic, partition).unwrap();
            let is_open = || {
                let bounds =
                    ends.end(&topic, partition, ANSWER).and_then(|end| Ok((end, reader.committed_bounds(ANSWER)?)));
                bounds.map_or(true, |(end, bounds)| bounds.end < end)
            };
            while is_open() {
                assert!(Instant::now() < deadline, "a transaction is open in {topic}, partition {partition}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
    Ok(())
}

/// Whether the group's offsets are where the input ends.
fn is_committed(wall: &Wall, group: &GroupObserver) -> bool {
    (0..PARTITIONS).all(|partition| {
        let sent = [Topic::Tweets, Topic::TweetLikes].map(|topic| wall.sent(topic, partition).len());
        let Ok(committed) = group.committed(partition, ANSWER) else { return false };
        committed.iter().zip(sent).all(|(committed, sent)| {
            let offset = committed.as_ref().map_or(0, |committed| committed.offset);
            usize::try_from(offset) == Ok(sent)
        })
    })
}

/// Compares the results as they are now with the oracle's, and the dead letters with what cannot be read.
pub(crate) fn compare(wall: &Wall) -> Result<(), Wrong> {
    let committed = truth::read(wall);
    let input = committed.input();
    let letters = Letters::read(wall);
    untrue_if_it_fails(|| {
        letters.judge();
        let expected = oracle::answer(&logs::large_log(0).setting, &input, LISTED);
        let found = wall.published(&input);
        for (name, truth) in &expected {
            assert_eq!(found.get(name), Some(truth), "{name} in the end");
        }
        assert_eq!(found.len(), expected.len());
    })
}

/// The same of everything ever committed.
pub(crate) fn compare_all(wall: &Wall) -> Result<usize, Wrong> {
    compare(wall)?;
    let committed = truth::read(wall);
    untrue_if_it_fails(|| truth::judge(&committed).0)
}

/// What fails here has looked at what was read, and waits for nothing.
fn untrue_if_it_fails<R>(judge: impl FnOnce() -> R) -> Result<R, Wrong> {
    catch_unwind(AssertUnwindSafe(judge)).map_err(|failure| Wrong::Untrue(words(&*failure)))
}

/// What a failure says.
fn words(failure: &(dyn Any + Send)) -> String {
    let text = failure.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| failure.downcast_ref::<&str>().copied()).unwrap_or("a failure without words");
    text.chars().take(2_000).collect()
}

/// Where a record stood: topic, partition, offset.
type Origin = (String, String, String);

/// What cannot be read, and the dead letters.
struct Letters {
    poison: BTreeMap<Origin, Vec<u8>>,
    dead: Vec<Seen>,
}

impl Letters {
    fn read(wall: &Wall) -> Self {
        let mut poison = BTreeMap::new();
        for topic in [Topic::Tweets, Topic::TweetLikes] {
            for record in wall.read(topic) {
                let sent = wall.sent(topic, record.partition);
                if sent[usize::try_from(record.offset).unwrap()].is_none() {
                    let origin = (wall.name(topic), record.partition.to_string(), record.offset.to_string());
                    poison.insert(origin, record.value);
                }
            }
        }
        Self { poison, dead: wall.read(Topic::DeadLetters) }
    }

    /// Each once, with its reason.
    fn judge(&self) {
        let mut missing = self.poison.clone();
        for letter in &self.dead {
            let header = |name| letter.header(name).to_owned();
            let origin = (header("origin_topic"), header("origin_partition"), header("origin_offset"));
            let value = missing.remove(&origin);
            assert_eq!(value.as_ref(), Some(&letter.value), "a dead letter of nothing, or once more: {letter:?}");
            assert!(!letter.header("error").is_empty(), "a dead letter without a reason: {letter:?}");
        }
        assert!(missing.is_empty(), "unreadable, and no dead letters: {:?}", missing.keys());
    }
}
