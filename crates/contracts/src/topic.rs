//! The topics and their settings: the one definition that services, tools and deployments go by.

/// The topics of Livewall. A deployment may put a prefix before every name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Posts, by conference.
    Tweets,
    /// Likes and their withdrawal, by conference.
    TweetLikes,
    /// How many like a tweet now.
    TweetLikeCounts,
    /// Running results per conference.
    TweetAnalytics,
    /// The results of each window.
    TweetWindows,
    /// What is not to be shown.
    Moderation,
    /// Posts that wait for approval.
    TweetsHeld,
    /// Posts from Kafka Connect and others, as text.
    TweetsInbox,
    /// The state of streams-analytics.
    StreamsAnalyticsChangelog,
    /// Records that could not be processed.
    DeadLetters,
}

/// What happens to old records (`cleanup.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Dropped after this many milliseconds.
    Delete {
        /// `retention.ms`; -1 keeps them for ever.
        retention_ms: i64,
    },
    /// The last one of each key stays.
    Compact,
    /// The last one of each key stays, for this many milliseconds.
    CompactDelete {
        /// `retention.ms`.
        retention_ms: i64,
    },
}

/// Whose clock a record's timestamp is (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, at acceptance.
    LogAppendTime,
}

/// The settings of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSpec {
    /// Old records.
    pub cleanup: Cleanup,
    /// Timestamps.
    pub timestamps: TimestampType,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Topic {
    /// Every topic, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Tweets,
        Self::TweetLikes,
        Self::TweetLikeCounts,
        Self::TweetAnalytics,
        Self::TweetWindows,
        Self::Moderation,
        Self::TweetsHeld,
        Self::TweetsInbox,
        Self::StreamsAnalyticsChangelog,
        Self::DeadLetters,
    ];

    /// The name without prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tweets => "tweets",
            Self::TweetLikes => "tweet-likes",
            Self::TweetLikeCounts => "tweet-like-counts",
            Self::TweetAnalytics => "tweet-analytics",
            Self::TweetWindows => "tweet-windows",
            Self::Moderation => "moderation",
            Self::TweetsHeld => "tweets-held",
            Self::TweetsInbox => "tweets-inbox",
            Self::StreamsAnalyticsChangelog => "streams-analytics-changelog",
            Self::DeadLetters => "dead-letters",
        }
    }

    /// The name in a deployment with `prefix`.
    pub fn with_prefix(self, prefix: &str) -> String {
        format!("{prefix}{}", self.name())
    }

    /// The settings it is created with.
    pub const fn spec(self) -> TopicSpec {
        let cleanup = match self {
            Self::Tweets | Self::TweetLikes | Self::TweetsHeld | Self::TweetsInbox => {
                Cleanup::Delete { retention_ms: 7 * DAY_MS }
            }
            Self::TweetLikeCounts | Self::TweetAnalytics | Self::Moderation => Cleanup::Compact,
            Self::TweetWindows => Cleanup::CompactDelete { retention_ms: 30 * DAY_MS },
            // Cut by DeleteRecords behind the last complete state, never by age.
            Self::StreamsAnalyticsChangelog => Cleanup::Delete { retention_ms: -1 },
            Self::DeadLetters => Cleanup::Delete { retention_ms: 30 * DAY_MS },
        };
        // Where acceptance counts, the broker's clock does: event time stands in the value.
        let timestamps = match self {
            Self::Tweets | Self::TweetLikes | Self::Moderation => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        };
        TopicSpec { cleanup, timestamps }
    }
}

impl TopicSpec {
    /// The same with another retention in milliseconds, -1 for ever. `None` where age deletes nothing, and may not.
    pub fn with_retention(self, retention_ms: i64) -> Option<Self> {
        let cleanup = match self.cleanup {
            Cleanup::Compact | Cleanup::Delete { retention_ms: -1 } => return None,
            Cleanup::Delete { .. } => Cleanup::Delete { retention_ms },
            Cleanup::CompactDelete { .. } => Cleanup::CompactDelete { retention_ms },
        };
        Some(Self { cleanup, ..self })
    }

    /// The topic-level configuration in Kafka's own names.
    pub fn settings(self) -> Vec<(&'static str, String)> {
        let (policy, retention_ms) = match self.cleanup {
            Cleanup::Delete { retention_ms } => ("delete", Some(retention_ms)),
            Cleanup::Compact => ("compact", None),
            Cleanup::CompactDelete { retention_ms } => ("compact,delete", Some(retention_ms)),
        };
        let timestamps = match self.timestamps {
            TimestampType::CreateTime => "CreateTime",
            TimestampType::LogAppendTime => "LogAppendTime",
        };
        let mut settings =
            vec![("cleanup.policy", policy.to_owned()), ("message.timestamp.type", timestamps.to_owned())];
        if let Some(retention_ms) = retention_ms {
            settings.push(("retention.ms", retention_ms.to_string()));
            // Size never deletes: retention is a promise in time.
            settings.push(("retention.bytes", "-1".to_owned()));
        }
        settings
    }
}
