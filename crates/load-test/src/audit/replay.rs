//! The results by brute force: what `docs/analytics.md` says they mean, record by record, and nothing clever.
//!
//! It shares no line with streams-analytics. How long a tweet takes likes is left out: 30 days are longer than any run.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{
    ConferenceAnalytics, HashtagCount, LikeCount, MinuteCounts, RankedTweet, Record as _, Timestamp, TopList, Tweet,
    TweetLike, WindowResult,
};

const MINUTE: i64 = 60_000;
/// The minutes that are shown.
const MINUTES: i64 = 60;
/// An event is at most this much later than its record.
const AHEAD: i64 = 1_000;

/// Windows that are begun every so often, both in milliseconds, and their name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) name: &'static str,
    pub(super) length: i64,
    pub(super) advance: i64,
}

/// What results depend on besides the log.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) sizes: Vec<Size>,
    pub(super) grace: i64,
    /// How many entries lists have.
    pub(super) entries: usize,
}

/// Both topics as they are read: with the time of each record, in the order of their conference.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub(super) tweets: Vec<(i64, Tweet)>,
    pub(super) likes: Vec<(i64, TweetLike)>,
}

/// All results, by key. Texts and authors beside ids are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Results {
    pub(super) counts: BTreeMap<String, LikeCount>,
    pub(super) conferences: BTreeMap<String, ConferenceAnalytics>,
    pub(super) windows: BTreeMap<String, WindowResult>,
}

/// A tweet, from its first delivery.
struct Post {
    author: String,
    hashtag: String,
    time: i64,
    /// The stream time then.
    arrived: i64,
}

/// A like, from the record that made it to the one that took it back.
struct Like {
    tweet: String,
    since: i64,
    /// Stream times.
    accepted: i64,
    taken_back: Option<i64>,
}

impl Log {
    /// The posts of each conference: each once, at its first place, in order.
    pub(super) fn shown(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut shown: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for (_, tweet) in &self.tweets {
            if known.insert((&tweet.tag_filter, &tweet.tweet_id)) {
                shown.entry(&tweet.tag_filter).or_default().push(&tweet.tweet_id);
            }
        }
        shown
    }
}

/// The results of a log.
pub(super) fn results(log: &Log, rules: &Rules) -> Results {
    let tweets = log.tweets.iter().map(|(_, tweet)| tweet.conference());
    let names: BTreeSet<&str> = tweets.chain(log.likes.iter().map(|(_, like)| like.conference())).collect();
    let mut results = Results::default();
    for name in names {
        Conference::read(name, log, rules).publish(&mut results);
    }
    results
}

struct Conference<'a> {
    name: &'a str,
    rules: &'a Rules,
    posts: Vec<Post>,
    likes: Vec<Like>,
    tweets_time: Option<i64>,
    likes_time: Option<i64>,
}

/// What was counted in a window.
struct Counted {
    likes: u32,
    posts: u32,
    liked: Vec<(String, u32)>,
    tagged: Vec<(String, u32)>,
}

impl<'a> Conference<'a> {
    fn read(name: &'a str, log: &Log, rules: &'a Rules) -> Self {
        let event_time =
            |told: Option<Timestamp>, appended: i64| told.map_or(appended, Timestamp::millis).min(appended + AHEAD);
        let (mut posts, mut known, mut tweets_time) = (Vec::new(), BTreeSet::new(), None);
        for (appended, tweet) in log.tweets.iter().filter(|(_, tweet)| tweet.tag_filter == name) {
            let time = event_time(tweet.created_at, *appended);
            let arrived = *tweets_time.insert(tweets_time.map_or(time, |before: i64| before.max(time)));
            if known.insert(&tweet.tweet_id) {
                let author = tweet.author.clone();
                posts.push(Post { author, hashtag: tweet.hashtag.to_lowercase(), time, arrived });
            }
        }
        let (mut likes, mut standing, mut likes_time) = (Vec::<Like>::new(), BTreeMap::new(), None);
        for (appended, like) in log.likes.iter().filter(|(_, like)| like.conference == name) {
            let since = event_time(like.at, *appended);
            let accepted = *likes_time.insert(likes_time.map_or(since, |before: i64| before.max(since)));
            let fact = (&like.tweet_id, &like.visitor_id);
            if like.liked && !standing.contains_key(&fact) {
                standing.insert(fact, likes.len());
                likes.push(Like { tweet: like.tweet_id.clone(), since, accepted, taken_back: None });
            } else if !like.liked
                && let Some(index) = standing.remove(&fact)
            {
                likes[index].taken_back = Some(accepted);
            }
        }
        Self { name, rules, posts, likes, tweets_time, likes_time }
    }

