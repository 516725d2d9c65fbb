//! The OpenAPI document, made of the handlers.

use actix_web::HttpResponse;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};

use crate::{cookie, routes};

#[derive(OpenApi)]
#[openapi(
    info(title = "Livewall likes", description = "Visitors like posts and take it back."),
    paths(routes::get_visitor, routes::put_like, routes::delete_like, routes::post_like),
    modifiers(&VisitorCookie)
)]
struct Document;

struct VisitorCookie;

impl Modify for VisitorCookie {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let cookie = ApiKeyValue::with_description(cookie::NAME, "From `GET /likes/visitor`, or from an answer 401");
        let schemes = document.components.get_or_insert_default();
        schemes.add_security_scheme("visitor", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// `GET /likes/openapi.json`.
pub(crate) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(Document::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_described() {
        let document = serde_json::to_value(Document::openapi()).expect("JSON");
        for (path, method) in
            [("/likes", "post"), ("/likes/visitor", "get"), ("/likes/{tweetId}", "put"), ("/likes/{tweetId}", "delete")]
        {
            assert!(document["paths"][path][method].is_object(), "{method} {path}");
        }
        assert_eq!(document["components"]["securitySchemes"]["visitor"]["name"], "livewall_visitor");
        assert_eq!(document["components"]["schemas"]["Like"]["required"][0], "tweetId");
    }
}
