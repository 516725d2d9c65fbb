//! The calls under `/likes`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, guard, http::header, web};
use contracts::{Conference, TraceParent, TweetId, VisitorId};
use service_shell::{ProblemBody, RequestTrace};

use crate::{
    VisitorConfig,
    answer::{LikeAnswer, VisitorAnswer},
    cookie,
    error::Error,
    openapi,
    publish::{Opinion, Publisher},
    request::{Like, LikeQuery},
    visitor::{NewVisitor, VisitorKeys},
};

/// What the handlers share.
pub(crate) struct Api {
    keys: VisitorKeys,
    always_secure: bool,
    publisher: Arc<Publisher>,
}

impl Api {
    pub(crate) fn new(config: &VisitorConfig, publisher: Arc<Publisher>) -> Self {
        Self { keys: config.keys(), always_secure: config.secure, publisher }
    }

    fn visitor(&self, request: &HttpRequest) -> Option<VisitorId> {
        cookie::visitor(request, &self.keys)
    }

    /// Hands a new visitor's cookie out with `response`.
    fn introduce(&self, visitor: &NewVisitor, request: &HttpRequest, response: &mut HttpResponse) {
        let cookie = cookie::set_cookie(visitor, request, self.always_secure);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }

    /// The answer to somebody without a cookie of ours: nothing was written, and here is one.
    fn refuse_stranger(&self, request: &HttpRequest) -> HttpResponse {
        let mut response = Error::NoVisitor.error_response();
        count(Error::NoVisitor.outcome());
        self.introduce(&cookie::new_visitor(&self.keys), request, &mut response);
        response
    }

    /// Writes what `visitor` says of a tweet.
    async fn record(
        &self,
        visitor: VisitorId,
        tweet: TweetId,
        conference: Option<Conference>,
        liked: bool,
        trace: TraceParent,
    ) -> Result<HttpResponse, Error> {
        let opinion = Opinion { visitor, tweet, conference, liked, at: jiff::Timestamp::now().into(), trace };
        let conferences = self.publisher.publish(&opinion).await?;
        count(if liked { "liked" } else { "unliked" });
        Ok(LikeAnswer::new(&opinion.tweet, &conferences, liked).response())
    }

    /// Sets whether the request's visitor likes the tweet of its path.
    async fn set(
        &self,
        request: &HttpRequest,
        tweet: &str,
        query: &LikeQuery,
        liked: bool,
    ) -> Result<HttpResponse, Error> {
        let (tweet, conference) = (TweetId::parse(tweet)?, query.conference()?);
        let Some(visitor) = self.visitor(request) else { return Ok(self.refuse_stranger(request)) };
        self.record(visitor, tweet, conference, liked, RequestTrace::of(request).0).await
    }

    async fn post(&self, request: &HttpRequest, payload: web::Payload) -> Result<HttpResponse, Error> {
        let Like { tweet_id, conference } = Like::read(request, payload).await?;
        let trace = RequestTrace::of(request).0;
        if let Some(visitor) = self.visitor(request) {
            return self.record(visitor, tweet_id, conference, true, trace).await;
        }
        let visitor = cookie::new_visitor(&self.keys);
        let mut response = self.record(visitor.id.clone(), tweet_id, conference, true, trace).await?;
        self.introduce(&visitor, request, &mut response);
        Ok(response)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("likes_total", "outcome" => outcome).increment(1);
}

/// Counts a failure, and says those that are ours; that Kafka cannot be reached has been said where it was noticed.
fn noted(request: &HttpRequest, outcome: Result<HttpResponse, Error>) -> Result<HttpResponse, Error> {
    outcome.inspect_err(|error| {
        count(error.outcome());
        if let Error::Send(_) | Error::Undecided(_) = error {
            tracing::warn!(trace_id = RequestTrace::of(request).0.trace_id(), "like not taken: {error}");
        }
    })
}

/// Routes for [`actix_web::App::configure`]. They claim `/likes` and what is below it.
pub(crate) fn under_likes(api: web::Data<Api>) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config.service(
            web::scope("/likes")
                .app_data(api.clone())
                .service(web::resource("").route(web::post().to(post_like)))
                // By method, because tweets may have these ids too.
                .service(web::resource("/visitor").guard(guard::Get()).to(get_visitor))
                .service(web::resource("/openapi.json").guard(guard::Get()).to(openapi::document))
                .service(
                    web::resource("/{tweetId}").route(web::put().to(put_like)).route(web::delete().to(delete_like)),
                ),
        );
    }
}

