//! One partition: its state, and the input that it has seen.

use contracts::{EventHeaders, Timestamp, Topic};
use kafka_client::{
    KafkaError,
    transaction::{CommittedOffset, InputRecord, OutRecord, TransactionError, TransactionalProducer},
};

use super::{
    Topics,
    dead_letter::{DeadLetter, PoisonRatio},
    restoring::Restored,
    stop::Stop,
};
use crate::{
    changelog::{Batch, InputOffsets, Limits, Position, Rounds, write},
    proof::{Mutation, is},
    record::read,
    results::results,
    store::{Sizes, Store},
    topology::{Out, process},
};

/// `ce_source` of all results.
const SOURCE: &str = "/streams-analytics";

/// The input topics, by their index in the group.
const INPUTS: [Topic; 2] = [Topic::Tweets, Topic::TweetLikes];

/// A partition's task. It is at a commit, or some records ahead of one.
pub(super) struct Task {
    partition: i32,
    store: Store,
    rounds: Rounds,
    /// The last commit; `None`: there never was one.
    committed: Option<Position>,
    /// The input at the last commit.
    base: InputOffsets,
    /// The next input.
    next: InputOffsets,
    /// Since the last commit.
    out: Out,
    /// Since the last commit.
    dead: Vec<DeadLetter>,
    poison: PoisonRatio,
    /// A commit whose outcome is not known.
    attempt: Option<Attempt>,
}

/// What a transaction holds of a task.
pub(super) struct Attempt {
    batch: Batch,
    /// The places of its changelog records among those of the transaction.
    sent: Vec<usize>,
    position: Option<Position>,
    offsets: Vec<i64>,
}

impl Task {
    /// A task on a state that was read back; `starts` are the input topics' first offsets, where there is no commit yet.
    pub(super) fn new(partition: i32, restored: Restored, starts: InputOffsets, poison_ratio: f64) -> Self {
        let base = restored.position.map_or(starts, |position| position.inputs);
        Self {
            partition,
            store: restored.store,
            rounds: restored.rounds,
            committed: restored.position,
            base,
            next: base,
            out: Out::default(),
            dead: Vec::new(),
            poison: PoisonRatio::new(poison_ratio),
            attempt: None,
        }
    }

    pub(super) fn partition(&self) -> i32 {
        self.partition
    }

    /// The next input.
    pub(super) fn next(&self) -> InputOffsets {
        self.next
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.store.sizes()
    }

    /// The last commit's restoreFrom: what lies before is of no use any more.
    pub(super) fn cut_before(&self) -> Option<i64> {
        self.committed.map(|position| position.restore_from)
    }

    /// Whether there is anything to commit.
    pub(super) fn is_ahead(&self) -> bool {
        self.next != self.base
    }

    /// Takes the next record. What was delivered before is passed over.
    pub(super) fn take(&mut self, record: &InputRecord<'_>, topics: &Topics) -> Result<(), Stop> {
        let next = if record.topic == 0 { &mut self.next.tweets } else { &mut self.next.likes };
        if record.offset() < *next {
            return Ok(());
        }
        *next = record.offset() + 1;
        let fact = read(INPUTS[record.topic], record.value(), record.timestamp(), self.partition, topics.partitions);
        match &fact {
            Ok(fact) => process(&mut self.store, fact, &mut self.out),
            Err(poison) => self.dead.push(DeadLetter::new(&topics.inputs[record.topic], record, poison)),
        }
        self.poison.note(fact.is_err()).map_err(|(poison, of)| Stop::Poison {
            partition: self.partition,
            poison,
            of,
            last: fact.err().map(|poison| poison.to_string()).unwrap_or_default(),
        })
    }

    /// Sends everything since the last commit: results, poison, state.
    pub(super) fn send(
        &mut self,
        producer: &TransactionalProducer,
        topics: &Topics,
        entries: usize,
        now: Timestamp,
    ) -> Result<(), TransactionError> {
        let results = results(&mut self.store, entries);
        for count in &results.counts {
            self.send_result(producer, &topics.counts, count, now)?;
        }
        for analytics in &results.conferences {
            self.send_result(producer, &topics.analytics, analytics, now)?;
        }
        for window in &results.windows {
            self.send_result(producer, &topics.windows, window, now)?;
        }
        for letter in &self.dead {
            letter.send(producer, &topics.dead_letters)?;
        }
        let mut batch = write(&mut self.store, &self.rounds, self.committed, self.next, Limits::default());
        let mut sent = Vec::with_capacity(batch.records.len());
        for value in std::mem::take(&mut batch.records) {
            let record = OutRecord {
                topic: &topics.changelog,
                partition: self.partition,
                key: None,
                value: Some(&value),
                headers: &[],
            };
            sent.push(producer.send(record)?);
        }
        self.attempt = Some(Attempt { sent, batch, position: None, offsets: Vec::new() });
        Ok(())
    }

