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
        let at = match self.0.iter().rposition(|minute| minute.start <= start) {
            Some(at) if self.0[at].start == start => at,
            before => {
                let at = before.map_or(0, |before| before + 1);
                self.0.insert(at, Minute { start, tweets: 0, likes: 0 });
                at
            }
        };
        self.0.get_mut(at)
    }

    /// Everything that is kept.
    pub(crate) fn all(&self) -> &[Minute] {
        &self.0
    }

    /// Restoring: everything that is kept.
    pub(crate) fn load(&mut self, minutes: Vec<Minute>) {
        self.0 = minutes;
    }

    /// Drops what neither stream time shows any more.
    pub(super) fn trim(&mut self, tweets_time: Option<Millis>, likes_time: Option<Millis>) {
        let oldest = [tweets_time, likes_time].into_iter().flatten().map(oldest).min().unwrap_or(Millis::MIN);
        let gone = self.0.partition_point(|minute| minute.start < oldest);
        self.0.drain(..gone);
    }

    /// What is shown: the last 60 minutes of tweets, and the last 60 of likes.
    pub fn shown(&self, tweets_time: Option<Millis>, likes_time: Option<Millis>) -> impl Iterator<Item = Minute> {
        let within = |start: Millis, time: Option<Millis>| time.is_some_and(|time| start >= oldest(time));
        self.0.iter().filter_map(move |minute| {
            let tweets = if within(minute.start, tweets_time) { minute.tweets } else { 0 };
            let likes = if within(minute.start, likes_time) { minute.likes } else { 0 };
            (tweets > 0 || likes > 0).then_some(Minute { start: minute.start, tweets, likes })
        })
    }
}

fn oldest(stream_time: Millis) -> Millis {
    MINUTE.newest(stream_time) - (SHOWN - 1) * MINUTE.size
}
