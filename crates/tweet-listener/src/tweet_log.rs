//! The newest tweets in memory, and which of the retained ones are repeats.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use contracts::{Conference, Record as _, TraceParent, Tweet, TweetId, UnreadableRecord};
use sha2::{Digest as _, Sha256};

use crate::{filter::Filter, position::Position, recent::Recent};

/// A tweet as it stands on the topic.
#[derive(Debug)]
pub struct Entry {
    /// Index of the partition.
    pub partition: usize,
    /// The offset in it.
    pub offset: i64,
    /// When the broker took it, in milliseconds since the epoch.
    pub timestamp: i64,
    /// Whose wall it is on.
    pub conference: Conference,
    /// Its id within the conference.
    pub tweet_id: TweetId,
    /// The tweet as JSON on one line.
    pub json: Bytes,
    /// The trace of the request that brought it.
    pub trace: Option<TraceParent>,
}

impl Entry {
    /// Reads the value of a record of `tweets`.
    ///
    /// # Errors
    /// Where it is no tweet.
    pub fn read(
        partition: usize,
        offset: i64,
        timestamp: i64,
        value: &[u8],
        trace: Option<TraceParent>,
    ) -> Result<Self, UnreadableRecord> {
        let tweet = Tweet { event_type: Tweet::EVENT_TYPE.into(), ..Tweet::from_json(value)? };
        Ok(Self {
            partition,
            offset,
            timestamp,
            conference: Conference::parse(&tweet.tag_filter)?,
            tweet_id: TweetId::parse(&tweet.tweet_id)?,
            // Written anew: what comes from others may have line breaks between its fields, which would end a frame.
            json: tweet.to_json().into(),
            trace,
        })
    }

    /// What it takes in memory, in bytes.
    pub fn weight(&self) -> usize {
        self.json.len() + 200
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    /// Tweets from which streams resume without asking Kafka, in bytes.
    pub memory_bytes: usize,
    /// Tweets per conference for first pages.
    pub recent_per_conference: usize,
    /// The same over all conferences.
    pub recent_in_all: usize,
}

/// What became of a record.
#[derive(Debug)]
pub enum Appended {
    /// A tweet to be shown.
    New(Arc<Entry>),
    /// A tweet that stands at a lower offset already.
    Repeat,
}

#[derive(Debug)]
struct Partition {
    /// The first retained offset.
    start: i64,
    /// The next offset.
    next: i64,
    /// From here on, every tweet to be shown is in `entries`.
    memory_start: i64,
    entries: VecDeque<Arc<Entry>>,
    /// The lowest retained offset of each (conference, tweetId), by the first 16 bytes of a hash: 40 bytes or so a tweet.
    first_offsets: HashMap<u128, i64>,
    /// Those from before here have been taken out of `first_offsets`.
    pruned: i64,
}

/// Expired ones are looked for when at least so many may be there, and half of all.
const PRUNED_AT_LEAST: usize = 1024;

/// The log of tweets, as far as this replica has read it.
#[derive(Debug)]
pub struct TweetLog {
    partitions: Vec<Partition>,
    bounds: LogBounds,
    /// The oldest entry in memory of each partition that has one, by the broker's clock: which one to drop next. By the
    /// order of reading it would be, after a start, those of the partitions that were read first.
    oldest: BinaryHeap<Reverse<(i64, usize)>>,
    bytes: usize,
    recent: Recent,
}

fn identity(conference: &Conference, tweet_id: &TweetId) -> u128 {
    // The separator is in neither alphabet.
    let hash =
        Sha256::new().chain_update(conference.as_str()).chain_update(b"/").chain_update(tweet_id.as_str()).finalize();
    u128::from_le_bytes(hash[..16].try_into().expect("SHA-256 has 32 bytes"))
}

impl TweetLog {
    /// A log whose partitions begin at these offsets.
    pub fn new(starts: &[i64], bounds: LogBounds) -> Self {
        let partition = |start: &i64| Partition {
            start: *start,
            next: *start,
            memory_start: *start,
            entries: VecDeque::new(),
            first_offsets: HashMap::new(),
            pruned: *start,
        };
        Self {
            partitions: starts.iter().map(partition).collect(),
            bounds,
            oldest: BinaryHeap::new(),
            bytes: 0,
            recent: Recent::new(bounds),
        }
    }

    /// Everything that has been read.
    pub fn position(&self) -> Position {
        Position(self.partitions.iter().map(|partition| partition.next).collect())
    }

    /// From where on everything is in memory.
    pub fn memory_start(&self) -> Position {
        Position(self.partitions.iter().map(|partition| partition.memory_start).collect())
    }