    /// The window from `start` to `end`; `None` where nothing was ever counted in it.
    fn counted(&self, start: i64, end: i64) -> Option<Counted> {
        let (within, close) = (start..end, end + self.rules.grace);
        let taken: Vec<&Like> =
            self.likes.iter().filter(|like| within.contains(&like.since) && like.accepted < close).collect();
        let stand = || taken.iter().filter(|like| like.taken_back.is_none_or(|at| at >= close));
        let posts = || self.posts.iter().filter(|post| within.contains(&post.time) && post.arrived < close);
        (!taken.is_empty() || posts().next().is_some()).then(|| Counted {
            likes: count(stand()),
            posts: count(posts()),
            liked: ranked(stand().map(|like| like.tweet.as_str())),
            tagged: ranked(posts().map(|post| post.hashtag.as_str())),
        })
    }

    /// The starts of all windows that anything that ever happened is in.
    fn starts(&self, size: Size) -> BTreeSet<i64> {
        let times = self.posts.iter().map(|post| post.time).chain(self.likes.iter().map(|like| like.since));
        times.flat_map(|time| containing(size, time)).collect()
    }

    fn publish(&self, results: &mut Results) {
        let standing = || self.likes.iter().filter(|like| like.taken_back.is_none());
        let liked = ranked(standing().map(|like| like.tweet.as_str()));
        for (tweet_id, count) in &liked {
            let count = LikeCount { tweet_id: tweet_id.clone(), conference: self.name.into(), count: *count };
            results.counts.insert(count.key(), count);
        }
        let authors: BTreeSet<&str> =
            self.posts.iter().map(|post| post.author.as_str()).filter(|author| !author.is_empty()).collect();
        let mut analytics = ConferenceAnalytics {
            conference: self.name.into(),
            tweets_stream_time: self.tweets_time.map(Timestamp::from_millis),
            likes_stream_time: self.likes_time.map(Timestamp::from_millis),
            tweet_count: count(self.posts.iter()),
            author_count: count(authors.into_iter()),
            like_count: count(standing()),
            per_minute: self.per_minute(),
            hashtags: self.hashtags(ranked(self.posts.iter().map(|post| post.hashtag.as_str()))),
            ..ConferenceAnalytics::default()
        };
        analytics.top.insert("all".into(), TopList { nrs: self.list(liked), ..TopList::default() });
        for size in &self.rules.sizes {
            self.publish_windows(*size, results);
            let closes =
                |like: &Like| containing(*size, like.since).map(|start| start + size.length + self.rules.grace);
            let pairs = || self.likes.iter().flat_map(|like| closes(like).map(move |close| (like, close)));
            let late = count(pairs().filter(|(like, close)| like.accepted >= *close));
            let after = |(like, close): &(&Like, i64)| like.accepted < *close && like.taken_back >= Some(*close);
            let after_close = count(pairs().filter(after));
            analytics.late.extend((late > 0).then(|| (size.name.to_owned(), late)));
            analytics.after_close.extend((after_close > 0).then(|| (size.name.to_owned(), after_close)));
            if let Some(time) = self.likes_time {
                let start = time.div_euclid(size.advance) * size.advance;
                let liked = self.counted(start, start + size.length).map(|counted| counted.liked).unwrap_or_default();
                let list = TopList {
                    start: Some(Timestamp::from_millis(start)),
                    end: Some(Timestamp::from_millis(start + size.length)),
                    r#final: false,
                    nrs: self.list(liked),
                };
                analytics.top.insert(size.name.into(), list);
            }
        }
        results.conferences.insert(analytics.key(), analytics);
    }

    fn publish_windows(&self, size: Size, results: &mut Results) {
        for start in self.starts(size) {
            let end = start + size.length;
            let Some(counted) = self.counted(start, end) else { continue };
            let closed = |time: Option<i64>| time >= Some(end + self.rules.grace);
            let (likes_final, tweets_final) = (closed(self.likes_time), closed(self.tweets_time));
            let window = WindowResult {
                conference: self.name.into(),
                size: size.name.into(),
                start: Some(Timestamp::from_millis(start)),
                end: Some(Timestamp::from_millis(end)),
                likes_final,
                tweets_final,
                r#final: likes_final && tweets_final,
                likes: counted.likes,
                tweets: counted.posts,
                nrs: self.list(counted.liked),
                hashtags: self.hashtags(counted.tagged),
            };
            results.windows.insert(window.key(), window);
        }
    }