    fn send_result<R: contracts::Record>(
        &self,
        producer: &TransactionalProducer,
        topic: &str,
        result: &R,
        time: Timestamp,
    ) -> Result<(), TransactionError> {
        let (key, value) = (result.key(), result.to_json());
        // The same result of the same input has the same id, should it be written again after an abort.
        let id = format!("{}-{}-{}/{key}", self.partition, self.next.tweets, self.next.likes);
        let headers = EventHeaders { id, source: SOURCE, time, trace: None }.pairs(R::KIND);
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let record = OutRecord {
            topic,
            partition: self.partition,
            key: Some(key.as_bytes()),
            value: Some(&value),
            headers: &headers,
        };
        producer.send(record).map(drop)
    }

    /// With the offsets of the transaction's records: what to commit for both input topics.
    ///
    /// Where the broker took a record that it had been sent twice, the client may not know its offset; what is not known
    /// cannot be committed.
    pub(super) fn delivered(&mut self, offsets: &[i64]) -> Result<(i32, Vec<CommittedOffset>), TransactionError> {
        let unknown =
            || TransactionError::Abort(KafkaError::new("the broker does not tell where the changelog's records lie"));
        let attempt = self.attempt.as_mut().ok_or_else(unknown)?;
        let offset = |place: &usize| offsets.get(*place).copied().filter(|offset| *offset >= 0);
        attempt.offsets = attempt.sent.iter().map(offset).collect::<Option<_>>().ok_or_else(unknown)?;
        let position = attempt.batch.position(&attempt.offsets);
        attempt.position = Some(position);
        let metadata = position.metadata();
        let committed = [position.inputs.tweets, position.inputs.likes]
            .map(|offset| CommittedOffset { offset, metadata: metadata.clone() });
        Ok((self.partition, committed.into()))
    }

    /// The transaction was committed.
    pub(super) fn commit(&mut self) {
        let Some(attempt) = self.attempt.take() else { return };
        attempt.batch.advance(&mut self.rounds, &attempt.offsets);
        self.store.commit();
        self.committed = attempt.position;
        self.base = attempt.position.map_or(self.next, |position| position.inputs);
        self.next = self.base;
        count(self.out, &self.dead);
        self.out = Out::default();
        self.dead.clear();
    }

    /// Back to the last commit: the input since then must be read again.
    pub(super) fn undo(&mut self) {
        self.attempt = None;
        if is(Mutation::NoUndo) {
            self.store.commit();
        } else {
            self.store.undo();
        }
        self.next = self.base;
        self.out = Out::default();
        self.dead.clear();
    }

    /// Comes to rest at `found`, what the group has committed. False where that is no commit of this task: others were at
    /// work, and the state must be read back.
    pub(super) fn settle(&mut self, found: Option<Position>) -> bool {
        if found.is_some() && self.attempt.as_ref().is_some_and(|attempt| attempt.position == found) {
            self.commit();
            return true;
        }
        self.undo();
        self.committed == found
    }
}

fn count(out: Out, dead: &[DeadLetter]) {
    for (topic, tally) in [("tweets", out.tweets), ("tweet-likes", out.likes)] {
        metrics::counter!("analytics_records_total", "topic" => topic, "effect" => "news").increment(tally.news);
        metrics::counter!("analytics_records_total", "topic" => topic, "effect" => "repeat").increment(tally.repeats);
    }
    for (why, likes) in [("late", out.late), ("after_close", out.after_close), ("closed", out.closed)] {
        metrics::counter!("analytics_late_total", "why" => why).increment(likes);
    }
    metrics::counter!("analytics_dead_letters_total").increment(u64::try_from(dead.len()).unwrap_or(u64::MAX));
    dead.iter().for_each(DeadLetter::log);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::windows::Windowing;

    #[test]
    fn what_lies_at_an_unknown_offset_is_not_committed() {
        let windowing = Arc::new(Windowing { windows: Vec::new(), grace: 0, like_period: 0 });
        let restored = Restored { store: Store::new(windowing), position: None, rounds: Rounds::new(0) };
        let start = InputOffsets { tweets: 0, likes: 0 };
        let mut task = Task::new(3, restored, start, 0.5);
        let batch = write(&mut task.store, &task.rounds, None, start, Limits::default());
        assert_eq!(batch.records.len(), 2, "a slice and the Meta");
        // Behind a result, whose offset nobody needs.
        task.attempt = Some(Attempt { sent: vec![1, 2], batch, position: None, offsets: Vec::new() });
        for offsets in [&[7, 20, -1][..], &[7, -1, 21], &[7, 20]] {
            assert!(matches!(task.delivered(offsets), Err(TransactionError::Abort(_))), "{offsets:?}");
        }
        let (partition, committed) = task.delivered(&[-1, 20, 21]).expect("all that is needed");
        assert_eq!((partition, committed.len()), (3, 2));
        assert!(committed[0].metadata.contains("\"restoreTo\":22"), "{}", committed[0].metadata);
    }
}
