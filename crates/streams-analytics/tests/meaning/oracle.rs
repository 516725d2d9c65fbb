//! The results by brute force, from the meaning alone. Shares nothing with what it judges.

use std::collections::{BTreeMap, BTreeSet};

use crate::logs::{Line, Says};

/// By conference.
pub(crate) type Answer = BTreeMap<String, Totals>;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) tweets: usize,
    pub(crate) authors: usize,
    pub(crate) likes: usize,
    pub(crate) tweets_time: Option<i64>,
    pub(crate) likes_time: Option<i64>,
    /// Id, count, text, author.
    pub(crate) top: Vec<(String, usize, String, String)>,
    /// Counts above zero.
    pub(crate) counts: BTreeMap<String, usize>,
}

/// The results after `lines`, with lists of `listed` tweets.
pub(crate) fn answer(lines: &[Line], listed: usize) -> Answer {
    let conferences: BTreeSet<&str> = lines.iter().map(|line| line.conference.as_str()).collect();
    conferences.into_iter().map(|name| (name.to_owned(), totals(lines, name, listed))).collect()
}

fn totals(lines: &[Line], conference: &str, listed: usize) -> Totals {
    let of_conference = || lines.iter().filter(|line| line.conference == conference);
    let mut posts: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut liking: BTreeSet<(String, String)> = BTreeSet::new();
    let mut ever_liked: BTreeSet<String> = BTreeSet::new();
    let (mut tweets_time, mut likes_time) = (None, None);
    for line in of_conference() {
        let time = match line.told {
            Some(told) if told < line.appended + 1000 => told,
            Some(_) => line.appended + 1000,
            None => line.appended,
        };
        match &line.says {
            Says::Posted { author, text } => {
                if !posts.contains_key(&line.tweet) {
                    posts.insert(line.tweet.clone(), (text.clone(), author.clone()));
                }
                if tweets_time.is_none() || tweets_time < Some(time) {
                    tweets_time = Some(time);
                }
            }
            Says::Likes { visitor, liked } => {
                let fact = (line.tweet.clone(), visitor.clone());
                if *liked {
                    liking.insert(fact);
                    ever_liked.insert(line.tweet.clone());
                } else {
                    liking.remove(&fact);
                }
                if likes_time.is_none() || likes_time < Some(time) {
                    likes_time = Some(time);
                }
            }
        }
    }
    let authors: BTreeSet<&String> = posts.values().map(|(_, author)| author).filter(|name| !name.is_empty()).collect();
    let count_of = |tweet: &String| liking.iter().filter(|(liked, _)| liked == tweet).count();
    let counts: BTreeMap<String, usize> = ever_liked.iter().map(|tweet| (tweet.clone(), count_of(tweet))).collect();
    let mut top: Vec<(String, usize, String, String)> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(tweet, count)| {
            let (text, author) = posts.get(tweet).cloned().unwrap_or_default();
            (tweet.clone(), *count, text, author)
        })
        .collect();
    top.sort_by(|(a, a_count, ..), (b, b_count, ..)| b_count.cmp(a_count).then(a.as_bytes().cmp(b.as_bytes())));
    top.truncate(listed);
    Totals {
        tweets: posts.len(),
        authors: authors.len(),
        likes: liking.len(),
        tweets_time,
        likes_time,
        top,
        counts: counts.into_iter().filter(|(_, count)| *count > 0).collect(),
    }
}
