//! A conference: its totals, its windows, and what is liked and talked about.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;

use super::{
    Millis,
    counts::Counts,
    like::Like,
    minutes::Minutes,
    series::{Closing, Series},
    top_n::Names,
};
use crate::windows::Windowing;

/// What is told of a conference apart from lists and windows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Distinct tweets.
    pub tweets: u32,
    /// Distinct authors.
    pub authors: u32,
    /// Likes that stand now.
    pub likes: u32,
    /// The greatest event time on `tweets`.
    pub tweets_time: Option<Millis>,
    /// The greatest event time on `tweet-likes`.
    pub likes_time: Option<Millis>,
    /// Likes that came after a window had closed, by size.
    pub late: Vec<u32>,
    /// Likes taken back after a window had closed, by size.
    pub after_close: Vec<u32>,
    /// Records about tweets that no longer take likes.
    pub closed: u32,
    /// Posts and likes by minute.
    pub minutes: Minutes,
}

/// A conference. All indexes are those of the store.
#[derive(Debug)]
pub struct Conference {
    /// As on the topics.
    pub name: Arc<str>,
    /// What is told of it.
    pub totals: Totals,
    /// The totals at the last commit, where they have changed since.
    pub(super) saved: Option<Box<Totals>>,
    /// Likes that stand, by tweet.
    pub liked: Counts,
    /// Tweets, by hashtag.
    pub tagged: Counts,
    /// The windows, in the order of the configured sizes.
    pub series: Vec<Series>,
    /// Hashtags in the order in which they came.
    pub(super) tags: Vec<Box<str>>,
    tag_index: HashMap<Box<str>, u32, RandomState>,
    /// How many there were at the last commit.
    committed_tags: usize,
    /// The least stream time at which a tweet of it was first liked.
    pub(super) first_like: Option<Millis>,
}

impl Conference {
    pub(super) fn new(name: &str, windowing: &Windowing) -> Self {
        let sizes = windowing.windows.len();
        let totals = Totals { late: vec![0; sizes], after_close: vec![0; sizes], ..Totals::default() };
        Self {
            name: name.into(),
            totals,
            saved: None,
            liked: Counts::default(),
            tagged: Counts::default(),
            series: (0..sizes).map(|_| Series::default()).collect(),
            tags: Vec::new(),
            tag_index: HashMap::default(),
            committed_tags: 0,
            first_like: None,
        }
    }

    /// The totals at the last commit.
    pub fn committed(&self) -> &Totals {
        self.saved.as_deref().unwrap_or(&self.totals)
    }

    /// To be called before anything of it changes; true for the first time since the last commit.
    pub(super) fn touch(&mut self) -> bool {
        let first = self.saved.is_none();
        if first {
            self.saved = Some(Box::new(self.totals.clone()));
        }
        first
    }

    /// Counts a like of a tweet that was just taken, and when a tweet of this conference was first liked. Returns for how
    /// many windows it came too late.
    pub(crate) fn like(&mut self, windowing: &Windowing, tweet: u32, since: Millis, stream_time: Millis) -> u32 {
        let mut late = 0;
        self.first_like = Some(self.first_like.map_or(stream_time, |first| first.min(stream_time)));
        self.liked.step(tweet, true);
        self.totals.likes = self.totals.likes.saturating_add(1);
        for (at, spec) in windowing.windows.iter().enumerate() {
            for start in spec.containing(since) {
                if spec.is_closed(start, windowing.grace, Some(stream_time)) {
                    self.totals.late[at] = self.totals.late[at].saturating_add(1);
                    late += 1;
                } else {
                    self.series[at].like(start, tweet, true);
                }
            }
        }
        if let Some(minute) = self.totals.minutes.open(since, windowing.grace, stream_time) {
            minute.likes = minute.likes.saturating_add(1);
        }
        late
    }

    /// Takes a like of a tweet back. Returns in how many windows it stays, because they have closed since.
    pub(crate) fn unlike(&mut self, windowing: &Windowing, tweet: u32, like: Like, stream_time: Millis) -> u32 {
        let mut after_close = 0;
        self.liked.step(tweet, false);
        self.totals.likes = self.totals.likes.saturating_sub(1);
        for (at, spec) in windowing.windows.iter().enumerate() {
            for start in spec.containing(like.since) {
                if spec.is_closed(start, windowing.grace, Some(like.accepted)) {
                    // It never counted there.
                } else if spec.is_closed(start, windowing.grace, Some(stream_time)) {
                    self.totals.after_close[at] = self.totals.after_close[at].saturating_add(1);
                    after_close += 1;
                } else {
                    self.series[at].like(start, tweet, false);
                }
            }
        }
        if let Some(minute) = self.totals.minutes.open(like.since, windowing.grace, stream_time) {
            minute.likes = minute.likes.saturating_sub(1);
        }
        after_close
    }

