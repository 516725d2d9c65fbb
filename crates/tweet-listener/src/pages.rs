//! Pages of old tweets: each is read from Kafka once for all who want it, by a bounded number of readers.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kafka_client::{KafkaConfig, KafkaError, OwnedRecord, Range, RangeReader};
use tokio::sync::watch;

use crate::{hub::Hub, tweet_log::Entry};

/// Records of one page over all partitions together, where there are few of them.
const RECORDS: i64 = 512;
/// Pages that one reader asks for at one time.
const BATCH: usize = 32;
/// Pages that are kept for who comes next, in bytes.
const KEPT: usize = 16 << 20;
/// How long the broker may take for one batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a page stands: its partition, and its number in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Index of the partition.
    pub partition: usize,
    /// Counted from the beginning of the log.
    pub number: i64,
}

/// What is to be shown of a piece of one partition.
#[derive(Debug, Default)]
pub struct Page {
    /// The first offset that was read.
    pub from: i64,
    /// One past the last offset that was read.
    pub to: i64,
    /// The tweets, repeats left out.
    pub entries: Vec<Entry>,
}

impl Page {
    /// Whether all of `wanted` was read.
    pub fn has(&self, wanted: &Range) -> bool {
        self.from <= wanted.from && wanted.to <= self.to
    }

    fn weight(&self) -> usize {
        self.entries.iter().map(Entry::weight).sum::<usize>() + size_of::<Self>()
    }
}

/// A page, or why it cannot be had.
type Outcome = Result<Arc<Page>, KafkaError>;

/// A page that is not there yet. Dropping it takes the wish back.
pub struct Awaited(watch::Receiver<Option<Outcome>>);

/// A page as somebody finds it.
pub enum Found {
    /// Read already.
    There(Arc<Page>),
    /// To be read.
    Awaited(Awaited),
}

enum Slot {
    There { page: Arc<Page>, used: u64 },
    Wanted { from: i64, done: watch::Sender<Option<Outcome>> },
}

/// Which pages are there, which are wanted, and who reads them.
#[derive(Default)]
struct Shelf {
    slots: HashMap<Place, Slot>,
    /// Wanted ones that nobody reads yet, in the order in which they were asked for.
    queue: VecDeque<Place>,
    readers: usize,
    bytes: usize,
    uses: u64,
}

/// The pages of `tweets`.
pub struct Pages {
    hub: Arc<Hub>,
    config: KafkaConfig,
    topic: String,
    max_readers: usize,
    size: i64,
    shelf: Mutex<Shelf>,
}

