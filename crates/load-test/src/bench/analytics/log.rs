//! Likes that are made up, and what they come to.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use contracts::{Conference, EventHeaders, Timestamp, TraceParent, Tweet, TweetLike, partition_of};
use fastrand::Rng;

use crate::stage::PARTITIONS;

/// Two in each partition.
pub(super) const CONFERENCES: usize = 8;
/// The exponent of Zipf's law, by which tweets are liked.
const ZIPF: f64 = 1.1;
/// Event times lie up to so much before that of the record before them.
const DISORDER: Duration = Duration::from_mins(1);
/// Ids as platforms give them.
const FIRST_ID: u64 = 1_795_000_000_000_000_000;
/// The first like begins where a window of this length does.
const WINDOW_MS: i64 = 5 * 60 * 1000;
/// While facts churn, so many at a time do not stand.
const CHURNED: usize = 1_000;

/// How many of what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Records of `tweet-likes`.
    pub(super) likes: usize,
    pub(super) tweets: u32,
    pub(super) visitors: u32,
    /// Of a hundred records, those that repeat an earlier one exactly.
    pub(super) repeats: u8,
    /// Of a hundred records, those that take back a like that stands.
    pub(super) unlikes: u8,
    /// Event time from the first like to the last one.
    pub(super) span: Duration,
}

/// One record of `tweet-likes`, by numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opinion {
    pub(super) tweet: u32,
    pub(super) visitor: u32,
    liked: bool,
    at: i64,
}

/// Tweets and, in order, likes; the same for the same shape and seed, but for the day.
pub(super) struct Log {
    pub(super) shape: Shape,
    seed: u64,
    conferences: Vec<String>,
    /// Milliseconds since the epoch, of the first like.
    began: i64,
    opinions: Vec<Opinion>,
}

impl Shape {
    /// Likes with repeats and unlikes.
    pub(super) fn mixed(likes: usize) -> Self {
        Self { repeats: 5, unlikes: 10, ..Self::facts(likes) }
    }

    /// Likes that each are a fact of their own.
    pub(super) fn facts(likes: usize) -> Self {
        let visitors = u32::try_from(likes / 5).unwrap_or(u32::MAX).max(1_000);
        Self { likes, tweets: 1_000, visitors, repeats: 0, unlikes: 0, span: Duration::from_mins(10) }
    }
}

