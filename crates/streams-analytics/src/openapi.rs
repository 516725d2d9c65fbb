//! The OpenAPI document, from the handlers.

use std::collections::BTreeMap;

use service_shell::ProblemBody;
use utoipa::{OpenApi, ToSchema};

use crate::routes;

/// The document as JSON.
pub(crate) fn document() -> String {
    Document::openapi().to_json().expect("the document has string keys only")
}

#[derive(OpenApi)]
#[openapi(
    info(title = "streams-analytics", description = "Running totals and top lists of conferences."),
    paths(routes::get_conference, routes::get_top, routes::get_openapi),
    components(schemas(
        ConferenceAnalyticsBody,
        ListBody,
        TopListBody,
        RankedTweetBody,
        MinuteBody,
        HashtagBody,
        ProblemBody
    ))
)]
struct Document;

/// The running results of one conference.
#[derive(ToSchema)]
#[schema(as = ConferenceAnalytics, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes contracts::ConferenceAnalytics")]
pub(crate) struct ConferenceAnalyticsBody {
    /// As on the topics.
    #[schema(example = "rustconf")]
    conference: String,
    /// The greatest time of a post so far.
    #[schema(example = "2026-11-22T15:04:00.000Z")]
    tweets_stream_time: Option<String>,
    /// The greatest time of a like so far.
    #[schema(example = "2026-11-22T15:04:00.000Z")]
    likes_stream_time: Option<String>,
    /// Distinct posts.
    tweet_count: u32,
    /// Distinct authors.
    author_count: u32,
    /// Likes that stand now.
    like_count: u32,
    /// The most liked posts: `all` of all time, and by size those of the newest window.
    top: BTreeMap<String, ListBody>,
    /// Likes that came too late for a window, by size; and under `closed` those of posts that no longer take likes.
    late: BTreeMap<String, u32>,
    /// Likes taken back after a window that they count in had closed, by size.
    after_close: BTreeMap<String, u32>,
    /// The newest 60 minutes, oldest first; one without posts and likes is left out.
    per_minute: Vec<MinuteBody>,
    /// The most frequent hashtags first.
    hashtags: Vec<HashtagBody>,
}

/// One minute.
#[derive(ToSchema)]
#[schema(as = MinuteCounts)]
#[expect(dead_code, reason = "only describes contracts::MinuteCounts")]
pub(crate) struct MinuteBody {
    /// When it began.
    #[schema(example = "2026-11-22T15:04:00.000Z")]
    start: String,
    /// Distinct posts.
    tweets: u32,
    /// Likes since this minute that stand, or stood when it closed.
    likes: u32,
}

/// How many posts have a hashtag.
#[derive(ToSchema)]
#[schema(as = HashtagCount)]
#[expect(dead_code, reason = "only describes contracts::HashtagCount")]
pub(crate) struct HashtagBody {
    /// In lower case, without `#`.
    #[schema(example = "rust")]
    hashtag: String,
    /// Distinct posts.
    count: u32,
}

/// The most liked posts of a window.
#[derive(ToSchema)]
#[schema(as = TopList)]
#[expect(dead_code, reason = "only describes contracts::TopList")]
pub(crate) struct ListBody {
    /// Absent for `all`.
    start: Option<String>,
    /// Exclusive; absent for `all`.
    end: Option<String>,
    /// Whether the window is closed.
    r#final: bool,
    /// The most liked first, then by tweetId.
    nrs: Vec<RankedTweetBody>,
}

/// The most liked posts of one window of one conference.
#[derive(ToSchema)]
#[schema(as = ConferenceTop)]
#[expect(dead_code, reason = "only describes what crate::routes answers")]
pub(crate) struct TopListBody {
    /// As on the topics.
    #[schema(example = "rustconf")]
    conference: String,
    /// As asked.
    #[schema(example = "all")]
    window: String,
    /// Absent for `all`.
    start: Option<String>,
    /// Exclusive; absent for `all`.
    end: Option<String>,
    /// Whether the window is closed.
    r#final: bool,
    /// The most liked first, then by tweetId.
    nrs: Vec<RankedTweetBody>,
}

/// A post in a list.
#[derive(ToSchema)]
#[schema(as = RankedTweet, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes contracts::RankedTweet")]
pub(crate) struct RankedTweetBody {
    /// Its id.
    tweet_id: String,
    /// Its conference.
    conference: String,
    /// How many like it now; in a window: of the likes that were given within it.
    count: u32,
    /// Plain text; empty until the post itself is known.
    text: String,
    /// Plain text; empty until the post itself is known.
    author: String,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_document_describes_every_call_and_refers_to_nothing_that_is_missing() {
        let text = document();
        let json: Value = serde_json::from_str(&text).expect("JSON");
        for path in ["/analytics/{conference}", "/analytics/{conference}/top", "/analytics/openapi.json"] {
            assert!(json["paths"][path].is_object(), "{path}");
        }
        let parameters = json["paths"]["/analytics/{conference}/top"]["get"]["parameters"].as_array().expect("a list");
        let names: Vec<_> = parameters.iter().filter_map(|parameter| parameter["name"].as_str()).collect();
        assert_eq!(names, ["conference", "window", "n", "start"]);
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a quoted reference");
            assert!(json["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
