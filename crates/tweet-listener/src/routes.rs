//! What tweet-listener answers.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, body::None as NoBody, http::header, middleware::from_fn, web,
};

use contracts::{InvalidField, LikeCount};
use serde::Serialize;
use serde_json::value::RawValue;
use service_shell::{Problem, ProblemBody, body, takeover::Takeover};
use tokio::sync::watch;
use utoipa::{OpenApi, ToSchema};

use crate::{
    admission::{Admission, refusal},
    arrival::{Stage, Wish},
    channels::ChannelKey,
    cors::Cors,
    filter::Filter,
    frame::farewell,
    page,
};

/// Tweets of one `GET /tweets` where `limit` is not given, and at most.
const TWEETS: (usize, usize) = (50, 200);

/// The longest body of a request for the stream.
const BODY: usize = 4096;

/// What handlers share.
#[derive(Clone)]
pub struct Front {
    /// There when viewers may come.
    pub stage: watch::Receiver<Option<Arc<Stage>>>,
    /// Who may watch.
    pub admission: Arc<Admission>,
    /// Whose pages may read.
    pub cors: Cors,
}

impl Front {
    fn stage(&self) -> Option<Arc<Stage>> {
        self.stage.borrow().clone()
    }
}

#[derive(OpenApi)]
#[openapi(
    paths(updates, tweets),
    components(schemas(TweetsBody, ProblemBody)),
    info(
        title = "Livewall tweet-listener",
        description = "The wall: a stream of Server-Sent Events, and the newest posts."
    )
)]
struct Api;

/// All routes; the page last, since everything that no other service claims is tweet-listener's.
pub fn routes(config: &mut web::ServiceConfig, front: Front) {
    let (of_updates, of_tweets) = (front.cors.clone(), front.cors.clone());
    let updates = web::resource("/updates")
        .app_data(web::Data::new(front.clone()))
        .wrap(from_fn(move |request, next| of_updates.clone().around(request, next)))
        .route(web::get().to(updates))
        .route(web::head().to(head_of_updates));
    let tweets = web::resource("/tweets")
        .app_data(web::Data::new(front))
        .wrap(from_fn(move |request, next| of_tweets.clone().around(request, next)))
        .route(web::get().to(tweets))
        .route(web::head().to(tweets));
    config
        .service(updates)
        .service(tweets)
        .route("/openapi.json", web::get().to(async || HttpResponse::Ok().json(Api::openapi())))
        .configure(page::routes);
}

/// The stream.
///
/// Begins with `retry:` and the start id; tweets are unnamed events with an id. `Last-Event-ID` (header, or
/// `lastEventId` in the query) resumes without loss or repeat; an id that cannot be honoured gets `event: reset`.
#[utoipa::path(
    get,
    path = "/updates",
    params(
        ("conference" = Option<String>, Query, description = "Up to 16 conferences, separated by commas; all where it is left out"),
        ("lastEventId" = Option<String>, Query, description = "Where to go on; the header Last-Event-ID wins"),
        ("escape" = Option<String>, Query, description = "`html`: strings come HTML-escaped"),
        ("ping" = Option<bool>, Query, description = "`true`: heartbeats fire `event: ping`"),
    ),
    responses(
        (status = 200, description = "Server-Sent Events", content_type = "text/event-stream"),
        (status = 400, description = "A parameter cannot be read", body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "A body, which nobody needs, did not arrive in time", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Such a body is too large", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn updates(
    request: HttpRequest,
    payload: web::Payload,
    front: web::Data<Front>,
) -> Result<HttpResponse, Problem> {
    let wish = wish(&request)?;
    // Nobody sends one; but what is left unread would come before the end of the request.
    body::read(&request, payload, BODY).await?;
    let seat = front.admission.admit(&request);
    let mut response = stream_head();
    // A browser's EventSource gives up for good on any other status than 200: who cannot be served is told when to come
    // again, on a connection that takes no place meanwhile.
    response.force_close();
    Ok(match (front.stage(), seat) {
        (Some(stage), Some(seat)) => {
            let takeover =
                Takeover::of(&request).ok_or_else(|| Problem::unavailable("this connection cannot stream"))?;
            // The head is made here; the socket, and with it all that follows, is the serving threads'. Lasts until the
            // connection closes: chunks would say nothing that the end of the last block does not.
            let body = takeover.give_to(|taken| stage.receive(wish, seat, taken));
            let mut response = response.streaming(body);
            response.head_mut().no_chunking(true);
            response
        }
        (None, _) => response.body(farewell(fastrand::u64(1000..3000))),
        (_, None) => response.body(refusal()),
    })
}

/// What the stream would begin with; takes no viewer's place.
async fn head_of_updates(request: HttpRequest) -> Result<HttpResponse, Problem> {
    wish(&request)?;
    Ok(stream_head().body(NoBody::new()))
}

fn stream_head() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("X-Accel-Buffering", "no"));
    response
}

