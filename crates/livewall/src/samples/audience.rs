//! Who likes what.

use std::collections::VecDeque;

use super::writer::{Post, zipf};

/// People who like posts; each has one cookie.
pub(super) const VISITORS: usize = 12;
/// Posts that are still looked at.
const LOOKED_AT: usize = 60;
/// How much less a post is looked at than the next newer one.
const FADING: f64 = 0.95;
/// The differences between posts: the best is liked this many times as often as the worst.
const APPEALS: usize = 30;
/// One opinion of this many takes a like back.
const OPINIONS_PER_REGRET: usize = 15;

/// What a visitor says of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opinion {
    /// From 0 to [`VISITORS`].
    pub(super) visitor: usize,
    pub(super) tweet_id: String,
    pub(super) conference: String,
    pub(super) liked: bool,
}

struct Seen {
    tweet_id: String,
    conference: String,
    appeal: f64,
    likers: [bool; VISITORS],
}

/// A few visitors, and what they think of the newest posts.
pub(super) struct Audience {
    rng: fastrand::Rng,
    posts: VecDeque<Seen>,
}

impl Audience {
    pub(super) fn new(rng: fastrand::Rng) -> Self {
        Self { rng, posts: VecDeque::new() }
    }

    /// A post appears.
    pub(super) fn sees(&mut self, post: &Post) {
        if self.posts.len() == LOOKED_AT {
            self.posts.pop_back();
        }
        self.posts.push_front(Seen {
            tweet_id: post.tweet_id.clone(),
            conference: post.tag_filter.clone(),
            appeal: 1.0 / (1 + zipf(&mut self.rng, APPEALS)) as f64,
            likers: [false; VISITORS],
        });
    }

    /// What somebody thinks of something now; `None` where everybody has said all they have to say.
    pub(super) fn opinion(&mut self) -> Option<Opinion> {
        let regret = self.rng.usize(..OPINIONS_PER_REGRET) == 0;
        for _ in 0..16 {
            let visitor = zipf(&mut self.rng, VISITORS);
            let post = self.glance()?;
            if post.likers[visitor] == regret {
                return Some(Opinion {
                    visitor,
                    tweet_id: post.tweet_id.clone(),
                    conference: post.conference.clone(),
                    liked: !regret,
                });
            }
        }
        None
    }

    /// A post, by its appeal and age.
    fn glance(&mut self) -> Option<&Seen> {
        let fades = std::iter::successors(Some(1.0), |weight| Some(weight * FADING));
        let weights: Vec<f64> = self.posts.iter().zip(fades).map(|(post, fade)| post.appeal * fade).collect();
        let mut left = self.rng.f64() * weights.iter().sum::<f64>();
        let chosen = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        self.posts.get(chosen.unwrap_or(0))
    }

    /// The wall has taken `opinion`.
    pub(super) fn keeps(&mut self, opinion: &Opinion) {
        if let Some(post) = self.posts.iter_mut().find(|post| post.tweet_id == opinion.tweet_id) {
            post.likers[opinion.visitor] = opinion.liked;
        }
    }

    /// The wall does not know the post of `opinion`.
    pub(super) fn forgets(&mut self, opinion: &Opinion) {
        self.posts.retain(|post| post.tweet_id != opinion.tweet_id);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use contracts::Timestamp;

    use super::*;
    use crate::samples::{catalogue::Catalogue, writer::Writer};

    #[test]
    fn likes_are_uneven_some_are_taken_back_and_none_is_given_twice() {
        let mut writer = Writer::new(Catalogue::built_in(), fastrand::Rng::with_seed(1));
        let mut audience = Audience::new(fastrand::Rng::with_seed(2));
        let mut liked = HashSet::new();
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut regrets = 0;
        for millis in 0..3_000 {
            audience.sees(&writer.post(Timestamp::from_millis(1_795_359_840_000 + millis)));
            for _ in 0..4 {
                let Some(opinion) = audience.opinion() else { continue };
                let like = (opinion.visitor, opinion.tweet_id.clone());
                if opinion.liked {
                    assert!(liked.insert(like), "liked twice: {opinion:?}");
                    *counts.entry(opinion.tweet_id.clone()).or_default() += 1;
                } else {
                    assert!(liked.remove(&like), "never liked: {opinion:?}");
                    regrets += 1;
                }
                audience.keeps(&opinion);
            }
        }
        let best = counts.values().max().copied().unwrap_or_default();
        assert!(best >= VISITORS - 2 && counts.len() < 2_800, "best {best}, liked posts {}", counts.len());
        assert!((100..2_000).contains(&regrets), "{regrets}");
    }

    #[test]
    fn an_audience_without_posts_has_no_opinion() {
        assert_eq!(Audience::new(fastrand::Rng::with_seed(1)).opinion(), None);
    }
}
