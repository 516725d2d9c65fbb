//! What was acknowledged, beside the log.

use std::collections::{BTreeSet, HashMap};

use crate::audit::{account::Account, replay::Log, writer::Book};

/// Posts that were acknowledged and do not stand on the topic.
pub(super) fn posts(book: &Book, log: &Log) -> Account {
    let there: BTreeSet<(&str, &str)> =
        log.tweets.iter().map(|(_, tweet)| (tweet.tag_filter.as_str(), tweet.tweet_id.as_str())).collect();
    let missing = book.posts.iter().filter(|(conference, id)| !there.contains(&(conference.as_str(), id.as_str())));
    missing.map(|(conference, id)| format!("{conference}: {id}")).collect()
}

/// Likes that were acknowledged, given ones and those taken back, and do not stand on the topic.
pub(super) fn likes(book: &Book, log: &Log) -> Account {
    // Who a visitor is on the topic: whoever liked the post of the introduction.
    let introduced: HashMap<&str, usize> = book.introductions.iter().map(|(who, id)| (id.as_str(), *who)).collect();
    let mut names: HashMap<usize, &str> = HashMap::new();
    for (_, like) in &log.likes {
        if let Some(who) = introduced.get(like.tweet_id.as_str()) {
            names.insert(*who, &like.visitor_id);
        }
    }
    let there: BTreeSet<(&str, &str, &str, bool)> = log
        .likes
        .iter()
        .map(|(_, like)| (like.visitor_id.as_str(), like.conference.as_str(), like.tweet_id.as_str(), like.liked))
        .collect();
    let missing = book.likings.iter().filter(|liking| {
        let name = names.get(&liking.visitor).copied().unwrap_or_default();
        !there.contains(&(name, &liking.conference, &liking.tweet_id, liking.liked))
    });
    missing.map(|liking| format!("{liking:?}")).collect()
}

#[cfg(test)]
mod tests {
    use contracts::{Tweet, TweetLike};

    use super::*;
    use crate::audit::writer::Liking;

    fn log() -> Log {
        let tweet = |id: &str| Tweet { tweet_id: id.into(), tag_filter: "c".into(), ..Tweet::default() };
        let like = |id: &str, visitor: &str, liked| TweetLike {
            tweet_id: id.into(),
            conference: "c".into(),
            visitor_id: visitor.into(),
            liked,
            at: None,
        };
        Log {
            tweets: ["hello-u", "hello-v", "1"].map(|id| (0, tweet(id))).to_vec(),
            likes: vec![
                (0, like("hello-u", "u", true)),
                (0, like("hello-v", "v", true)),
                (0, like("1", "u", true)),
                (0, like("1", "u", false)),
            ],
        }
    }

    fn book() -> Book {
        let liking = |visitor, id: &str, liked| Liking { visitor, conference: "c".into(), tweet_id: id.into(), liked };
        Book {
            posts: vec![("c".into(), "1".into())],
            likings: vec![liking(0, "hello-u", true), liking(0, "1", true), liking(0, "1", false)],
            introductions: vec![(0, "hello-u".into()), (1, "hello-v".into())],
            ..Book::default()
        }
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_missed() {
        let mut book = book();
        assert_eq!((posts(&book, &log()).count, likes(&book, &log()).count), (0, 0));
        book.posts.push(("d".into(), "1".into()));
        // Somebody else has taken this like back.
        let other = Liking { visitor: 1, ..book.likings[2].clone() };
        book.likings.push(other);
        assert_eq!((posts(&book, &log()).count, likes(&book, &log()).count), (1, 1));
    }
}
