//! Messages as records of a topic.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Conference, ConferenceAnalytics, InvalidField, LikeCount, ModerationRule, Topic, Tweet, TweetId, TweetLike,
    VisitorId, WindowResult,
};

/// Why the value of a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecord {
    /// Not the JSON of this message.
    #[error("not the JSON of this message: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but with a field outside its rule.
    #[error(transparent)]
    Field(#[from] InvalidField),
}

/// A message that is a record of a topic.
pub trait Record: Serialize + DeserializeOwned {
    /// The topic it stands on.
    const TOPIC: Topic;
    /// `ce_type` of the record.
    const KIND: &'static str;

    /// The conference whose partition it goes to.
    fn conference(&self) -> &str;

    /// The record's key.
    fn key(&self) -> String;

    /// Whether identifiers and required fields keep their rules.
    ///
    /// # Errors
    /// Names the first field that does not.
    fn check(&self) -> Result<(), InvalidField>;

    /// The value as it stands on the topic.
    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("generated messages have string keys and no failing serializers")
    }

    /// Reads a value from the topic; unknown fields are ignored.
    ///
    /// # Errors
    /// [`UnreadableRecord`], with the reason.
    fn from_json(value: &[u8]) -> Result<Self, UnreadableRecord> {
        let message: Self = serde_json::from_slice(value)?;
        message.check()?;
        Ok(message)
    }
}

/// On topics, conferences stand in their one written form: another spelling would be another key and another partition.
fn check_conference(field: &'static str, text: &str) -> Result<(), InvalidField> {
    if Conference::is_written(text) {
        return Ok(());
    }
    match Conference::parse(text) {
        Ok(conference) if conference.as_str() == text => Ok(()),
        Ok(_) => Err(InvalidField::new(field, "is not in lower case without #")),
        Err(refused) => Err(InvalidField::new(field, refused.reason)),
    }
}

impl Tweet {
    /// `eventType` of every tweet.
    pub const EVENT_TYPE: &'static str = "tweetEvent";
}

impl Record for Tweet {
    const TOPIC: Topic = Topic::Tweets;
    const KIND: &'static str = "livewall.v1.Tweet";

    fn conference(&self) -> &str {
        &self.tag_filter
    }

    fn key(&self) -> String {
        self.tag_filter.clone()
    }

    fn check(&self) -> Result<(), InvalidField> {
        TweetId::parse(&self.tweet_id)?;
        check_conference("tagFilter", &self.tag_filter)
    }
}

impl Record for TweetLike {
    const TOPIC: Topic = Topic::TweetLikes;
    const KIND: &'static str = "livewall.v1.TweetLike";

    fn conference(&self) -> &str {
        &self.conference
    }

    fn key(&self) -> String {
        self.conference.clone()
    }

    fn check(&self) -> Result<(), InvalidField> {
        TweetId::parse(&self.tweet_id)?;
        VisitorId::parse(&self.visitor_id)?;
        check_conference("conference", &self.conference)
    }
}

impl Record for LikeCount {
    const TOPIC: Topic = Topic::TweetLikeCounts;
    const KIND: &'static str = "livewall.v1.LikeCount";

    fn conference(&self) -> &str {
        &self.conference
    }

    fn key(&self) -> String {
        format!("{}/{}", self.conference, self.tweet_id)
    }

    fn check(&self) -> Result<(), InvalidField> {
        TweetId::parse(&self.tweet_id)?;
        check_conference("conference", &self.conference)
    }
}

impl Record for ConferenceAnalytics {
    const TOPIC: Topic = Topic::TweetAnalytics;
    const KIND: &'static str = "livewall.v1.ConferenceAnalytics";

    fn conference(&self) -> &str {
        &self.conference
    }

    fn key(&self) -> String {
        self.conference.clone()
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_conference("conference", &self.conference)
    }
}

impl Record for WindowResult {
    const TOPIC: Topic = Topic::TweetWindows;
    const KIND: &'static str = "livewall.v1.WindowResult";

    fn conference(&self) -> &str {
        &self.conference
    }

    fn key(&self) -> String {
        format!("{}/{}/{}", self.conference, self.size, self.start.map(|start| start.to_string()).unwrap_or_default())
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_conference("conference", &self.conference)?;
        match (self.start, self.end) {
            (Some(start), Some(end)) if start.millis() < end.millis() => Ok(()),
            _ => Err(InvalidField::new("start", "is missing or not before end")),
        }
    }
}

impl Record for ModerationRule {
    const TOPIC: Topic = Topic::Moderation;
    const KIND: &'static str = "livewall.v1.ModerationRule";

    fn conference(&self) -> &str {
        &self.conference
    }

    fn key(&self) -> String {
        format!("{}/{}/{}", self.conference, self.kind, self.value)
    }

    fn check(&self) -> Result<(), InvalidField> {
        check_conference("conference", &self.conference)
    }
}
