//! The changelog as it is written, before its old part is cut off.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use contracts::{ChangelogRecord, Topic, changelog_record::Body};
use kafka_client::{BareConsumer, BarePlace, Isolation};
use prost::Message as _;

use crate::stage::{PARTITIONS, Stage, WAIT};

/// How long the broker may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the topic's size is looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// The state's shards.
const SHARDS: u32 = 1024;

/// Reads the changelog on a thread of its own, and keeps an account of it.
pub(super) struct Follower {
    accounts: Arc<Mutex<Vec<Account>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

/// Of one partition. Bytes are those of values.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    /// Written so far.
    pub(super) written: u64,
    /// One round of slices, the last that was complete: the whole state once.
    pub(super) state: u64,
    /// The most that there was at once, since `likes` passed `watch_from`.
    pub(super) kept: u64,
    /// The most that lay between `restoreFrom` and the end, since then.
    pub(super) needed: u64,
    /// The next like, as of the last commit.
    likes: i64,
    watch_from: i64,
    /// Of the round that is not complete; `None` before the first one begins.
    round: Option<u64>,
    /// Offset and bytes of the records that are there.
    there: VecDeque<(i64, u64)>,
    restore_from: i64,
}

impl Follower {
    /// Reads from the topic's beginning; before anything is on it.
    pub(super) fn start(stage: &Stage) -> anyhow::Result<Self> {
        let topic = Topic::StreamsAnalyticsChangelog.with_prefix(stage.prefix());
        let consumer = || BareConsumer::new(&stage.broker.config(), "livewall-bench", Isolation::Uncommitted);
        // Whoever asks for bounds on the connection that records come on waits until some come.
        let (consumer, bounds) = (consumer()?, consumer()?);
        let places: Vec<_> =
            (0..PARTITIONS).map(|partition| BarePlace { topic: &topic, partition, offset: 0 }).collect();
        consumer.read_from(&places)?;
        let accounts = Arc::new(Mutex::new(vec![Account::default(); usize::try_from(PARTITIONS)?]));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("changelog".into()).spawn({
            let (accounts, stop) = (Arc::clone(&accounts), Arc::clone(&stop));
            move || follow(&consumer, &bounds, &topic, &accounts, &stop)
        })?;
        Ok(Self { accounts, stop, thread: Some(thread) })
    }

    /// Looks at sizes once likes before these offsets are committed, by partition.
    pub(super) fn watch_from(&self, likes: &[i64]) {
        for (account, likes) in lock(&self.accounts).iter_mut().zip(likes) {
            account.watch_from = *likes;
        }
    }

    /// Waits until the commits up to these offsets of likes were read, and ends.
    pub(super) fn finish(mut self, likes: &[i64]) -> anyhow::Result<Vec<Account>> {
        let deadline = Instant::now() + WAIT;
        let thread = self.thread.take().context("it ends once")?;
        while !lock(&self.accounts).iter().zip(likes).all(|(account, likes)| account.likes >= *likes) {
            if thread.is_finished() || Instant::now() > deadline {
                break;
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        self.stop.store(true, Ordering::Relaxed);
        thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread panicked")))?;
        let accounts = lock(&self.accounts).clone();
        for (account, likes) in accounts.iter().zip(likes) {
            anyhow::ensure!(account.likes == *likes, "the changelog says likes up to {}, not {likes}", account.likes);
        }
        Ok(accounts)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn lock(accounts: &Mutex<Vec<Account>>) -> MutexGuard<'_, Vec<Account>> {
    accounts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn follow(
    consumer: &BareConsumer,
    bounds: &BareConsumer,
    topic: &str,
    accounts: &Mutex<Vec<Account>>,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let mut looked = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let polled = consumer.poll(BETWEEN_LOOKS).context("the changelog was cut before it was read")?;
        if let Some(message) = polled {
            let record = ChangelogRecord::decode(message.value())?;
            let (place, bytes) = (message.place(), message.value().len() as u64);
            lock(accounts)[usize::try_from(place.partition)?].take(place.offset, bytes, record);
        }
        if looked.elapsed() >= BETWEEN_LOOKS {
            looked = Instant::now();
            for partition in 0..PARTITIONS {
                let start = bounds.bounds(topic, partition, PATIENCE)?.start;
                lock(accounts)[usize::try_from(partition)?].look(start);
            }
        }
    }
    Ok(())
}

impl Account {
    fn take(&mut self, offset: i64, bytes: u64, record: ChangelogRecord) {
        self.written += bytes;
        self.there.push_back((offset, bytes));
        match record.body {
            Some(Body::Slice(slice)) => {
                if slice.first_shard == 0 && !slice.continued {
                    self.round = Some(0);
                }
                if let Some(round) = &mut self.round {
                    *round += bytes;
                    if slice.first_shard + slice.shard_count == SHARDS {
                        self.state = *round;
                    }
                }
            }
            Some(Body::Meta(meta)) => (self.likes, self.restore_from) = (meta.likes_offset, meta.restore_from),
            Some(Body::Pack(_)) | None => {}
        }
    }

    /// The topic begins at `start` now.
    fn look(&mut self, start: i64) {
        while self.there.front().is_some_and(|(offset, _)| *offset < start) {
            self.there.pop_front();
        }
        if self.watch_from > 0 && self.likes > self.watch_from {
            self.kept = self.kept.max(self.there.iter().map(|(_, bytes)| bytes).sum());
            let needed = self.there.iter().filter(|(offset, _)| *offset >= self.restore_from);
            self.needed = self.needed.max(needed.map(|(_, bytes)| bytes).sum());
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::{Meta, Slice};

    use super::*;

    fn slice(first_shard: u32, shard_count: u32, continued: bool) -> ChangelogRecord {
        let slice = Slice { first_shard, shard_count, continued, ..Slice::default() };
        ChangelogRecord { version: 2, body: Some(Body::Slice(slice)) }
    }

    #[test]
    fn the_state_is_one_complete_round() {
        let mut account = Account::default();
        for (offset, record) in
            [slice(900, 124, false), slice(0, 500, false), slice(499, 1, true), slice(500, 524, false)]
                .into_iter()
                .enumerate()
        {
            account.take(i64::try_from(offset).expect("small"), 10, record);
        }
        assert_eq!((account.state, account.written), (30, 40));
    }

    #[test]
    fn sizes_count_once_the_facts_are_there() {
        let mut account = Account { watch_from: 7, ..Account::default() };
        let meta = |likes_offset| {
            let meta = Meta { likes_offset, restore_from: 2, ..Meta::default() };
            ChangelogRecord { version: 2, body: Some(Body::Meta(meta)) }
        };
        account.take(0, 10, meta(7));
        account.look(0);
        assert_eq!(account.kept, 0);
        for offset in 1..4 {
            account.take(offset, 10, meta(8));
        }
        account.look(1);
        assert_eq!((account.kept, account.needed), (30, 20));
    }
}
