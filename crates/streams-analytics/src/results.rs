//! What a commit tells the world.

use std::collections::BTreeMap;

use contracts::{
    ConferenceAnalytics, HashtagCount, LikeCount, MinuteCounts, RankedTweet, Timestamp, TopList, WindowResult,
};

use crate::{
    store::{Conference, Lists, Ranked, Series, Store, Totals, Tweet},
    windows::{WindowSpec, Windowing},
};

/// The window that is all time.
pub const ALL: &str = "all";

/// What is counted under `late` of tweets that no longer take likes.
const CLOSED: &str = "closed";

/// What the lists of one record may take, in bytes: client and broker take records of 1,000,000. Besides, there are
/// hashtags (120 of 100 characters, each up to 6 bytes in JSON), minutes and totals.
const LISTS_BYTES: usize = 850_000;

/// An entry without text and author: a tweet's id and a conference's, of 64 bytes each, a count, and their names.
const ENTRY_BYTES: usize = 256;

/// Results that changed since the last commit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// Tweets with another count than at the last commit.
    pub counts: Vec<LikeCount>,
    /// Conferences of which anything changed.
    pub conferences: Vec<ConferenceAnalytics>,
    /// Windows of which anything changed, whether they are over included.
    pub windows: Vec<WindowResult>,
}

/// The results that changed since the last commit; lists have up to `entries` tweets.
pub fn results(store: &mut Store, entries: usize) -> Results {
    let windowing = std::sync::Arc::clone(&store.windowing);
    let mut results = Results::default();
    for (conference, tweets) in store.touched_conferences_mut() {
        let of = Of { windowing: &windowing, tweets, entries, shown: Shown::new(entries, windowing.windows.len()) };
        of.counts(conference, &mut results.counts);
        results.conferences.push(of.analytics(conference));
        for (at, spec) in windowing.windows.iter().enumerate() {
            of.windows(conference, at, *spec, &mut results.windows);
        }
    }
    results
}

/// What results of a conference are made of, besides itself.
struct Of<'a> {
    windowing: &'a Windowing,
    tweets: &'a [Tweet],
    entries: usize,
    shown: Shown,
}

/// What an entry shows of a tweet, in bytes of JSON, so that a record with all lists is never too large. All that is kept,
/// unless there are many and long lists.
#[derive(Debug, Clone, Copy)]
struct Shown {
    text: usize,
    author: usize,
}

impl Shown {
    /// In a record with a list of all time and one of each size.
    fn new(entries: usize, sizes: usize) -> Self {
        let each = (LISTS_BYTES / (entries * (1 + sizes)).max(1)).saturating_sub(ENTRY_BYTES);
        Self { text: each / 3 * 2, author: each / 3 }
    }
}

/// The beginning of a text that takes at most so many bytes in JSON.
fn beginning(text: &str, most: usize) -> &str {
    // The usual case, in which there is no need to look.
    if text.len() * 6 <= most {
        return text;
    }
    let mut bytes = 0;
    let end = text.char_indices().find(|(_, char)| {
        bytes += match char {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..' ' => 6,
            char => char.len_utf8(),
        };
        bytes > most
    });
    end.map_or(text, |(end, _)| &text[..end])
}

