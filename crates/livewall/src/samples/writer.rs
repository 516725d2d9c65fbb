//! Who writes what.

use std::collections::VecDeque;

use contracts::Timestamp;
use serde::Serialize;

use super::catalogue::{Catalogue, Phrase, Programme, Session};

/// How long a session is what most people write about, in milliseconds.
const SESSION_MILLIS: i64 = 20 * 60 * 1000;
/// One post of this many repeats another one.
const POSTS_PER_RETWEET: usize = 12;
/// Posts that can be repeated, and texts that are not written again.
const REMEMBERED: usize = 60;

/// A post as `POST /eventBridge/tweets` takes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Post {
    pub(super) tweet_id: String,
    pub(super) text: String,
    pub(super) author: String,
    pub(super) hashtag: String,
    pub(super) created_at: Timestamp,
    pub(super) language: String,
    pub(super) tag_filter: String,
    #[serde(rename = "isARetweet")]
    pub(super) is_a_retweet: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) original_tweet_id: Option<String>,
}

/// Writes one post after the other.
pub(super) struct Writer {
    catalogue: Catalogue,
    rng: fastrand::Rng,
    recent: VecDeque<Post>,
}

/// A number below `n`, of which small ones are much more frequent (Zipf's law, approximately).
pub(super) fn zipf(rng: &mut fastrand::Rng, n: usize) -> usize {
    let number = ((n + 1) as f64).powf(rng.f64()) - 1.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to n")]
    let number = number as usize;
    number.min(n - 1)
}

impl Writer {
    pub(super) fn new(catalogue: Catalogue, rng: fastrand::Rng) -> Self {
        Self { catalogue, rng, recent: VecDeque::new() }
    }

    /// A post that somebody writes at this time.
    pub(super) fn post(&mut self, at: Timestamp) -> Post {
        let post = match self.rng.usize(..POSTS_PER_RETWEET) {
            0 if !self.recent.is_empty() => self.repeat(at),
            _ => self.compose(at),
        };
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(post.clone());
        post
    }

    fn compose(&mut self, at: Timestamp) -> Post {
        let mut post = self.draft(at);
        for _ in 0..8 {
            if self.recent.iter().all(|known| known.text != post.text) {
                break;
            }
            post = self.draft(at);
        }
        post
    }

    fn draft(&mut self, at: Timestamp) -> Post {
        let conference = zipf(&mut self.rng, self.catalogue.conferences.len());
        let Programme { tag, hashtag, sessions } = &self.catalogue.conferences[conference];
        // The session of the hour, then the one before it, and so on.
        let hour = usize::try_from(at.millis() / SESSION_MILLIS).unwrap_or(0);
        let back = zipf(&mut self.rng, sessions.len());
        let Session { title, speaker, topic } = &sessions[(hour + sessions.len() - back) % sessions.len()];
        let Phrase { text, language } = &self.catalogue.phrases[self.rng.usize(..self.catalogue.phrases.len())];
        let mut text = text.replace("{title}", title).replace("{speaker}", speaker);
        text.push_str(" #");
        text.push_str(hashtag);
        if self.rng.usize(..3) == 0 {
            text.push_str(" #");
            text.push_str(topic);
        }
        Post {
            tweet_id: tweet_id(at, &mut self.rng),
            text,
            author: author(&self.catalogue, &mut self.rng),
            hashtag: hashtag.clone(),
            created_at: at,
            language: language.clone(),
            tag_filter: tag.clone(),
            is_a_retweet: false,
            original_tweet_id: None,
        }
    }

    fn repeat(&mut self, at: Timestamp) -> Post {
        let original = &self.recent[self.rng.usize(..self.recent.len())];
        // Whoever repeats a repetition repeats what it repeats.
        let (id, text) = match &original.original_tweet_id {
            Some(id) => (id.clone(), original.text.clone()),
            None => (original.tweet_id.clone(), format!("RT {}: {}", original.author, original.text)),
        };
        Post {
            tweet_id: tweet_id(at, &mut self.rng),
            text,
            author: author(&self.catalogue, &mut self.rng),
            created_at: at,
            is_a_retweet: true,
            original_tweet_id: Some(id),
            ..original.clone()
        }
    }
}

fn author(catalogue: &Catalogue, rng: &mut fastrand::Rng) -> String {
    catalogue.authors[zipf(rng, catalogue.authors.len())].clone()
}

/// In the form of the platform's: milliseconds since 2010-11-04T01:42:54.657Z and 22 more bits.
fn tweet_id(at: Timestamp, rng: &mut fastrand::Rng) -> String {
    let millis = u64::try_from(at.millis() - 1_288_834_974_657).unwrap_or(0);
    ((millis << 22) | rng.u64(..1 << 22)).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use contracts::{Conference, TweetId};

    use super::*;

    fn posts(count: i64) -> Vec<Post> {
        let mut writer = Writer::new(Catalogue::built_in(), fastrand::Rng::with_seed(7));
        let start = 1_795_359_840_000;
        (0..count).map(|second| writer.post(Timestamp::from_millis(start + second * 1000))).collect()
    }

    #[test]
    fn every_post_is_one_that_the_bridge_takes() {
        let posts = posts(2_000);
        for post in &posts {
            assert!(TweetId::parse(&post.tweet_id).is_ok() && Conference::parse(&post.tag_filter).is_ok(), "{post:?}");
            assert!(!post.text.contains(['{', '}']) && post.text.contains(&format!("#{}", post.hashtag)), "{post:?}");
            assert_eq!(post.is_a_retweet, post.original_tweet_id.is_some());
        }
        let ids: HashSet<&str> = posts.iter().map(|post| post.tweet_id.as_str()).collect();
        assert_eq!(ids.len(), posts.len());
        let json = serde_json::to_value(&posts[0]).expect("JSON");
        assert!(json["createdAt"].as_str().is_some_and(|time| time.strip_suffix(".000Z").is_some()), "{json}");
        assert_eq!(json["isARetweet"], false);
    }

    #[test]
    fn nobody_writes_what_was_just_written() {
        let posts = posts(1_000);
        for window in posts.windows(20) {
            let texts: HashSet<&str> =
                window.iter().filter(|post| !post.is_a_retweet).map(|post| post.text.as_str()).collect();
            let written = window.iter().filter(|post| !post.is_a_retweet).count();
            assert_eq!(texts.len(), written);
        }
    }

    #[test]
    fn small_numbers_are_frequent_and_all_occur() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            counts[zipf(&mut rng, 10)] += 1;
        }
        assert!(counts.is_sorted_by(|more, less| more > less) && counts[9] > 100, "{counts:?}");
        assert_eq!(zipf(&mut rng, 1), 0);
    }
}
