//! The OpenAPI document, from the handlers.

use serde::{Deserialize, Serialize};
use service_shell::ProblemBody;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};

use crate::{
    answer::{BatchAnswer, ItemResult, Published},
    post::Post,
    routes,
};

/// The document as JSON.
pub(crate) fn document() -> String {
    Document::openapi().to_json().expect("the document has string keys only")
}

#[derive(OpenApi)]
#[openapi(
    info(title = "event-bridge", description = "Takes posts by webhook and publishes them on the topic `tweets`."),
    paths(routes::post_ifttt_tweet, routes::post_tweets, routes::get_openapi),
    components(schemas(IftttApplet, OneOrMore, OneOrMoreTaken, Post, Published, BatchAnswer, ItemResult, ProblemBody)),
    modifiers(&WebhookToken),
)]
struct Document;

/// The three places of the webhook token.
struct WebhookToken;

impl Modify for WebhookToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let schemes = [
            ("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer))),
            ("header", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Webhook-Token")))),
            ("query", SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::new("token")))),
        ];
        for (name, scheme) in schemes {
            components.add_security_scheme(name, scheme);
        }
    }
}

/// The body of an IFTTT applet "New tweet from search" → "Make a web request". Names count in any case and with or
/// without `_`; our own names (those of `Post`) are taken too.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
#[expect(dead_code, reason = "only describes what crate::ifttt reads")]
pub(crate) struct IftttApplet {
    /// What was said.
    #[schema(required, example = "Tom &amp; Jerry at #rustconf")]
    text: String,
    /// Who said it.
    #[schema(required, example = "ferris")]
    user_name: String,
    /// The link to the post; its id is taken from it.
    #[schema(example = "https://twitter.com/ferris/status/1234567890")]
    link_to_tweet: Option<String>,
    /// When it was said, in the zone of `ifttt.zone`, or RFC 3339.
    #[schema(example = "November 22, 2026 at 03:04PM")]
    created_at: Option<String>,
    /// HTML; the post's id is taken from it where there is no link.
    tweet_embed_code: Option<String>,
    /// The conference; without it, the first configured hashtag that stands in the text.
    #[schema(rename = "tagFilter", example = "rustconf")]
    tag_filter: Option<String>,
}

/// The JSON that `POST /eventBridge/tweets` takes.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only describes what crate::batch reads")]
pub(crate) enum OneOrMore {
    /// One post.
    One(Post),
    /// Several posts.
    More(Vec<Post>),
}

/// The answer where everything was taken.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only describes what crate::routes answers")]
pub(crate) enum OneOrMoreTaken {
    /// To one object.
    One(Published),
    /// To an array or lines.
    More(BatchAnswer),
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_document_describes_every_call_and_refers_to_nothing_that_is_missing() {
        let text = document();
        let json: Value = serde_json::from_str(&text).expect("JSON");
        for path in ["/eventBridge/ifttt-tweet", "/eventBridge/tweets", "/eventBridge/openapi.json"] {
            assert!(json["paths"][path].is_object(), "{path}");
        }
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().expect("a quoted reference");
            assert!(json["components"]["schemas"][name].is_object(), "{name}");
        }
        let body =
            &json["paths"]["/eventBridge/tweets"]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["$ref"], "#/components/schemas/OneOrMore");
        assert_eq!(json["components"]["schemas"]["OneOrMore"]["oneOf"].as_array().map(Vec::len), Some(2));
        assert_eq!(json["components"]["schemas"]["Post"]["required"], serde_json::json!(["text", "author"]));
    }
}
