//! The windows of one conference and size.

use super::{
    Millis,
    counts::Counts,
    top_n::{Names, Ranked},
};
use crate::windows::WindowSpec;

/// Windows that may still change or whose end has not been told, by their beginning.
#[derive(Debug, Default)]
pub struct Series {
    windows: Vec<Window>,
}

/// One window.
#[derive(Debug)]
pub struct Window {
    /// Where it begins.
    pub start: Millis,
    /// Likes that count in it.
    pub likes: u32,
    /// Tweets that count in it.
    pub tweets: u32,
    pub(super) liked: Side,
    pub(super) tagged: Side,
    change: Change,
}

/// What counts by one of the two stream times.
#[derive(Debug)]
pub(super) enum Side {
    /// It takes more.
    Open(Counts),
    /// It is over: only the best are of use any more.
    Closed(Vec<Ranked>),
}

/// What has happened since the last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    No,
    /// It had so many likes and tweets.
    Since(u32, u32),
    /// There was no such window.
    New,
}

impl Side {
    fn open(&mut self) -> Option<&mut Counts> {
        match self {
            Self::Open(counts) => Some(counts),
            Self::Closed(_) => None,
        }
    }

    fn close(&mut self, n: usize, names: &impl Names) {
        if let Self::Open(counts) = self {
            *self = Self::Closed(counts.top(n, names).to_vec());
        }
    }

    /// The `n` greatest, best first.
    pub(super) fn top(&mut self, n: usize, names: &impl Names) -> &[Ranked] {
        match self {
            Self::Open(counts) => counts.top(n, names),
            Self::Closed(list) => &list[..n.min(list.len())],
        }
    }
}

impl Window {
    fn new(start: Millis, change: Change) -> Self {
        let side = || Side::Open(Counts::default());
        Self { start, likes: 0, tweets: 0, liked: side(), tagged: side(), change }
    }

    fn touch(&mut self) {
        if self.change == Change::No {
            self.change = Change::Since(self.likes, self.tweets);
        }
    }

    /// Whether it has changed since the last commit.
    pub fn is_touched(&self) -> bool {
        self.change != Change::No
    }

    /// Counts of likes by tweet that are written down: what has changed, or all that is known.
    pub(crate) fn liked(&self, changed: bool) -> Vec<Ranked> {
        written(&self.liked, changed)
    }

    /// The same of hashtags.
    pub(crate) fn tagged(&self, changed: bool) -> Vec<Ranked> {
        written(&self.tagged, changed)
    }
}

fn written(side: &Side, changed: bool) -> Vec<Ranked> {
    match side {
        Side::Open(counts) if changed => counts.touched().map(|(index, _, now)| (index, now)).collect(),
        Side::Open(counts) => counts.all().collect(),
        Side::Closed(_) if changed => Vec::new(),
        Side::Closed(list) => list.clone(),
    }
}