impl Pages {
    /// Of `topic` (its full name) with `partitions`, read by at most `max_readers` at one time.
    pub fn new(hub: Arc<Hub>, config: KafkaConfig, topic: String, partitions: usize, max_readers: usize) -> Self {
        let size = (RECORDS / i64::try_from(partitions).unwrap_or(RECORDS).max(1)).max(16);
        Self { hub, config, topic, max_readers, size, shelf: Mutex::default() }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place and the piece of it that holds `from`, up to `until`.
    pub fn place(&self, partition: usize, from: i64, until: i64) -> (Place, Range) {
        let number = from / self.size;
        let to = until.min((number + 1) * self.size);
        (Place { partition, number }, Range { partition: i32::try_from(partition).unwrap_or(i32::MAX), from, to })
    }

    /// A page that has `wanted`, where it has been read already.
    pub fn there(&self, place: Place, wanted: &Range) -> Option<Arc<Page>> {
        self.shelf().there(place, wanted)
    }

    /// A page that has `wanted`, or the wish for one; the log is known to begin at `start`.
    pub fn want(self: &Arc<Self>, place: Place, wanted: &Range, start: i64) -> Found {
        let from = start.max(place.number * self.size).min(wanted.from);
        let mut shelf = self.shelf();
        let found = shelf.want(place, wanted, from);
        if !shelf.queue.is_empty() && shelf.readers < self.max_readers {
            shelf.readers += 1;
            let pages = Arc::clone(self);
            tokio::task::spawn_blocking(move || pages.read());
        }
        found
    }

    /// Reads what is wanted until nothing more is.
    fn read(&self) {
        let mut reader = None;
        loop {
            let batch = self.shelf().take();
            if batch.is_empty() {
                return;
            }
            let head = self.hub.position();
            let ranges: Vec<(Place, Range)> = batch
                .into_iter()
                .map(|(place, from)| {
                    let (_, range) = self.place(place.partition, from, head.0[place.partition]);
                    (place, range)
                })
                .collect();
            metrics::counter!("tweet_listener_pages_read_total").increment(ranges.len() as u64);
            let read = self.read_batch(&mut reader, &ranges);
            if read.is_err() {
                reader = None;
            }
            let mut shelf = self.shelf();
            match read {
                Ok(pages) => pages.into_iter().for_each(|(place, page)| shelf.put(place, page)),
                Err(error) => ranges.iter().for_each(|(place, _)| shelf.fail(*place, &error)),
            }
        }
    }

    fn read_batch(
        &self,
        reader: &mut Option<RangeReader>,
        wanted: &[(Place, Range)],
    ) -> Result<Vec<(Place, Page)>, KafkaError> {
        let reader = match reader {
            Some(reader) => reader,
            none => none.insert(RangeReader::new(&self.config, &self.topic)?),
        };
        // Neighbours are one piece to the broker.
        let mut pieces: Vec<Range> = Vec::new();
        for (_, range) in wanted {
            match pieces.iter_mut().find(|piece| piece.partition == range.partition) {
                Some(piece) => (piece.from, piece.to) = (piece.from.min(range.from), piece.to.max(range.to)),
                None => pieces.push(*range),
            }
        }
        let records = reader.read(&pieces, PATIENCE)?;
        let mut pages: Vec<(Place, Page)> = wanted
            .iter()
            .map(|(place, range)| (*place, Page { from: range.from, to: range.to, entries: Vec::new() }))
            .collect();
        for record in records {
            let at = wanted.iter().position(|(_, range)| {
                range.partition == record.partition && (range.from..range.to).contains(&record.offset)
            });
            if let Some(at) = at {
                pages[at].1.entries.extend(self.shown(&record));
            }
        }
        Ok(pages)
    }

    /// The tweet of a record, where it is to be shown. An unreadable one was counted and logged when the feed met it.
    fn shown(&self, record: &OwnedRecord) -> Option<Entry> {
        let partition = usize::try_from(record.partition).ok()?;
        let value = record.value.as_deref().unwrap_or_default();
        let entry = self.hub.entry(partition, record.offset, record.timestamp, value, record.trace).ok()?;
        (!self.hub.is_repeat(&entry)).then_some(entry)
    }
}

impl Awaited {
    /// The page, once it has been read.
    ///
    /// # Errors
    /// Where the broker did not give it.
    pub async fn page(mut self) -> Outcome {
        match self.0.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            _ => Err(KafkaError::new("the reader of old records has ended")),
        }
    }
}

impl Shelf {
    fn there(&mut self, place: Place, wanted: &Range) -> Option<Arc<Page>> {
        self.uses += 1;
        match self.slots.get_mut(&place) {
            Some(Slot::There { page, used }) if page.has(wanted) => {
                *used = self.uses;
                Some(Arc::clone(page))
            }
            _ => None,
        }
    }

    fn want(&mut self, place: Place, wanted: &Range, from: i64) -> Found {
        if let Some(page) = self.there(place, wanted) {
            return Found::There(page);
        }
        if let Some(Slot::Wanted { done, from: asked }) = self.slots.get_mut(&place) {
            *asked = from.min(*asked);
            return Found::Awaited(Awaited(done.subscribe()));
        }
        let (done, awaited) = watch::channel(None);
        if let Some(Slot::There { page, .. }) = self.slots.insert(place, Slot::Wanted { from, done }) {
            self.bytes -= page.weight();
        }
        self.queue.push_back(place);
        Found::Awaited(Awaited(awaited))
    }

    /// What a reader reads next: one piece of each partition. Empty, and one reader fewer, where nothing is wanted.
    fn take(&mut self) -> Vec<(Place, i64)> {
        let Self { slots, queue, .. } = self;
        // Whoever has gone meanwhile does not stand in the way of the others.
        queue.retain(|place| match slots.get(place) {
            Some(Slot::Wanted { done, .. }) if done.receiver_count() > 0 => true,
            _ => {
                slots.remove(place);
                false
            }
        });
        let mut batch: Vec<(Place, i64)> = Vec::new();
        let (mut ends, mut named): (HashMap<usize, i64>, HashSet<usize>) = (HashMap::new(), HashSet::new());
        queue.retain(|place| {
            let next = ends.get(&place.partition).is_none_or(|end| *end == place.number);
            let Some(Slot::Wanted { from, .. }) = slots.get(place) else { return false };
            if batch.len() == BATCH || !next && named.contains(&place.partition) {
                return true;
            }
            named.insert(place.partition);
            ends.insert(place.partition, place.number + 1);
            batch.push((*place, *from));
            false
        });
        self.readers -= usize::from(batch.is_empty());
        batch
    }