impl Of<'_> {
    fn counts(&self, conference: &Conference, counts: &mut Vec<LikeCount>) {
        let changed = conference.liked.touched().filter(|(_, old, now)| old != now);
        counts.extend(changed.map(|(tweet, _, count)| LikeCount {
            tweet_id: self.tweets.get(tweet as usize).map(|tweet| tweet.id.to_string()).unwrap_or_default(),
            conference: conference.name.to_string(),
            count,
        }));
    }

    fn analytics(&self, conference: &mut Conference) -> ConferenceAnalytics {
        let name = conference.name.to_string();
        let lists = Lists { tweets: self.tweets, n: self.entries };
        let nrs = self.ranked(&name, lists.liked(conference));
        let mut top = BTreeMap::from([(ALL.to_owned(), TopList { start: None, end: None, r#final: false, nrs })]);
        for (at, spec) in self.windowing.windows.iter().enumerate() {
            let Some(stream_time) = conference.totals.likes_time else { continue };
            let start = spec.newest(stream_time);
            let nrs = lists.liked_in(conference, at, start);
            let list = TopList {
                start: Some(Timestamp::from_millis(start)),
                end: Some(Timestamp::from_millis(spec.end(start))),
                r#final: false,
                nrs: self.ranked(&name, nrs),
            };
            top.insert(spec.name(), list);
        }
        let hashtags = lists.tagged(conference);
        let totals = &conference.totals;
        ConferenceAnalytics {
            conference: name,
            tweets_stream_time: totals.tweets_time.map(Timestamp::from_millis),
            likes_stream_time: totals.likes_time.map(Timestamp::from_millis),
            tweet_count: totals.tweets,
            author_count: totals.authors,
            like_count: totals.likes,
            top,
            late: self.late(totals),
            after_close: self.by_size(&totals.after_close).collect(),
            per_minute: per_minute(totals),
            hashtags: hashtag_counts(conference, hashtags),
        }
    }

    fn late(&self, totals: &Totals) -> BTreeMap<String, u32> {
        let closed = (totals.closed > 0).then(|| (CLOSED.to_owned(), totals.closed));
        self.by_size(&totals.late).chain(closed).collect()
    }

    fn by_size<'a>(&'a self, counts: &'a [u32]) -> impl Iterator<Item = (String, u32)> + 'a {
        let sizes = self.windowing.windows.iter().map(WindowSpec::name);
        sizes.zip(counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    fn windows(&self, conference: &mut Conference, at: usize, spec: WindowSpec, results: &mut Vec<WindowResult>) {
        let times = |totals: &Totals| (totals.likes_time, totals.tweets_time);
        let (before, now) = (times(conference.committed()), times(&conference.totals));
        let closed = |start, time| spec.is_closed(start, self.windowing.grace, time);
        let flags = |start, (likes, tweets)| (closed(start, likes), closed(start, tweets));
        let windows = conference.series.get(at).map(Series::windows).unwrap_or_default();
        let changed = windows
            .iter()
            .filter(|window| window.is_touched() || flags(window.start, before) != flags(window.start, now));
        let changed: Vec<_> = changed.map(|window| (window.start, window.likes, window.tweets)).collect();
        let lists = Lists { tweets: self.tweets, n: self.entries };
        for (start, likes, tweets) in changed {
            let (likes_final, tweets_final) = flags(start, now);
            let liked = lists.liked_in(conference, at, start);
            let tagged = lists.tagged_in(conference, at, start);
            results.push(WindowResult {
                conference: conference.name.to_string(),
                size: spec.name(),
                start: Some(Timestamp::from_millis(start)),
                end: Some(Timestamp::from_millis(spec.end(start))),
                likes_final,
                tweets_final,
                r#final: likes_final && tweets_final,
                likes,
                tweets,
                nrs: self.ranked(&conference.name, liked),
                hashtags: hashtag_counts(conference, tagged),
            });
        }
    }

    fn ranked(&self, conference: &str, list: Vec<Ranked>) -> Vec<RankedTweet> {
        let ranked = list.into_iter().map(|(index, count)| {
            let tweet = self.tweets.get(index as usize);
            let post = tweet.and_then(|tweet| tweet.post.as_deref());
            RankedTweet {
                tweet_id: tweet.map(|tweet| tweet.id.to_string()).unwrap_or_default(),
                conference: conference.to_owned(),
                count,
                text: post.map(|post| beginning(&post.text, self.shown.text).to_owned()).unwrap_or_default(),
                author: post.map(|post| beginning(&post.author, self.shown.author).to_owned()).unwrap_or_default(),
            }
        });
        ranked.collect()
    }
}

fn hashtag_counts(conference: &Conference, list: Vec<Ranked>) -> Vec<HashtagCount> {
    let counted = |(tag, count)| HashtagCount { hashtag: conference.tag_name(tag).to_owned(), count };
    list.into_iter().map(counted).collect()
}

fn per_minute(totals: &Totals) -> Vec<MinuteCounts> {
    let shown = totals.minutes.shown(totals.tweets_time, totals.likes_time);
    let counts = shown.map(|minute| MinuteCounts {
        start: Some(Timestamp::from_millis(minute.start)),
        tweets: minute.tweets,
        likes: minute.likes,
    });
    counts.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contracts::{Record as _, Tweet};

    use super::*;
    use crate::{
        record::{Fact, Opinion, Record},
        topology::{Out, process},
    };

    /// As many tweets as the longest list has, each liked, in windows of so many sizes.
    fn results_of(sizes: usize, entries: usize, text: &str) -> Results {
        let windows = (1..=sizes).map(|minutes| format!("{minutes}m").parse().expect("a window")).collect();
        let mut store = Store::new(Arc::new(Windowing { windows, grace: 0, like_period: i64::MAX }));
        let conference = "c".repeat(64);
        for n in 0..entries {
            let tweet = Tweet {
                tweet_id: format!("{n:064}"),
                tag_filter: conference.clone(),
                text: text.into(),
                author: text.into(),
                hashtag: format!("{n}{text}"),
                ..Tweet::default()
            };
            let like = Opinion {
                tweet_id: tweet.tweet_id.clone().into(),
                conference: conference.clone().into(),
                visitor_id: "v".into(),
                liked: true,
                at: None,
            };
            for fact in [Fact::Tweet(tweet), Fact::Like(like)] {
                process(&mut store, &Record { appended: 0, fact }, &mut Out::default());
            }
        }
        results(&mut store, entries)
    }

    #[test]
    fn no_result_is_too_large_for_the_broker_however_many_lists_there_are() {
        for text in ["\u{6f22}", "\u{1}", "\u{1f980}", "\"", "a"] {
            let results = results_of(8, 120, &text.repeat(5_000));
            let analytics = &results.conferences[0];
            assert!(analytics.top.len() == 9 && analytics.top.values().all(|list| list.nrs.len() == 120));
            assert!(analytics.top[ALL].nrs.iter().all(|entry| !entry.text.is_empty() && !entry.author.is_empty()));
            let sizes = results.windows.iter().map(|window| window.to_json().len());
            let largest = sizes.chain([analytics.to_json().len()]).max();
            assert!(largest.is_some_and(|bytes| bytes < 960_000), "{text:?}: {largest:?}");
        }
    }

    #[test]
    fn lists_of_the_usual_length_show_all_that_is_kept() {
        let results = results_of(2, 30, &"\u{1}".repeat(5_000));
        let entry = &results.conferences[0].top[ALL].nrs[0];
        assert_eq!((entry.text.len(), entry.author.len()), (500, 500));
    }

    #[test]
    fn a_text_is_cut_where_json_makes_it_too_long() {
        assert_eq!(beginning("abcdef", 36), "abcdef");
        assert_eq!(beginning("abcdef", 4), "abcd");
        assert_eq!(beginning("a\"bc", 4), "a\"b");
        assert_eq!(beginning("a\u{1}bc", 7), "a\u{1}");
        assert_eq!(beginning("\u{6f22}\u{6f22}", 5), "\u{6f22}");
    }
}
