//! The lists that results show.

use super::{
    Millis,
    conference::{Conference, Tags},
    top_n::Ranked,
    tweet::{Ids, Tweet},
};

/// How to make lists.
pub(crate) struct Lists<'a> {
    /// All tweets of the store.
    pub(crate) tweets: &'a [Tweet],
    /// The length of lists.
    pub(crate) n: usize,
}

impl Lists<'_> {
    /// The most liked tweets of a conference.
    pub(crate) fn liked(&self, conference: &mut Conference) -> Vec<Ranked> {
        conference.liked.top(self.n, &Ids(self.tweets)).to_vec()
    }

    /// Its most frequent hashtags.
    pub(crate) fn tagged(&self, conference: &mut Conference) -> Vec<Ranked> {
        conference.tagged.top(self.n, &Tags(&conference.tags)).to_vec()
    }

    /// The most liked tweets of the window of a size that begins at `start`; none where there is no such window.
    pub(crate) fn liked_in(&self, conference: &mut Conference, size: usize, start: Millis) -> Vec<Ranked> {
        let window = conference.series.get_mut(size).and_then(|series| series.window_mut(start));
        window.map(|window| window.liked.top(self.n, &Ids(self.tweets)).to_vec()).unwrap_or_default()
    }

    /// The most frequent hashtags of that window.
    pub(crate) fn tagged_in(&self, conference: &mut Conference, size: usize, start: Millis) -> Vec<Ranked> {
        let window = conference.series.get_mut(size).and_then(|series| series.window_mut(start));
        window.map(|window| window.tagged.top(self.n, &Tags(&conference.tags)).to_vec()).unwrap_or_default()
    }
}