    /// Where the retained log begins, as far as is known here.
    pub fn start(&self) -> Position {
        Position(self.partitions.iter().map(|partition| partition.start).collect())
    }

    /// Notes that retention has moved on: what stood before `start` is gone and makes nothing a repeat.
    pub fn expire(&mut self, partition: usize, start: i64) {
        let Some(partition) = self.partitions.get_mut(partition) else { return };
        partition.start = partition.start.max(start);
        let expired = usize::try_from(partition.start - partition.pruned).unwrap_or(0);
        if expired >= PRUNED_AT_LEAST.max(partition.first_offsets.len() / 2) {
            let start = partition.start;
            partition.first_offsets.retain(|_, first| *first >= start);
            partition.first_offsets.shrink_to_fit();
            partition.pruned = start;
        }
    }

    /// Goes on at `next`: what lay between is not to be had any more. Whether there was something between.
    pub fn skip_to(&mut self, partition: usize, next: i64) -> bool {
        self.expire(partition, next);
        let Some(partition) = self.partitions.get_mut(partition) else { return false };
        let skips = partition.next < next;
        partition.next = partition.next.max(next);
        partition.memory_start = partition.memory_start.max(next);
        skips
    }

    /// Notes a record that is no tweet.
    pub fn pass(&mut self, partition: usize, offset: i64) {
        self.partitions[partition].next = offset + 1;
    }

    /// Takes the next tweet of its partition.
    pub fn append(&mut self, entry: Entry) -> Appended {
        self.pass(entry.partition, entry.offset);
        let identity = identity(&entry.conference, &entry.tweet_id);
        let partition = &mut self.partitions[entry.partition];
        let first = partition.first_offsets.entry(identity).or_insert(entry.offset);
        if *first < partition.start {
            *first = entry.offset;
        }
        if *first < entry.offset {
            return Appended::Repeat;
        }
        let entry = Arc::new(entry);
        self.bytes += entry.weight();
        let entries = &mut self.partitions[entry.partition].entries;
        if entries.is_empty() {
            self.oldest.push(Reverse((entry.timestamp, entry.partition)));
        }
        entries.push_back(Arc::clone(&entry));
        self.drop_oldest();
        self.recent.push(&entry);
        Appended::New(entry)
    }

    /// Whether a record that was read again is to be shown: it is not where the same tweet stands before it.
    pub fn is_repeat(&self, entry: &Entry) -> bool {
        let partition = &self.partitions[entry.partition];
        let first = partition.first_offsets.get(&identity(&entry.conference, &entry.tweet_id));
        first.is_some_and(|first| *first < entry.offset && *first >= partition.start)
    }

    fn drop_oldest(&mut self) {
        while self.bytes > self.bounds.memory_bytes {
            let Some(Reverse((_, at))) = self.oldest.pop() else { return };
            let partition = &mut self.partitions[at];
            if let Some(dropped) = partition.entries.pop_front() {
                self.bytes -= dropped.weight();
                // Not back over what was skipped since.
                partition.memory_start = partition.memory_start.max(dropped.offset + 1);
            }
            if let Some(next) = partition.entries.front() {
                self.oldest.push(Reverse((next.timestamp, at)));
            }
        }
    }

