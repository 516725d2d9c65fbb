//! What stands on the topics.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context as _;
use contracts::{ConferenceAnalytics, LikeCount, RankedTweet, Record, Topic, WindowResult};
use kafka_client::{BareConsumer, Isolation, KafkaConfig, OwnedRecord, Range, read_range};

use crate::{
    audit::{
        account::Account,
        replay::{Log, Results},
    },
    stage::{PARTITIONS, WAIT},
};

/// How long the broker may take to tell a partition's bounds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The topics of one wall. Everything here blocks its thread.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    pub(super) kafka: KafkaConfig,
    pub(super) prefix: String,
}

impl Topics {
    /// What was posted and liked.
    pub(super) fn log(&self) -> anyhow::Result<Log> {
        Ok(Log { tweets: self.records()?, likes: self.records()? })
    }

    fn records<R: Record>(&self) -> anyhow::Result<Vec<(i64, R)>> {
        let read = |record: OwnedRecord| {
            let place = || format!("{}/{} at {}", R::TOPIC.name(), record.partition, record.offset);
            let value = record.value.as_deref().unwrap_or_default();
            anyhow::Ok((record.timestamp, R::from_json(value).with_context(place)?))
        };
        self.read(R::TOPIC)?.into_iter().map(read).collect()
    }

    /// The results as a reader ends up with them, without texts and authors.
    pub(super) fn results(&self) -> anyhow::Result<Results> {
        let mut results = Results::default();
        for (key, count) in self.last::<LikeCount>()? {
            if count.count > 0 {
                results.counts.insert(key, count);
            }
        }
        for (key, mut analytics) in self.last::<ConferenceAnalytics>()? {
            analytics.top.values_mut().for_each(|list| blank(&mut list.nrs));
            results.conferences.insert(key, analytics);
        }
        for (key, mut window) in self.last::<WindowResult>()? {
            blank(&mut window.nrs);
            results.windows.insert(key, window);
        }
        Ok(results)
    }

    fn last<R: Record>(&self) -> anyhow::Result<BTreeMap<String, R>> {
        Ok(self.records::<R>()?.into_iter().map(|(_, record)| (record.key(), record)).collect())
    }

    /// Records that streams-analytics could not read.
    pub(super) fn dead_letters(&self) -> anyhow::Result<Account> {
        let shown = |record: &OwnedRecord| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into();
        Ok(self.read(Topic::DeadLetters)?.iter().map(shown).collect())
    }

    /// Partitions of which something is written and neither committed nor aborted.
    pub(super) fn open_transactions(&self) -> anyhow::Result<Account> {
        let committed = BareConsumer::new(&self.kafka, "livewall-ledger", Isolation::Committed)?;
        let all = BareConsumer::new(&self.kafka, "livewall-ledger", Isolation::Uncommitted)?;
        let mut open = Account::default();
        for topic in Topic::ALL.map(|topic| topic.with_prefix(&self.prefix)) {
            for partition in 0..PARTITIONS {
                let stable = committed.bounds(&topic, partition, PATIENCE)?.end;
                let end = all.bounds(&topic, partition, PATIENCE)?.end;
                if stable < end {
                    open.note(format!("{topic}/{partition}: stable up to {stable}, ends at {end}"));
                }
            }
        }
        Ok(open)
    }

    /// Every record with a value, each partition in order. Those without one mean nothing: by them streams-analytics ends
    /// what its earlier transactions held open.
    fn read(&self, topic: Topic) -> anyhow::Result<Vec<OwnedRecord>> {
        let topic = topic.with_prefix(&self.prefix);
        let consumer = BareConsumer::new(&self.kafka, "livewall-ledger", Isolation::Committed)?;
        let range = |partition| {
            let bounds = consumer.bounds(&topic, partition, PATIENCE)?;
            anyhow::Ok(Range { partition, from: bounds.start, to: bounds.end })
        };
        let ranges = (0..PARTITIONS).map(range).collect::<anyhow::Result<Vec<_>>>()?;
        let mut records = read_range(&self.kafka, &topic, &ranges, WAIT)?;
        records.retain(|record| record.value.is_some());
        Ok(records)
    }
}

/// Takes out what is only shown.
pub(super) fn blank(list: &mut [RankedTweet]) {
    for entry in list {
        entry.text.clear();
        entry.author.clear();
    }
}
