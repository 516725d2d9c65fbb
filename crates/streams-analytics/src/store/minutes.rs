//! Posts and likes by minute, as far back as they are shown.

use super::Millis;
use crate::windows::WindowSpec;

/// How many minutes are shown, up to the one of the stream time.
const SHOWN: Millis = 60;

const MINUTE: WindowSpec = WindowSpec::MINUTE;

/// A minute in which something counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// Where it begins.
    pub start: Millis,
    /// Tweets of it.
    pub tweets: u32,
    /// Likes since it.
    pub likes: u32,
}

impl Minute {
    /// What is shown of it: tweets if it is among the last 60 of tweets, likes if it is among the last 60 of likes.
    fn shown(&self, tweets_time: Option<Millis>, likes_time: Option<Millis>) -> Option<Self> {
        let within = |time: Option<Millis>| time.is_some_and(|time| self.start >= oldest(time));
        let tweets = if within(tweets_time) { self.tweets } else { 0 };
        let likes = if within(likes_time) { self.likes } else { 0 };
        (tweets > 0 || likes > 0).then_some(Self { start: self.start, tweets, likes })
    }
}

/// Minutes, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Minutes(Vec<Minute>);

impl Minutes {
    /// The minute of `time`, to count in it; `None` where `stream_time` has closed it, or has gone too far past it for it
    /// to be shown.
    pub(super) fn open(&mut self, time: Millis, grace: Millis, stream_time: Millis) -> Option<&mut Minute> {
        let start = MINUTE.newest(time);
        if MINUTE.is_closed(start, grace, Some(stream_time)) || start < oldest(stream_time) {
            return None;
        }
        Some(self.minute(start))
    }

    /// The minute that begins at `start`, made where there is none yet.
    fn minute(&mut self, start: Millis) -> &mut Minute {
        let at = match self.0.iter().rposition(|minute| minute.start <= start) {
            Some(at) if self.0[at].start == start => at,
            before => {
                let at = before.map_or(0, |before| before + 1);
                self.0.insert(at, Minute { start, tweets: 0, likes: 0 });
                at
            }
        };
        &mut self.0[at]
    }

    /// Restoring: puts a minute in its place.
    pub(crate) fn load(&mut self, minute: Minute) {
        *self.minute(minute.start) = minute;
    }

    /// Drops what neither stream time shows any more. Where one topic has gone quiet, what lies between its last minutes
    /// and the other's goes, too: should it go on, it counts there from the beginning, as far as it is shown.
    pub(super) fn trim(&mut self, tweets_time: Option<Millis>, likes_time: Option<Millis>) {
        self.0.retain(|minute| minute.shown(tweets_time, likes_time).is_some());
    }

    /// What is shown: the last 60 minutes of tweets, and the last 60 of likes.
    pub fn shown(&self, tweets_time: Option<Millis>, likes_time: Option<Millis>) -> impl Iterator<Item = Minute> {
        self.0.iter().filter_map(move |minute| minute.shown(tweets_time, likes_time))
    }

    /// Minutes that are other ones than in `before`, as far as they are shown or were.
    pub(crate) fn changed(
        &self,
        before: &Self,
        tweets_time: Option<Millis>,
        likes_time: Option<Millis>,
    ) -> impl Iterator<Item = Minute> {
        let is_shown = move |minute: &Minute| minute.shown(tweets_time, likes_time).is_some();
        let mut earlier = before.0.iter().peekable();
        self.0.iter().copied().filter(move |minute| {
            while earlier.next_if(|earlier| earlier.start < minute.start).is_some() {}
            let old = earlier.next_if(|earlier| earlier.start == minute.start);
            old != Some(minute) && (is_shown(minute) || old.is_some_and(is_shown))
        })
    }
}

fn oldest(stream_time: Millis) -> Millis {
    MINUTE.newest(stream_time) - (SHOWN - 1) * MINUTE.size
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;

    #[test]
    fn a_topic_that_has_gone_quiet_makes_the_other_ones_minutes_no_more() {
        let (mut minutes, quiet) = (Minutes::default(), 2 * HOUR);
        for minute in 0..120 {
            minutes.open(minute * MINUTE.size, 0, minute * MINUTE.size).expect("open").likes += 1;
        }
        for minute in 0..10_000 {
            let now = minute * MINUTE.size;
            minutes.open(now, 0, now).expect("open").tweets += 1;
            minutes.trim(Some(now), Some(quiet));
            assert!(minutes.0.len() <= 120, "{} after {minute}", minutes.0.len());
        }
        assert_eq!(minutes.shown(None, Some(quiet)).count(), 59, "the last hour of likes is still shown");
    }

    #[test]
    fn what_has_changed_is_told_also_where_nothing_is_left() {
        let mut minutes = Minutes::default();
        for start in [0, MINUTE.size, 2 * MINUTE.size] {
            minutes.open(start, HOUR, start).expect("open").likes = 1;
        }
        let before = minutes.clone();
        minutes.open(MINUTE.size, HOUR, MINUTE.size).expect("open").likes = 0;
        minutes.open(3 * MINUTE.size, HOUR, 3 * MINUTE.size).expect("open").tweets = 2;
        let now = Some(3 * MINUTE.size);
        let changed: Vec<_> = minutes.changed(&before, now, now).map(|m| (m.start, m.tweets, m.likes)).collect();
        assert_eq!(changed, [(MINUTE.size, 0, 0), (3 * MINUTE.size, 2, 0)]);
        assert_eq!(minutes.changed(&before, Some(HOUR * 9), Some(HOUR * 9)).count(), 0, "nobody sees it any more");
    }
}