    /// Counts a tweet that was just seen, with its hashtag, in lower case, where it has one.
    pub(crate) fn tweet(&mut self, windowing: &Windowing, hashtag: &str, time: Millis, stream_time: Millis) {
        self.totals.tweets = self.totals.tweets.saturating_add(1);
        let tag = (!hashtag.is_empty()).then(|| self.tag(hashtag));
        if let Some(tag) = tag {
            self.tagged.step(tag, true);
        }
        for (at, spec) in windowing.windows.iter().enumerate() {
            for start in spec.containing(time) {
                if !spec.is_closed(start, windowing.grace, Some(stream_time)) {
                    self.series[at].tweet(start, tag);
                }
            }
        }
        if let Some(minute) = self.totals.minutes.open(time, windowing.grace, stream_time) {
            minute.tweets = minute.tweets.saturating_add(1);
        }
    }

    /// A hashtag's index.
    fn tag(&mut self, tag: &str) -> u32 {
        if let Some(index) = self.tag_index.get(tag) {
            return *index;
        }
        let index = u32::try_from(self.tags.len()).expect("fewer hashtags than fit into memory");
        self.tags.push(tag.into());
        self.tag_index.insert(tag.into(), index);
        index
    }

    /// The hashtag of an index.
    pub fn tag_name(&self, index: u32) -> &str {
        self.tags.get(index as usize).map_or("", |tag| tag)
    }

    /// Hashtags that came since the last commit (or all), with the first one's index.
    pub(crate) fn tags(&self, new: bool) -> (usize, &[Box<str>]) {
        let first = if new { self.committed_tags } else { 0 };
        (first, &self.tags[first..])
    }

    /// What is over, by size.
    fn closings(&self, windowing: &Windowing) -> Vec<Closing> {
        let (likes_time, tweets_time) = (self.totals.likes_time, self.totals.tweets_time);
        let closing = |spec: &_| Closing { spec: *spec, grace: windowing.grace, likes_time, tweets_time };
        windowing.windows.iter().map(closing).collect()
    }

    pub(super) fn commit(&mut self, windowing: &Windowing, n: usize, tweets: &impl Names) {
        self.saved = None;
        self.committed_tags = self.tags.len();
        self.liked.commit();
        self.tagged.commit();
        self.totals.minutes.trim(self.totals.tweets_time, self.totals.likes_time);
        let closings = self.closings(windowing);
        for (series, closing) in self.series.iter_mut().zip(&closings) {
            series.commit(closing, n, tweets, &Tags(&self.tags));
        }
    }

    pub(super) fn undo(&mut self) {
        if let Some(saved) = self.saved.take() {
            self.totals = *saved;
        }
        for tag in self.tags.drain(self.committed_tags..) {
            self.tag_index.remove(&tag);
        }
        self.liked.undo();
        self.tagged.undo();
        self.series.iter_mut().for_each(Series::undo);
    }

    /// Restoring: hashtags from an index on.
    pub(crate) fn load_tags(&mut self, first: usize, tags: Vec<String>) {
        // A pack from before the whole conference was written may name them again.
        for (at, tag) in tags.into_iter().enumerate() {
            match (first + at).cmp(&self.tags.len()) {
                std::cmp::Ordering::Less => self.tags[first + at] = tag.into(),
                std::cmp::Ordering::Equal => self.tags.push(tag.into()),
                // What stands between comes later, with the whole conference.
                std::cmp::Ordering::Greater => {
                    self.tags.resize(first + at, "".into());
                    self.tags.push(tag.into());
                }
            }
        }
    }

    /// Restoring: makes what follows from the rest. Comes once, last.
    pub(super) fn finish_loading(&mut self, windowing: &Windowing, n: usize, tweets: &impl Names) {
        self.tag_index = self
            .tags
            .iter()
            .enumerate()
            .map(|(at, tag)| (tag.clone(), u32::try_from(at).unwrap_or(u32::MAX)))
            .collect();
        self.commit(windowing, n, tweets);
    }
}

/// Hashtags, by which those with equal counts are told apart.
pub(super) struct Tags<'a>(pub(super) &'a [Box<str>]);

impl Names for Tags<'_> {
    fn name(&self, index: u32) -> &[u8] {
        self.0.get(index as usize).map_or(&[], |tag| tag.as_bytes())
    }
}