    fn per_minute(&self) -> Vec<MinuteCounts> {
        let shown = |start: i64, time: Option<i64>| {
            time.is_some_and(|time| start <= time && start + MINUTES * MINUTE > time.div_euclid(MINUTE) * MINUTE)
        };
        let minutes = self.starts(Size { name: "1m", length: MINUTE, advance: MINUTE });
        let minutes = minutes.into_iter().filter_map(|start| {
            let counted = self.counted(start, start + MINUTE)?;
            let tweets = if shown(start, self.tweets_time) { counted.posts } else { 0 };
            let likes = if shown(start, self.likes_time) { counted.likes } else { 0 };
            (tweets + likes > 0).then(|| MinuteCounts { start: Some(Timestamp::from_millis(start)), tweets, likes })
        });
        minutes.collect()
    }

    fn list(&self, liked: Vec<(String, u32)>) -> Vec<RankedTweet> {
        let ranked = liked.into_iter().take(self.rules.entries).map(|(tweet_id, count)| RankedTweet {
            tweet_id,
            conference: self.name.into(),
            count,
            ..RankedTweet::default()
        });
        ranked.collect()
    }

    fn hashtags(&self, tagged: Vec<(String, u32)>) -> Vec<HashtagCount> {
        tagged.into_iter().take(self.rules.entries).map(|(hashtag, count)| HashtagCount { hashtag, count }).collect()
    }
}

/// The starts of the windows that contain `time`.
fn containing(size: Size, time: i64) -> impl Iterator<Item = i64> {
    let newest = time.div_euclid(size.advance) * size.advance;
    (0..).map(move |back| newest - back * size.advance).take_while(move |start| time < start + size.length)
}

/// How often each name comes: highest count first, then by bytes. The empty name is none.
fn ranked<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(String, u32)> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for name in names.filter(|name| !name.is_empty()) {
        *counts.entry(name).or_default() += 1;
    }
    let mut ranked: Vec<_> = counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    // Stable, and names are in order already.
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    ranked
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: fn() -> Rules =
        || Rules { sizes: vec![Size { name: "10s", length: 10_000, advance: 10_000 }], grace: 2_000, entries: 2 };

    fn tweet(at: i64, id: &str, hashtag: &str) -> (i64, Tweet) {
        let (tweet_id, created_at) = (id.to_owned(), Some(Timestamp::from_millis(at)));
        let (author, hashtag, tag_filter) = ("ann".into(), hashtag.into(), "c".into());
        (at, Tweet { tweet_id, created_at, author, hashtag, tag_filter, ..Tweet::default() })
    }

    fn like(at: i64, id: &str, visitor: &str, liked: bool) -> (i64, TweetLike) {
        let (tweet_id, conference, visitor_id) = (id.to_owned(), "c".to_owned(), visitor.to_owned());
        (at, TweetLike { tweet_id, conference, visitor_id, liked, at: Some(Timestamp::from_millis(at)) })
    }

    #[test]
    fn what_comes_again_changes_nothing_and_what_is_taken_back_is_gone() {
        let log = Log {
            tweets: vec![tweet(100_000, "1", "Rust"), tweet(100_500, "1", "other"), tweet(101_000, "2", "rust")],
            likes: vec![
                like(100_100, "1", "u", true),
                like(100_200, "1", "u", true),
                like(100_300, "2", "u", true),
                like(100_400, "2", "v", true),
                like(100_500, "2", "u", false),
                like(100_600, "2", "u", false),
            ],
        };
        assert_eq!(log.shown()["c"], ["1", "2"]);
        let results = results(&log, &RULES());
        let counts: Vec<_> = results.counts.values().map(|count| (count.tweet_id.as_str(), count.count)).collect();
        assert_eq!(counts, [("1", 1), ("2", 1)]);
        let totals = &results.conferences["c"];
        assert_eq!((totals.tweet_count, totals.author_count, totals.like_count), (2, 1, 2));
        assert_eq!(totals.hashtags, [HashtagCount { hashtag: "rust".into(), count: 2 }]);
        let window = results.windows.values().next().expect("one window");
        assert_eq!((window.likes, window.tweets, window.r#final), (2, 2, false));
    }

    #[test]
    fn a_closed_window_stays_as_it_was_and_tells_what_it_did_not_take() {
        let mut log = Log {
            tweets: vec![],
            likes: vec![like(100_100, "1", "u", true), like(112_000, "1", "v", true), like(112_100, "1", "u", false)],
        };
        // Since a time in the first window, but it is closed.
        log.likes.push(like(109_000, "2", "v", true));
        let results = results(&log, &RULES());
        let windows: Vec<_> =
            results.windows.values().map(|window| (window.likes, window.likes_final, window.tweets_final)).collect();
        assert_eq!(windows, [(1, true, false), (1, false, false)]);
        let totals = &results.conferences["c"];
        assert_eq!((totals.late["10s"], totals.after_close["10s"], totals.like_count), (1, 1, 2));
    }
}
