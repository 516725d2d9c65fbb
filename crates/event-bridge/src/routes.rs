//! The calls under `/eventBridge`.

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, http::header, web};
use contracts::Timestamp;
use service_shell::{ProblemBody, RequestTrace, body};

use crate::{
    answer::{BatchAnswer, Published},
    batch::{self, Posts},
    bridge::Bridge,
    error::Error,
    ifttt,
    openapi::{IftttApplet, OneOrMore, OneOrMoreTaken, document},
    post::Post,
    publish::{Occasion, count},
    token::Authorized,
};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// One JSON object per line has no registered media type; these are in use.
const TWEETS: [&str; 4] = [JSON, "application/x-ndjson", "application/ndjson", "application/jsonl"];

/// Claims `/eventBridge`.
pub(crate) fn under_event_bridge(
    bridge: web::Data<Bridge>,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config.service(
            web::scope("/eventBridge")
                .app_data(bridge.clone())
                .service(web::resource("/ifttt-tweet").route(web::post().to(post_ifttt_tweet)))
                .service(web::resource("/tweets").route(web::post().to(post_tweets)))
                .service(web::resource("/openapi.json").route(web::get().to(get_openapi))),
        );
    }
}

/// Publishes the post of an IFTTT applet.
///
/// The fields are IFTTT's ingredients in any case, or ours. Texts may have HTML entities, and raw line breaks in JSON.
/// Repeating a call is safe: the id comes from the link to the post, or from author, text and time.
#[utoipa::path(
    post,
    path = "/eventBridge/ifttt-tweet",
    tag = "posts",
    security(("bearer" = []), ("header" = []), ("query" = [])),
    request_body(content(
        (IftttApplet = "application/json"),
        (IftttApplet = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "Acknowledged by all in-sync replicas", body = Published),
        (status = 400, description = "The body cannot be read", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "The webhook token is missing or wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Another Content-Type", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The named field is outside its rule", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Kafka did not acknowledge; try again after Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn post_ifttt_tweet(
    _: Authorized,
    bridge: web::Data<Bridge>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    let published = async {
        let (kind, text) = text(&bridge, &request, payload, &[JSON, FORM]).await?;
        let zone = bridge.zone();
        let post = if kind == JSON { ifttt::from_json(&text, zone)? } else { ifttt::from_form(&text, zone)? };
        bridge.publish(post, occasion(&request)).await
    };
    one(published.await)
}

/// Publishes one post, or several.
///
/// A JSON object is answered like a single post; an array, or one object per line (`application/x-ndjson`), with one
/// result per post: a wrong one does not hold up the others. Repeating a call is safe where posts have a `tweetId`, and
/// where they have none: it is then derived from author, text and time.
#[utoipa::path(
    post,
    path = "/eventBridge/tweets",
    tag = "posts",
    security(("bearer" = []), ("header" = []), ("query" = [])),
    request_body(content(
        (OneOrMore = "application/json"),
        (Post = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "All acknowledged by all in-sync replicas", body = OneOrMoreTaken),
        (status = 207, description = "Some posts of several were not taken", body = BatchAnswer),
        (status = 400, description = "The body cannot be read, or has no post", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "The webhook token is missing or wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large, or has too many posts", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Another Content-Type", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The named field of the only post is outside its rule", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Kafka acknowledged none; try again after Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn post_tweets(
    _: Authorized,
    bridge: web::Data<Bridge>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    let posts = async {
        let (kind, text) = text(&bridge, &request, payload, &TWEETS).await?;
        let max = bridge.batch();
        Ok(if kind == JSON { batch::from_json(&text, max)? } else { batch::from_ndjson(&text, max)? })
    };
    match posts.await {
        Ok(Posts::One(post)) => one(bridge.publish(post, occasion(&request)).await),
        Ok(Posts::Many(posts)) => Ok(bridge.publish_all(posts, occasion(&request)).await?.response()),
        Err(error) => one(Err(error)),
    }
}

/// This document.
#[utoipa::path(
    get,
    path = "/eventBridge/openapi.json",
    tag = "about",
    responses((status = 200, description = "The OpenAPI document of this service", content_type = "application/json")),
)]
pub(crate) async fn get_openapi() -> HttpResponse {
    HttpResponse::Ok().content_type(JSON).body(document())
}

/// The answer to one post, or to a body that counts as one.
fn one(published: Result<Published, Error>) -> Result<HttpResponse, Error> {
    match &published {
        Ok(_) => count("accepted", 1),
        Err(error) => count(error.outcome(), 1),
    }
    Ok(HttpResponse::Ok().json(published?))
}

fn occasion(request: &HttpRequest) -> Occasion {
    Occasion { trace: RequestTrace::of(request).0, now: Timestamp::from(jiff::Timestamp::now()) }
}

/// The body as text, with its media type, one of `allowed`.
async fn text(
    bridge: &Bridge,
    request: &HttpRequest,
    payload: web::Payload,
    allowed: &'static [&'static str],
) -> Result<(&'static str, String), Error> {
    let kind = request.content_type();
    let Some(kind) = allowed.iter().copied().find(|allowed| allowed.eq_ignore_ascii_case(kind)) else {
        return Err(Error::UnsupportedType { allowed });
    };
    if let Some(encoding) = request.headers().get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Error::Compressed(String::from_utf8_lossy(encoding.as_bytes()).into_owned()));
    }
    let body = body::read(request, payload, bridge.body_bytes()).await?;
    let text = String::from_utf8(body.into()).map_err(|error| Error::NotUtf8(error.utf8_error().valid_up_to()))?;
    Ok((kind, text))
}