impl Log {
    /// Likes of `shape` up to about now.
    pub(super) fn new(shape: Shape, seed: u64) -> Self {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis());
        let span = i64::try_from(shape.span.as_millis()).unwrap_or(i64::MAX);
        // A whole number of windows, whatever the time.
        let began = now.unwrap_or(0) / WINDOW_MS * WINDOW_MS - span;
        let mut log =
            Self { shape, seed, conferences: conferences(), began, opinions: Vec::with_capacity(shape.likes) };
        log.make_up(&mut Rng::with_seed(seed));
        log
    }

    fn make_up(&mut self, rng: &mut Rng) {
        let shape = self.shape;
        let zipf = cumulated(shape.tweets);
        let mut fans = vec![0_u32; zipf.len()];
        // The likes that stand, by their place in the log.
        let mut standing: Vec<usize> = Vec::new();
        for place in 0..shape.likes {
            let (kind, at) = (rng.u8(..100), self.time(place, shape.likes, rng));
            let opinion = if kind < shape.repeats && !standing.is_empty() {
                self.opinions[standing[rng.usize(..standing.len())]]
            } else if kind < shape.repeats + shape.unlikes && !standing.is_empty() {
                let liked = standing.swap_remove(rng.usize(..standing.len()));
                Opinion { liked: false, at, ..self.opinions[liked] }
            } else {
                standing.push(place);
                // A tweet that all visitors like is passed over.
                let tweet = loop {
                    let drawn = rng.f64();
                    let tweet = zipf.partition_point(|sum| *sum <= drawn).min(zipf.len() - 1);
                    if fans[tweet] < shape.visitors {
                        break tweet;
                    }
                };
                let fan = fans[tweet];
                fans[tweet] += 1;
                let tweet = u32::try_from(tweet).expect("as many as a u32 says");
                Opinion { tweet, visitor: visitor(tweet, fan, shape.visitors), liked: true, at }
            };
            self.opinions.push(opinion);
        }
    }

    /// The time of the record at `place` of `places`.
    fn time(&self, place: usize, places: usize, rng: &mut Rng) -> i64 {
        let passed = self.shape.span.as_secs_f64() * place as f64 / places as f64;
        let disorder = Duration::from_millis(rng.u64(..60_000));
        debug_assert!(disorder < DISORDER);
        #[allow(clippy::cast_possible_truncation, reason = "a span of minutes")]
        let millis = ((passed - disorder.as_secs_f64()) * 1000.0) as i64;
        self.began + millis
    }

    /// Has `count` more records take back likes and give them again, all of them in turn: only some thousand at a time do
    /// not stand. For a log of facts.
    pub(super) fn churn(&mut self, count: usize) {
        let mut rng = Rng::with_seed(self.seed);
        let facts = self.opinions.len();
        let last = self.began + i64::try_from(self.shape.span.as_millis()).unwrap_or(0);
        // In another order than they came.
        let mut order: Vec<usize> = (0..facts).collect();
        rng.shuffle(&mut order);
        let mut turn = order.chunks(CHURNED).cycle();
        while self.opinions.len() < facts + count {
            let chunk = turn.next().expect("a cycle");
            for liked in [false, true] {
                for fact in chunk {
                    self.opinions.push(Opinion { liked, at: last, ..self.opinions[*fact] });
                }
            }
        }
    }

    /// The records of `tweet-likes`, by numbers.
    pub(super) fn opinions(&self) -> &[Opinion] {
        &self.opinions
    }

    /// How many likes stand on each tweet in the end: each record taken by itself, in order.
    pub(super) fn counts(&self) -> Vec<u32> {
        let mut facts = HashSet::new();
        for opinion in &self.opinions {
            let fact = (opinion.tweet, opinion.visitor);
            if opinion.liked {
                facts.insert(fact)
            } else {
                facts.remove(&fact)
            };
        }
        let mut counts = vec![0; self.shape.tweets as usize];
        for (tweet, _) in facts {
            counts[tweet as usize] += 1;
        }
        counts
    }

    pub(super) fn conferences(&self) -> &[String] {
        &self.conferences
    }

    /// The index of a tweet's conference.
    pub(super) fn conference_of(&self, tweet: u32) -> usize {
        tweet as usize % self.conferences.len()
    }

    /// The tweet as event-bridge writes it.
    pub(super) fn tweet(&self, tweet: u32) -> Tweet {
        Tweet {
            event_type: Tweet::EVENT_TYPE.into(),
            tweet_id: tweet_id(tweet),
            text: format!("Post {tweet} of a talk that many listen to, with about as many words as people write"),
            author: format!("author-{}", tweet % 97),
            hashtag: format!("track{}", tweet % 7),
            created_at: Some(Timestamp::from_millis(self.began)),
            language: "en".into(),
            tag_filter: self.conferences[self.conference_of(tweet)].clone(),
            is_a_retweet: false,
            original_tweet_id: String::new(),
        }
    }

    /// The record as likes writes it.
    pub(super) fn like(&self, opinion: Opinion) -> TweetLike {
        TweetLike {
            tweet_id: tweet_id(opinion.tweet),
            conference: self.conferences[self.conference_of(opinion.tweet)].clone(),
            visitor_id: visitor_id(opinion.visitor),
            liked: opinion.liked,
            at: Some(Timestamp::from_millis(opinion.at)),
        }
    }
}

/// The headers of a record from `source`: ids of its own, as those of services are.
pub(super) fn headers(source: &'static str, time: Timestamp, rng: &mut Rng) -> EventHeaders {
    let id = uuid::Uuid::from_u64_pair(rng.u64(..), rng.u64(..)).to_string();
    let trace = TraceParent::parse(&format!("00-{:032x}-{:016x}-00", rng.u128(1..), rng.u64(1..)));
    EventHeaders { id, source, time, trace }
}

impl Opinion {
    /// Whether it gives a like, and does not take one back.
    pub(super) fn is_like(self) -> bool {
        self.liked
    }
}

