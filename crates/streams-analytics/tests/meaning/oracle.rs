//! The results by brute force, from the meaning alone. Shares nothing with what it judges.

use std::collections::{BTreeMap, BTreeSet};

use crate::logs::{Line, Says, Setting, Size};

/// By conference.
pub(crate) type Answer = BTreeMap<String, Totals>;

/// Names with their counts, highest first, then by bytes.
pub(crate) type Ranked = Vec<(String, usize)>;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) tweets: usize,
    pub(crate) authors: usize,
    pub(crate) likes: usize,
    pub(crate) tweets_time: Option<i64>,
    pub(crate) likes_time: Option<i64>,
    pub(crate) top: Ranked,
    /// By size.
    pub(crate) newest: BTreeMap<String, Newest>,
    /// By size, and under `closed`; above zero.
    pub(crate) late: BTreeMap<String, usize>,
    pub(crate) after_close: BTreeMap<String, usize>,
    /// Start, tweets, likes.
    pub(crate) per_minute: Vec<(i64, usize, usize)>,
    pub(crate) hashtags: Ranked,
    /// Counts above zero.
    pub(crate) counts: BTreeMap<String, usize>,
    /// By size and start.
    pub(crate) windows: BTreeMap<(String, i64), Window>,
}

/// The window that the stream time is in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Newest {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) top: Ranked,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Window {
    pub(crate) end: i64,
    pub(crate) likes_final: bool,
    pub(crate) tweets_final: bool,
    pub(crate) likes: usize,
    pub(crate) tweets: usize,
    pub(crate) top: Ranked,
    pub(crate) hashtags: Ranked,
}

/// A record with the stream time of its topic, itself included.
struct Seen<'a> {
    line: &'a Line,
    time: i64,
    stream_time: i64,
}

/// The first delivery of a tweet.
struct Tweet<'a> {
    author: &'a str,
    hashtag: String,
    time: i64,
    arrived: i64,
}

/// A like from the record that made it to the one that took it back.
struct Like<'a> {
    tweet: &'a str,
    since: i64,
    /// Stream times.
    accepted: i64,
    taken_back: Option<i64>,
}

impl Like<'_> {
    /// Whether it was in time for a window that closes at `close`.
    fn counted(&self, close: i64) -> bool {
        self.accepted < close
    }

    fn taken_back_before(&self, close: i64) -> bool {
        self.taken_back.is_some_and(|at| at < close)
    }
}

const MINUTE: i64 = 60_000;

/// The results after `lines`, with lists of `listed` entries.
pub(crate) fn answer(setting: &Setting, lines: &[Line], listed: usize) -> Answer {
    let conferences: BTreeSet<&str> = lines.iter().map(|line| line.conference.as_str()).collect();
    let of = |name: &str| lines.iter().filter(|line| line.conference == name).collect::<Vec<_>>();
    conferences.into_iter().map(|name| (name.to_owned(), totals(setting, &of(name), listed))).collect()
}

fn totals(setting: &Setting, lines: &[&Line], listed: usize) -> Totals {
    let posts = seen(lines.iter().copied().filter(|line| matches!(line.says, Says::Posted { .. })));
    let likings = seen(lines.iter().copied().filter(|line| matches!(line.says, Says::Likes { .. })));
    let tweets = tweets(&posts);
    let (likes, closed) = likes(&likings, setting.like_period);
    let tweets_time = posts.last().map(|post| post.stream_time);
    let likes_time = likings.last().map(|liking| liking.stream_time);
    let standing = || likes.iter().filter(|like| like.taken_back.is_none());
    let counts = ranked(standing().map(|like| like.tweet));
    let mut totals = Totals {
        tweets: tweets.len(),
        authors: tweets.iter().map(|tweet| tweet.author).filter(|name| !name.is_empty()).collect::<BTreeSet<_>>().len(),
        likes: standing().count(),
        tweets_time,
        likes_time,
        top: first(&counts, listed),
        hashtags: first(&ranked(hashtags(&tweets, |_| true)), listed),
        per_minute: per_minute(setting.grace, &tweets, &likes, tweets_time, likes_time),
        counts: counts.into_iter().collect(),
        ..Totals::default()
    };
    for size in &setting.sizes {
        let name = name(size.size);
        let window = |start: i64| window(setting.grace, (start, start + size.size), &tweets, &likes, listed);
        for start in starts(*size, tweets.iter().map(|tweet| tweet.time).chain(likes.iter().map(|like| like.since))) {
            let close = start + size.size + setting.grace;
            if let Some(mut window) = window(start) {
                window.likes_final = likes_time.is_some_and(|time| time >= close);
                window.tweets_final = tweets_time.is_some_and(|time| time >= close);
                totals.windows.insert((name.clone(), start), window);
            }
        }
        if let Some(time) = likes_time {
            let start = time.div_euclid(size.advance) * size.advance;
            let top = window(start).map(|window| window.top).unwrap_or_default();
            totals.newest.insert(name.clone(), Newest { start, end: start + size.size, top });
        }
        let pairs = |wanted: fn(&Like, i64) -> bool| {
            let closes = |like: &Like| {
                starts(*size, [like.since].into_iter()).into_iter().map(|start| start + size.size + setting.grace)
            };
            likes.iter().map(|like| closes(like).filter(|close| wanted(like, *close)).count()).sum::<usize>()
        };
        let late = pairs(|like, close| !like.counted(close));
        let after_close =
            pairs(|like, close| like.counted(close) && like.taken_back.is_some() && !like.taken_back_before(close));
        totals.late.extend((late > 0).then(|| (name.clone(), late)));
        totals.after_close.extend((after_close > 0).then(|| (name.clone(), after_close)));
    }
    totals.late.extend((closed > 0).then(|| ("closed".to_owned(), closed)));
    totals
}