/// The newest posts, newest first, and the id from which `/updates` goes on.
#[utoipa::path(
    get,
    path = "/tweets",
    params(
        ("conference" = Option<String>, Query, description = "Up to 16 conferences, separated by commas; all where it is left out"),
        ("limit" = Option<usize>, Query, description = "How many, 1 to 200; 50 where it is left out"),
    ),
    responses(
        (status = 200, description = "Posts, their counts, and where to go on", body = TweetsBody),
        (status = 400, description = "A parameter cannot be read", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not caught up yet", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn tweets(request: HttpRequest, front: web::Data<Front>) -> Result<HttpResponse, Problem> {
    let query = Query::of(&request);
    let filter = query.filter()?;
    let limit = match query.get("limit") {
        None => TWEETS.0,
        Some(text) => text.parse().ok().filter(|limit| (1..=TWEETS.1).contains(limit)).ok_or_else(|| {
            Problem::from(InvalidField::new("limit", format!("is not a number from 1 to {}", TWEETS.1)))
        })?,
    };
    let stage = front.stage().ok_or_else(|| Problem::unavailable("the wall is still being read; try again"))?;
    let (newest, counts, position) = stage.hub.newest(&filter, limit);
    let tweets = newest
        .iter()
        .map(|entry| serde_json::from_slice(&entry.json))
        .collect::<Result<Vec<Box<RawValue>>, _>>()
        .expect("entries hold the JSON that was made for them");
    let body = TweetsBody {
        tweets,
        counts: counts.into_iter().map(Count).collect(),
        last_event_id: stage.hub.ids.write(&position),
    };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-cache")).json(body))
}

/// The newest posts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TweetsBody {
    /// As on the topic `tweets`, newest first.
    #[schema(value_type = Vec<Object>)]
    tweets: Vec<Box<RawValue>>,
    /// `{tweetId, conference, count}` of those that have been liked.
    #[schema(value_type = Vec<Object>)]
    counts: Vec<Count>,
    /// For `/updates?lastEventId=…`.
    last_event_id: String,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Count(LikeCount);

/// The query as pairs; the last one of a name counts, but conferences add up.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &HttpRequest) -> Self {
        Self(form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn filter(&self) -> Result<Filter, InvalidField> {
        let named: Vec<&str> =
            self.0.iter().filter(|(key, _)| key == "conference").map(|(_, value)| value.as_str()).collect();
        Filter::parse(&named.join(","))
    }
}

fn wish(request: &HttpRequest) -> Result<Wish, Problem> {
    let query = Query::of(request);
    let html = match query.get("escape") {
        None => false,
        Some("html") => true,
        Some(_) => return Err(InvalidField::new("escape", "can only be html").into()),
    };
    let ping = match query.get("ping") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(InvalidField::new("ping", "can only be true or false").into()),
    };
    // What is no text cannot be an id of ours; it is answered like any other garbage.
    let header = request.headers().get("last-event-id");
    let header = header.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned()).filter(|id| !id.is_empty());
    let last_event_id = header.or_else(|| query.get("lastEventId").filter(|id| !id.is_empty()).map(str::to_owned));
    Ok(Wish { key: ChannelKey { filter: query.filter()?, html }, last_event_id, ping })
}
