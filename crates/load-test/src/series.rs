//! Posts that are numbered, so that a receiver can tell whether one is missing.

use contracts::{Record as _, Timestamp, Tweet};

/// Numbered posts of several conferences. Conferences and ids carry the name of the series, so that several can share a
/// wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    name: String,
    conferences: usize,
    bytes: usize,
}

/// The place of a post: which conference, and its number there, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Index of the conference.
    pub conference: usize,
    /// Number within the conference.
    pub number: u64,
}

impl Series {
    /// A series of its own name, in `conferences` conferences; posts are `bytes` long as JSON where that leaves room for
    /// at least one letter of text.
    pub fn new(conferences: usize, bytes: usize) -> Self {
        let name = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        Self { name, conferences: conferences.max(1), bytes }
    }

    /// How many conferences.
    pub fn conferences(&self) -> usize {
        self.conferences
    }

    /// The name of conference `index`.
    pub fn conference(&self, index: usize) -> String {
        format!("load-{}-{index}", self.name)
    }

    /// The place of the `count`th post of all, when conferences take turns.
    pub fn place(&self, count: u64) -> Place {
        let conferences = self.conferences as u64;
        let conference = usize::try_from(count % conferences).expect("below the number of conferences");
        Place { conference, number: count / conferences }
    }

    /// How many posts of each conference there are among the first `count` of all.
    pub fn sent(&self, count: u64) -> Vec<u64> {
        let conferences = self.conferences as u64;
        (0..conferences).map(|first| (count + conferences - 1 - first) / conferences).collect()
    }

    /// The id of the post at `place`.
    pub fn tweet_id(&self, place: Place) -> String {
        format!("{}.{}.{}", self.name, place.conference, place.number)
    }

    /// The place that `tweet_id` names, where it is one of this series.
    pub fn place_of(&self, tweet_id: &str) -> Option<Place> {
        let (conference, number) = tweet_id.strip_prefix(&self.name)?.strip_prefix('.')?.split_once('.')?;
        Some(Place { conference: conference.parse().ok()?, number: number.parse().ok()? })
            .filter(|place| place.conference < self.conferences)
    }

    /// The post at `place`. It has every field, so that its JSON as posted, on the topic and on the stream is the same.
    pub fn tweet(&self, place: Place) -> Tweet {
        let mut tweet = Tweet {
            event_type: Tweet::EVENT_TYPE.into(),
            tweet_id: self.tweet_id(place),
            text: format!("Post {} of conference {}", place.number, place.conference),
            author: format!("author-{}", place.number % 97),
            hashtag: "livewall".into(),
            created_at: Some(Timestamp::from_millis(1_795_359_840_000 + i64::try_from(place.number).unwrap_or(0))),
            language: "en".into(),
            tag_filter: self.conference(place.conference),
            is_a_retweet: false,
            original_tweet_id: String::new(),
        };
        let len = tweet.to_json().len();
        match self.bytes.checked_sub(len) {
            Some(missing) => tweet.text.extend(std::iter::repeat_n('.', missing)),
            None => tweet.text.truncate(tweet.text.len().saturating_sub(len - self.bytes).max(1)),
        }
        tweet
    }

    /// The place of the post that is the JSON `data` of a `tweetEvent`; `None` for other events and other series.
    pub fn place_in(&self, data: &str) -> Option<Place> {
        self.place_of(&tweet_id_in(data)?)
    }
}

/// The id of the tweet that is `data`, where it is one.
fn tweet_id_in(data: &str) -> Option<std::borrow::Cow<'_, str>> {
    // Ids need no escapes, and a serializer writes fields in the order of the schema: thousands of viewers in one process
    // need not parse the whole each.
    const BEGINNING: &str = r#"{"eventType":"tweetEvent","tweetId":""#;
    if let Some(rest) = data.strip_prefix(BEGINNING) {
        return rest.split_once('"').map(|(id, _)| id.into());
    }
    let event: serde_json::Value = serde_json::from_str(data).ok()?;
    (event["eventType"] == "tweetEvent").then(|| event["tweetId"].as_str().map(|id| id.to_owned().into()))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_place_of_a_post_can_be_read_from_its_event(conference in 0_usize..40, number in 0_u64..1_000_000, bytes in 250_usize..900) {
            let series = Series::new(40, bytes);
            let tweet = series.tweet(Place { conference, number });
            let json = String::from_utf8(tweet.to_json()).expect("JSON");
            prop_assert_eq!(json.len(), bytes);
            prop_assert!(tweet.check().is_ok());
            prop_assert_eq!(series.place_in(&json), Some(Place { conference, number }));
            prop_assert_eq!(Series::new(40, bytes).place_in(&json), None, "another series");
        }
    }

    #[test]
    fn an_event_with_other_fields_first_is_read_too() {
        let series = Series::new(2, 0);
        let place = Place { conference: 1, number: 7 };
        let data = format!(r#"{{"new":1,"tweetId":"{}","eventType":"tweetEvent"}}"#, series.tweet_id(place));
        assert_eq!(series.place_in(&data), Some(place));
        assert_eq!(series.place_in(r#"{"eventType":"tweetAnalytics"}"#), None);
    }

    #[test]
    fn conferences_take_turns() {
        let series = Series::new(3, 250);
        let places: Vec<_> =
            (0..4).map(|count| series.place(count)).map(|place| (place.conference, place.number)).collect();
        assert_eq!(places, [(0, 0), (1, 0), (2, 0), (0, 1)]);
        assert_eq!(series.sent(4), [2, 1, 1]);
    }
}