/// The id of a tweet.
fn tweet_id(tweet: u32) -> String {
    (FIRST_ID + u64::from(tweet)).to_string()
}

/// The tweet of an id.
pub(super) fn tweet_of(id: &str) -> Option<u32> {
    u32::try_from(id.parse::<u64>().ok()?.checked_sub(FIRST_ID)?).ok()
}

/// As long as those that likes makes of a keyed hash: 22 characters.
fn visitor_id(visitor: u32) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut hash = (u128::from(visitor) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let mut id = String::with_capacity(22);
    for _ in 0..22 {
        id.push(char::from(ALPHABET[usize::try_from(hash & 63).expect("below 64")]));
        hash >>= 6;
    }
    id
}

/// The visitor who is the `fan`th to like `tweet`: each another one.
fn visitor(tweet: u32, fan: u32, visitors: u32) -> u32 {
    // A prime that does not divide the number of visitors goes through all of them.
    let step = [7_919_u64, 7_927].into_iter().find(|prime| u64::from(visitors) % prime != 0).unwrap_or(1);
    let place = u64::from(tweet) * 104_729 + u64::from(fan) * step;
    u32::try_from(place % u64::from(visitors)).expect("below a u32")
}

/// Zipf's law, summed up: the share of the first `n` tweets.
fn cumulated(tweets: u32) -> Vec<f64> {
    let weights: Vec<f64> = (1..=tweets).map(|rank| f64::from(rank).powf(-ZIPF)).collect();
    let all: f64 = weights.iter().sum();
    let mut sum = 0.0;
    weights
        .iter()
        .map(|weight| {
            sum += weight / all;
            sum
        })
        .collect()
}

/// Names that put equally many conferences into each partition.
fn conferences() -> Vec<String> {
    let each = CONFERENCES.div_ceil(usize::try_from(PARTITIONS).expect("positive"));
    let mut names = Vec::new();
    for partition in 0..PARTITIONS {
        let candidates = (0..).map(|number| format!("conf{number}"));
        let here = candidates
            .filter(|name| partition_of(&Conference::parse(name).expect("a good name"), PARTITIONS) == partition);
        names.extend(here.take(each));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_the_same_for_the_same_seed_and_another_for_another() {
        let counts = |seed| Log::new(Shape::mixed(20_000), seed).counts();
        assert_eq!(counts(1), counts(1));
        assert_ne!(counts(1), counts(2));
    }

    #[test]
    fn of_a_hundred_records_five_repeat_and_ten_take_back() {
        let log = Log::new(Shape::mixed(100_000), 7);
        let unlikes = log.opinions.iter().filter(|opinion| !opinion.liked).count();
        assert!((9_000..11_000).contains(&unlikes), "{unlikes}");
        let stand: u32 = log.counts().iter().sum();
        assert!((73_000..77_000).contains(&stand), "{stand}");
    }

    #[test]
    fn each_like_of_a_log_of_facts_is_a_fact_and_churn_leaves_them_all() {
        let mut log = Log::new(Shape::facts(50_000), 3);
        let counts = log.counts();
        assert_eq!(counts.iter().sum::<u32>(), 50_000);
        assert!(counts[0] > counts[999] * 20, "{} and {}", counts[0], counts[999]);
        log.churn(70_000);
        assert!(log.opinions.len() >= 120_000);
        assert_eq!(log.counts(), counts);
    }

    #[test]
    fn ids_keep_their_rules_and_read_back() {
        assert_eq!(tweet_of(&tweet_id(41)), Some(41));
        assert!(contracts::VisitorId::parse(&visitor_id(u32::MAX)).is_ok());
        assert_ne!(visitor_id(1), visitor_id(2));
    }

    #[test]
    fn conferences_are_spread_evenly() {
        let mut found = vec![0; usize::try_from(PARTITIONS).expect("positive")];
        for name in conferences() {
            let partition = partition_of(&Conference::parse(&name).expect("a good name"), PARTITIONS);
            found[usize::try_from(partition).expect("positive")] += 1;
        }
        assert_eq!(found, [2, 2, 2, 2]);
    }
}
