//! Whether every committed result, not only the last one, is true of the input that it says it has seen.

use std::collections::{BTreeMap, BTreeSet};

use contracts::Topic;

use crate::{
    logs::{Line, Says},
    wall::{PARTITIONS, Wall},
};

/// Checks all results ever committed, under read_committed. Returns how many there were.
pub(crate) fn check(wall: &Wall) -> usize {
    let (counts, analytics) = (wall.read(Topic::TweetLikeCounts), wall.read(Topic::TweetAnalytics));
    for partition in 0..PARTITIONS {
        let of_partition = |seen: &&crate::wall::Seen| seen.partition == partition;
        let mut world = World::new(wall, partition);
        for record in counts.iter().filter(of_partition) {
            world.go_to(record.header("ce_id"));
            let found = record.json()["count"].as_u64().unwrap();
            assert_eq!(found, world.count(&record.key), "{} at {}: {record:?}", record.key, world.likes);
        }
        let mut world = World::new(wall, partition);
        for record in analytics.iter().filter(of_partition) {
            world.go_to(record.header("ce_id"));
            let json = record.json();
            let found = (json["tweetCount"].as_u64().unwrap(), json["likeCount"].as_u64().unwrap());
            assert_eq!(found, world.totals(&record.key), "{record:?}");
        }
    }
    counts.len() + analytics.len()
}

/// A partition's facts up to some offsets.
struct World {
    tweet_lines: Vec<Option<Line>>,
    like_lines: Vec<Option<Line>>,
    tweets: usize,
    likes: usize,
    /// Conference and tweet.
    posted: BTreeSet<(String, String)>,
    /// By conference/tweet.
    liking: BTreeMap<String, BTreeSet<String>>,
}

impl World {
    fn new(wall: &Wall, partition: i32) -> Self {
        Self {
            tweet_lines: wall.sent(Topic::Tweets, partition),
            like_lines: wall.sent(Topic::TweetLikes, partition),
            tweets: 0,
            likes: 0,
            posted: BTreeSet::new(),
            liking: BTreeMap::new(),
        }
    }

    /// Up to the input that a result's `ce_id` names: `partition-tweets-likes/key`.
    fn go_to(&mut self, id: &str) {
        let numbers: Vec<usize> =
            id.split('/').next().unwrap().split('-').map(|number| number.parse().unwrap()).collect();
        let (tweets, likes) = (numbers[1], numbers[2]);
        assert!(tweets >= self.tweets && likes >= self.likes, "a result of earlier input follows one of later: {id}");
        for line in self.tweet_lines[self.tweets..tweets].iter().flatten() {
            self.posted.insert((line.conference.clone(), line.tweet.clone()));
        }
        for line in self.like_lines[self.likes..likes].iter().flatten() {
            let Says::Likes { visitor, liked } = &line.says else { continue };
            let liking = self.liking.entry(format!("{}/{}", line.conference, line.tweet)).or_default();
            if *liked {
                liking.insert(visitor.clone())
            } else {
                liking.remove(visitor)
            };
        }
        (self.tweets, self.likes) = (tweets, likes);
    }

    fn count(&self, key: &str) -> u64 {
        u64::try_from(self.liking.get(key).map_or(0, BTreeSet::len)).unwrap()
    }

    fn totals(&self, conference: &str) -> (u64, u64) {
        let tweets = self.posted.iter().filter(|(of, _)| of == conference).count();
        let likes: usize = self
            .liking
            .iter()
            .filter(|(key, _)| key.split('/').next() == Some(conference))
            .map(|(_, liking)| liking.len())
            .sum();
        (u64::try_from(tweets).unwrap(), u64::try_from(likes).unwrap())
    }
}