/// Gives the caller a visitor cookie, where it has none.
#[utoipa::path(
    get,
    path = "/likes/visitor",
    tag = "likes",
    responses((
        status = 200,
        description = "The cookie `livewall_visitor` is set where the request brought none, or one that was not made here",
        body = VisitorAnswer,
        headers(("Set-Cookie" = String, description = "For new visitors"))
    ))
)]
pub(crate) async fn get_visitor(api: web::Data<Api>, request: HttpRequest) -> HttpResponse {
    if api.visitor(&request).is_some() {
        return VisitorAnswer::Known.response();
    }
    let mut response = VisitorAnswer::New.response();
    api.introduce(&cookie::new_visitor(&api.keys), &request, &mut response);
    response
}

/// Likes a tweet. Once liked, doing it again changes nothing.
#[utoipa::path(
    put,
    path = "/likes/{tweetId}",
    tag = "likes",
    params(
        ("tweetId" = String, Path, description = "The tweet", example = "1234567890"),
        ("conference" = Option<String>, Query, description = "One of the tweet's conferences; all of them where none is named")
    ),
    responses(
        (status = 200, description = "All in-sync replicas have it", body = LikeAnswer),
        (status = 400, description = "An id is outside its rule; the problem names the field", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No visitor cookie, or a forged one: nothing was written; send the request again with the cookie that this answer sets", body = ProblemBody, content_type = "application/problem+json", headers(("Set-Cookie" = String))),
        (status = 404, description = "There is no such tweet, or not in this conference", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Kafka cannot be reached, or did not answer in time; send the request again", body = ProblemBody, content_type = "application/problem+json", headers(("Retry-After" = u32, description = "Seconds")))
    ),
    security(("visitor" = []))
)]
pub(crate) async fn put_like(
    api: web::Data<Api>,
    request: HttpRequest,
    tweet: web::Path<String>,
    query: web::Query<LikeQuery>,
) -> Result<HttpResponse, Error> {
    noted(&request, api.set(&request, &tweet, &query, true).await)
}

/// Likes a tweet no longer. One that was not liked stays so.
#[utoipa::path(
    delete,
    path = "/likes/{tweetId}",
    tag = "likes",
    params(
        ("tweetId" = String, Path, description = "The tweet", example = "1234567890"),
        ("conference" = Option<String>, Query, description = "One of the tweet's conferences; all of them where none is named")
    ),
    responses(
        (status = 200, description = "All in-sync replicas have it", body = LikeAnswer),
        (status = 400, description = "As for PUT", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "As for PUT", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "As for PUT", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "As for PUT", body = ProblemBody, content_type = "application/problem+json")
    ),
    security(("visitor" = []))
)]
pub(crate) async fn delete_like(
    api: web::Data<Api>,
    request: HttpRequest,
    tweet: web::Path<String>,
    query: web::Query<LikeQuery>,
) -> Result<HttpResponse, Error> {
    noted(&request, api.set(&request, &tweet, &query, false).await)
}

/// Likes a tweet at once, also without a cookie: then the answer brings one.
///
/// Weaker than PUT: a caller that drops its cookies counts as a new visitor each time, with one request per like, and a
/// browser that does not see the answer likes the tweet again as somebody else. For clients that cannot ask twice.
#[utoipa::path(
    post,
    path = "/likes",
    tag = "likes",
    request_body = Like,
    responses(
        (status = 200, description = "All in-sync replicas have it", body = LikeAnswer, headers(("Set-Cookie" = String, description = "For new visitors"))),
        (status = 400, description = "The body is no JSON object, or a field is outside its rule; the problem names it", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tweet, or not in this conference", body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The body is not application/json", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "As for PUT", body = ProblemBody, content_type = "application/problem+json")
    ),
    security((), ("visitor" = []))
)]
pub(crate) async fn post_like(
    api: web::Data<Api>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Error> {
    noted(&request, api.post(&request, payload).await)
}