    fn put(&mut self, place: Place, page: Page) {
        let page = Arc::new(page);
        self.bytes += page.weight();
        self.uses += 1;
        let there = Slot::There { page: Arc::clone(&page), used: self.uses };
        if let Some(Slot::Wanted { done, .. }) = self.slots.insert(place, there) {
            done.send_replace(Some(Ok(page)));
        }
        while self.bytes > KEPT {
            let oldest = self.slots.iter().filter_map(|(place, slot)| match slot {
                Slot::There { used, .. } => Some((*used, *place)),
                Slot::Wanted { .. } => None,
            });
            let Some((_, place)) = oldest.min() else { return };
            if let Some(Slot::There { page, .. }) = self.slots.remove(&place) {
                self.bytes -= page.weight();
            }
        }
    }

    fn fail(&mut self, place: Place, error: &KafkaError) {
        if let Some(Slot::Wanted { done, .. }) = self.slots.remove(&place) {
            done.send_replace(Some(Err(error.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(from: i64) -> Range {
        Range { partition: 0, from, to: from + 1 }
    }

    fn place(partition: usize, number: i64) -> Place {
        Place { partition, number }
    }

    fn awaited(found: Found) -> Awaited {
        match found {
            Found::Awaited(awaited) => awaited,
            Found::There(page) => panic!("{page:?}"),
        }
    }

    #[tokio::test]
    async fn a_page_that_a_thousand_want_is_read_once() {
        let mut shelf = Shelf { readers: 1, ..Shelf::default() };
        let all: Vec<Awaited> = (0..1000).map(|n| awaited(shelf.want(place(0, 0), &wanted(n % 10), n % 10))).collect();
        assert_eq!(shelf.take(), [(place(0, 0), 0)], "from the first offset that anybody wants");
        // Who comes while it is read waits for the same.
        let late = awaited(shelf.want(place(0, 0), &wanted(3), 3));
        shelf.put(place(0, 0), Page { from: 0, to: 10, entries: Vec::new() });
        for awaited in all.into_iter().chain([late]) {
            assert_eq!(awaited.page().await.expect("read").to, 10);
        }
        assert!(shelf.there(place(0, 0), &wanted(9)).is_some() && shelf.there(place(0, 0), &wanted(10)).is_none());
        assert!(shelf.take().is_empty() && shelf.readers == 0);
    }

    #[test]
    fn who_has_gone_does_not_stand_in_the_way() {
        let mut shelf = Shelf { readers: 1, ..Shelf::default() };
        for number in 0..100 {
            drop(shelf.want(place(0, number), &wanted(number), number));
        }
        let _here = awaited(shelf.want(place(0, 100), &wanted(100), 100));
        assert_eq!(shelf.take(), [(place(0, 100), 100)]);
        assert_eq!(shelf.slots.len(), 1);
    }

    #[test]
    fn a_batch_has_one_piece_of_each_partition() {
        let mut shelf = Shelf { readers: 1, ..Shelf::default() };
        let places = [place(0, 5), place(1, 2), place(0, 9), place(0, 6), place(0, 7), place(1, 4)];
        let _all: Vec<Found> = places.iter().map(|at| shelf.want(*at, &wanted(at.number), at.number)).collect();
        let taken: Vec<Place> = shelf.take().into_iter().map(|(place, _)| place).collect();
        assert_eq!(taken, [place(0, 5), place(1, 2), place(0, 6), place(0, 7)]);
        let rest: Vec<Place> = shelf.take().into_iter().map(|(place, _)| place).collect();
        assert_eq!(rest, [place(0, 9), place(1, 4)]);
    }

    #[tokio::test]
    async fn a_failure_reaches_all_who_wait_and_nobody_who_comes_later() {
        let mut shelf = Shelf { readers: 1, ..Shelf::default() };
        let waits = awaited(shelf.want(place(0, 0), &wanted(0), 0));
        shelf.take();
        shelf.fail(place(0, 0), &KafkaError::new("no"));
        assert!(waits.page().await.is_err());
        let _again = awaited(shelf.want(place(0, 0), &wanted(0), 0));
        assert_eq!(shelf.take().len(), 1);
    }
}