    /// The newest tweets of each conference.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Passes on what `filter` wants after `position`, which must not lie before [`TweetLog::memory_start`], and moves
    /// `position` along; ends when `take` says that it has enough.
    pub fn replay(&self, position: &mut Position, filter: &Filter, take: impl FnMut(&Entry, &Position) -> bool) {
        let pending: Vec<_> = self
            .partitions
            .iter()
            .zip(&position.0)
            .map(|(partition, from)| {
                let begin = partition.entries.partition_point(|entry| entry.offset < *from);
                partition.entries.range(begin..).map(AsRef::as_ref)
            })
            .collect();
        if merge(pending, position, filter, take) {
            let end = self.position();
            for (mine, end) in position.0.iter_mut().zip(end.0) {
                *mine = (*mine).max(end);
            }
        }
    }
}

/// Merges partitions by the broker's clock, which keeps the order of each, and moves `position` past what was passed on
/// or is not wanted. Returns whether everything was passed on.
pub fn merge<'a, I: Iterator<Item = &'a Entry>>(
    partitions: Vec<I>,
    position: &mut Position,
    filter: &Filter,
    mut take: impl FnMut(&Entry, &Position) -> bool,
) -> bool {
    let mut partitions: Vec<_> = partitions.into_iter().map(Iterator::peekable).collect();
    loop {
        let mut oldest: Option<(i64, usize)> = None;
        for (at, partition) in partitions.iter_mut().enumerate() {
            if let Some(entry) = partition.peek()
                && oldest.is_none_or(|(timestamp, _)| entry.timestamp < timestamp)
            {
                oldest = Some((entry.timestamp, at));
            }
        }
        let Some(entry) = oldest.and_then(|(_, at)| partitions[at].next()) else { return true };
        position.0[entry.partition] = entry.offset + 1;
        if filter.matches(&entry.conference) && !take(entry, position) {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: LogBounds = LogBounds { memory_bytes: 1 << 20, recent_per_conference: 200, recent_in_all: 1000 };

    fn entry(offset: i64, id: &str) -> Entry {
        let value = format!(r#"{{"tweetId":"{id}","tagFilter":"rustconf"}}"#);
        Entry::read(0, offset, offset, value.as_bytes(), None).expect("a tweet")
    }

    fn is_new(log: &mut TweetLog, offset: i64, id: &str) -> bool {
        matches!(log.append(entry(offset, id)), Appended::New(_))
    }

    #[test]
    fn a_tweet_is_shown_at_its_lowest_retained_offset_only() {
        let mut log = TweetLog::new(&[0], BOUNDS);
        assert!(is_new(&mut log, 0, "a"));
        assert!(!is_new(&mut log, 1, "a"));
        assert!(log.is_repeat(&entry(1, "a")) && !log.is_repeat(&entry(0, "a")));
        // Once the first one has expired, a replica that starts now would show the next: so does this one.
        log.expire(0, 1);
        assert!(is_new(&mut log, 2, "a"));
        assert_eq!(log.position(), Position(vec![3]));
    }

    #[test]
    fn line_breaks_between_fields_do_not_end_a_frame() {
        let read = Entry::read(0, 0, 0, b"{\n\"tweetId\":\"1\",\r\n\n\"tagFilter\":\"rustconf\"\n}", None);
        assert!(!read.expect("JSON").json.contains(&b'\n'));
    }

    #[test]
    fn memory_reaches_equally_far_back_in_all_partitions_whatever_the_order_of_reading() {
        let mut log = TweetLog::new(&[0, 0, 0], LogBounds { memory_bytes: 20_000, ..BOUNDS });
        // As after a start: one partition wholly after the other. The last one is the longest.
        for (partition, len) in [(0, 100), (1, 10), (2, 1000)] {
            for offset in 0..len {
                let value = format!(r#"{{"tweetId":"{partition}-{offset}","tagFilter":"c{partition}"}}"#);
                let timestamp = 1_000_000 - (len - offset) * 1000;
                log.append(Entry::read(partition, offset, timestamp, value.as_bytes(), None).expect("a tweet"));
            }
        }
        let kept: Vec<i64> = log.partitions.iter().map(|partition| partition.next - partition.memory_start).collect();
        assert_eq!(kept[1], 10, "{kept:?}");
        assert!((kept[0] - kept[2]).abs() <= 1 && kept[0] >= 10, "{kept:?}");
    }

    #[test]
    fn what_has_expired_is_forgotten_and_what_is_retained_is_not() {
        let mut log = TweetLog::new(&[0], BOUNDS);
        for offset in 0..20_000 {
            assert!(is_new(&mut log, offset, &offset.to_string()));
            log.expire(0, offset - 2000);
            assert!(log.partitions[0].first_offsets.len() <= 2 * 2000 + 2 * PRUNED_AT_LEAST);
        }
        assert!(!is_new(&mut log, 20_000, "18500"));
    }

    #[test]
    fn memory_never_begins_before_a_gap() {
        let mut log = TweetLog::new(&[0], LogBounds { memory_bytes: 1000, ..BOUNDS });
        assert!(is_new(&mut log, 0, "0") && is_new(&mut log, 1, "1"));
        assert!(log.skip_to(0, 5) && !log.skip_to(0, 5));
        for offset in 5..9 {
            assert!(is_new(&mut log, offset, &offset.to_string()));
            assert!(log.memory_start().0[0] >= 5, "{:?} at {offset}", log.memory_start());
        }
    }

    #[test]
    fn memory_is_bounded_and_knows_where_it_begins() {
        let mut log = TweetLog::new(&[0, 0], LogBounds { memory_bytes: 1000, ..BOUNDS });
        for offset in 0..100 {
            assert!(is_new(&mut log, offset, &offset.to_string()));
        }
        assert!(log.bytes <= 1000 && log.oldest.len() == 1);
        let begin = log.memory_start().0[0];
        assert!((90..100).contains(&begin));
        let mut position = Position(vec![begin, 0]);
        let mut seen = Vec::new();
        log.replay(&mut position, &Filter::default(), |entry, _| {
            seen.push(entry.offset);
            true
        });
        assert_eq!(seen, (begin..100).collect::<Vec<_>>());
        assert_eq!(position, log.position());
    }
}