impl Series {
    /// All windows, oldest first.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    pub(super) fn window_mut(&mut self, start: Millis) -> Option<&mut Window> {
        self.windows.iter_mut().rev().find(|window| window.start == start)
    }

    /// Counts a like of a tweet, or takes it back, in the window that begins at `start`.
    pub(super) fn like(&mut self, start: Millis, tweet: u32, up: bool) {
        let window = self.change(start);
        window.likes = if up { window.likes.saturating_add(1) } else { window.likes.saturating_sub(1) };
        if let Some(counts) = window.liked.open() {
            counts.step(tweet, up);
        }
    }

    /// Counts a tweet, with its hashtag where it has one, in the window that begins at `start`.
    pub(super) fn tweet(&mut self, start: Millis, tag: Option<u32>) {
        let window = self.change(start);
        window.tweets = window.tweets.saturating_add(1);
        if let (Some(tag), Some(counts)) = (tag, window.tagged.open()) {
            counts.step(tag, true);
        }
    }

    fn change(&mut self, start: Millis) -> &mut Window {
        // What comes is nearly always of the newest ones.
        let at = match self.windows.iter().rposition(|window| window.start <= start) {
            Some(at) if self.windows[at].start == start => at,
            before => {
                let at = before.map_or(0, |before| before + 1);
                self.windows.insert(at, Window::new(start, Change::New));
                at
            }
        };
        let window = &mut self.windows[at];
        window.touch();
        window
    }

    /// Makes all changes stay. What is over for likes, or for tweets, keeps its `n` best only; what is over for both has
    /// been told and goes.
    pub(super) fn commit(&mut self, closing: &Closing, n: usize, tweets: &impl Names, tags: &impl Names) {
        self.windows.retain_mut(|window| {
            window.change = Change::No;
            let (likes, tweets_closed) = closing.of(window.start);
            if likes {
                window.liked.close(n, tweets);
            }
            if tweets_closed {
                window.tagged.close(n, tags);
            }
            for side in [&mut window.liked, &mut window.tagged] {
                if let Some(counts) = side.open() {
                    counts.commit();
                }
            }
            !(likes && tweets_closed)
        });
    }

    pub(super) fn undo(&mut self) {
        self.windows.retain_mut(|window| {
            match window.change {
                Change::No => return true,
                Change::New => return false,
                Change::Since(likes, tweets) => (window.likes, window.tweets) = (likes, tweets),
            }
            window.change = Change::No;
            for side in [&mut window.liked, &mut window.tagged] {
                if let Some(counts) = side.open() {
                    counts.undo();
                }
            }
            true
        });
    }

    /// Restoring: the window that begins at `start`, with so many likes and tweets.
    pub(crate) fn load(&mut self, start: Millis, likes: u32, tweets: u32) -> (&mut Counts, &mut Counts) {
        let at = self.windows.partition_point(|window| window.start < start);
        if self.windows.get(at).is_none_or(|window| window.start != start) {
            self.windows.insert(at, Window::new(start, Change::No));
        }
        let window = &mut self.windows[at];
        (window.likes, window.tweets) = (likes, tweets);
        match (&mut window.liked, &mut window.tagged) {
            (Side::Open(liked), Side::Open(tagged)) => (liked, tagged),
            _ => unreachable!("sides close after restoring"),
        }
    }
}

/// Which windows of a size are over.
pub(super) struct Closing {
    pub(super) spec: WindowSpec,
    pub(super) grace: Millis,
    pub(super) likes_time: Option<Millis>,
    pub(super) tweets_time: Option<Millis>,
}

impl Closing {
    /// Whether the window that begins at `start` is over for likes, and for tweets.
    pub(super) fn of(&self, start: Millis) -> (bool, bool) {
        let closed = |time| self.spec.is_closed(start, self.grace, time);
        (closed(self.likes_time), closed(self.tweets_time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tweet::Ids;

    #[test]
    fn a_window_that_waits_for_the_other_topic_keeps_its_best_entries_only() {
        let mut series = Series::default();
        let spec: WindowSpec = "10s".parse().expect("a window");
        for tag in 0..1_000 {
            series.tweet(0, Some(tag));
        }
        let closing = Closing { spec, grace: 0, likes_time: None, tweets_time: Some(10_000) };
        series.commit(&closing, 120, &Ids(&[]), &Ids(&[]));
        let [window] = series.windows() else { panic!("it has gone before it was final") };
        assert!(matches!(&window.tagged, Side::Closed(list) if list.len() == 120 && list.capacity() == 120));
        assert!(matches!(&window.liked, Side::Open(counts) if counts.all().next().is_none()), "likes may still come");
        assert!(size_of::<Window>() <= 320, "{}", size_of::<Window>());
        series.commit(&Closing { likes_time: Some(10_000), ..closing }, 120, &Ids(&[]), &Ids(&[]));
        assert!(series.windows().is_empty());
    }
}