/// Records of one topic.
fn seen<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<Seen<'a>> {
    let mut stream_time = i64::MIN;
    lines
        .map(|line| {
            let time = line.told.unwrap_or(line.appended).min(line.appended + 1000);
            stream_time = stream_time.max(time);
            Seen { line, time, stream_time }
        })
        .collect()
}

fn tweets<'a>(posts: &[Seen<'a>]) -> Vec<Tweet<'a>> {
    let mut known = BTreeSet::new();
    let mut tweets = Vec::new();
    for post in posts {
        let Says::Posted { author, hashtag, .. } = &post.line.says else { continue };
        if known.insert(&post.line.tweet) {
            let hashtag = hashtag.to_lowercase().chars().take(100).collect();
            tweets.push(Tweet { author, hashtag, time: post.time, arrived: post.stream_time });
        }
    }
    tweets
}

/// Every like there ever was, and how many records came for tweets that took none any more.
fn likes<'a>(likings: &[Seen<'a>], period: i64) -> (Vec<Like<'a>>, usize) {
    // Nobody likes a tweet before the first record that says so, hence that record makes a fact.
    let mut first_liked: BTreeMap<&str, i64> = BTreeMap::new();
    // By fact: what its records say, in log order.
    let mut taken: BTreeMap<(&str, &str), Vec<(bool, &Seen)>> = BTreeMap::new();
    let mut closed = 0;
    for liking in likings {
        let Says::Likes { visitor, liked } = &liking.line.says else { continue };
        let tweet = liking.line.tweet.as_str();
        if first_liked.get(tweet).is_some_and(|first| liking.stream_time >= first + period) {
            closed += 1;
            continue;
        }
        if *liked {
            first_liked.entry(tweet).or_insert(liking.stream_time);
        }
        taken.entry((tweet, visitor.as_str())).or_default().push((*liked, liking));
    }
    let mut likes = Vec::new();
    for ((tweet, _), records) in taken {
        for (at, (liked, liking)) in records.iter().enumerate() {
            let liked_before = at > 0 && records[at - 1].0;
            if *liked && !liked_before {
                let taken_back = records[at..].iter().find(|(liked, _)| !liked).map(|(_, unlike)| unlike.stream_time);
                likes.push(Like { tweet, since: liking.time, accepted: liking.stream_time, taken_back });
            }
        }
    }
    (likes, closed)
}

/// The window from `start` to `end`, if anything was ever counted in it.
fn window(grace: i64, (start, end): (i64, i64), tweets: &[Tweet], likes: &[Like], listed: usize) -> Option<Window> {
    let within = |time: i64| start <= time && time < end;
    let close = end + grace;
    let counted: Vec<&Like> = likes.iter().filter(|like| within(like.since) && like.counted(close)).collect();
    let standing = || counted.iter().filter(|like| !like.taken_back_before(close));
    let posted = |tweet: &Tweet| within(tweet.time) && tweet.arrived < close;
    let tweet_count = tweets.iter().filter(|tweet| posted(tweet)).count();
    (!counted.is_empty() || tweet_count > 0).then(|| Window {
        end,
        likes_final: false,
        tweets_final: false,
        likes: standing().count(),
        tweets: tweet_count,
        top: first(&ranked(standing().map(|like| like.tweet)), listed),
        hashtags: first(&ranked(hashtags(tweets, posted)), listed),
    })
}

fn per_minute(
    grace: i64,
    tweets: &[Tweet],
    likes: &[Like],
    tweets_time: Option<i64>,
    likes_time: Option<i64>,
) -> Vec<(i64, usize, usize)> {
    let size = Size { size: MINUTE, advance: MINUTE };
    let shown = |start: i64, stream_time: Option<i64>| {
        stream_time.is_some_and(|time| start <= time && start + 60 * MINUTE > time.div_euclid(MINUTE) * MINUTE)
    };
    starts(size, tweets.iter().map(|tweet| tweet.time).chain(likes.iter().map(|like| like.since)))
        .into_iter()
        .filter_map(|start| {
            let minute = window(grace, (start, start + MINUTE), tweets, likes, 0)?;
            let tweets = if shown(start, tweets_time) { minute.tweets } else { 0 };
            let likes = if shown(start, likes_time) { minute.likes } else { 0 };
            (tweets + likes > 0).then_some((start, tweets, likes))
        })
        .collect()
}

/// Starts of all windows of one size that contain one of `times`.
fn starts(size: Size, times: impl Iterator<Item = i64>) -> BTreeSet<i64> {
    times
        .flat_map(|time| {
            let newest = time.div_euclid(size.advance) * size.advance;
            (0..).map(move |back| newest - back * size.advance).take_while(move |start| time < start + size.size)
        })
        .collect()
}

fn hashtags<'a>(tweets: &'a [Tweet], wanted: impl Fn(&Tweet) -> bool) -> impl Iterator<Item = &'a str> {
    tweets.iter().filter(move |tweet| wanted(tweet) && !tweet.hashtag.is_empty()).map(|tweet| tweet.hashtag.as_str())
}

fn ranked<'a>(names: impl Iterator<Item = &'a str>) -> Ranked {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let mut ranked: Ranked = counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    ranked.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then(a.as_bytes().cmp(b.as_bytes())));
    ranked
}

fn first(ranked: &Ranked, listed: usize) -> Ranked {
    ranked.iter().take(listed).cloned().collect()
}

/// As people write a duration, in its largest whole unit.
fn name(size: i64) -> String {
    let seconds = size / 1000;
    match seconds {
        _ if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        _ if seconds % 60 == 0 => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}
