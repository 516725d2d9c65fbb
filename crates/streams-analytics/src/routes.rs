//! The calls under `/analytics`.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use contracts::{Conference, ConferenceAnalytics, Timestamp, TopList};
use serde::Serialize;
use service_shell::ProblemBody;

use crate::{
    asked::Asked,
    board::{Board, KEPT},
    error::Error,
    openapi::{ConferenceAnalyticsBody, TopListBody, document},
    results::ALL,
    windows::WindowSpec,
};

/// What the calls answer from.
pub(crate) struct Analytics {
    board: Arc<Board>,
    /// The length of a list where none is asked for, and the greatest one.
    top: usize,
    /// Those that can be asked for, besides all time.
    windows: Vec<WindowSpec>,
}

impl Analytics {
    pub(crate) fn new(board: Arc<Board>, top: usize, windows: Vec<WindowSpec>) -> Self {
        Self { board, top, windows }
    }

    fn conference(&self, name: &str) -> Result<ConferenceAnalytics, Error> {
        let name = Conference::parse(name)?;
        // Before that, an unknown conference cannot be told from one that has not been read yet.
        self.board.ready().map_err(Error::NotReady)?;
        self.board.get(name.as_str()).ok_or_else(|| Error::UnknownConference(name.to_string()))
    }

    /// The list of the window of `spec` that begins at `start`.
    fn window(&self, of: &ConferenceAnalytics, spec: WindowSpec, start: Timestamp) -> Result<TopList, Error> {
        // Now is the newest stream time: windows are over event time, so that a conference that is replayed, or that
        // has been quiet since yesterday, can still be asked for its last day; and all replicas answer the same,
        // whatever their clocks say.
        let now = of.tweets_stream_time.max(of.likes_stream_time).unwrap_or(start);
        let began = start.millis();
        if began < now.millis() - KEPT && began + spec.size <= now.millis() {
            return Err(Error::Gone { start, now, conference: of.conference.clone() });
        }
        let found = self.board.window(&of.conference, &spec.name(), began);
        let found = found.ok_or_else(|| Error::NoWindow { size: spec.name(), start })?;
        Ok(TopList { start: found.start, end: found.end, r#final: found.likes_final, nrs: found.nrs })
    }
}

/// Claims `/analytics`.
pub(crate) fn under_analytics(
    analytics: web::Data<Analytics>,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |config| {
        config.service(
            web::scope("/analytics")
                .app_data(analytics.clone())
                .service(web::resource("/openapi.json").route(web::get().to(get_openapi)))
                .service(web::resource("/{conference}").route(web::get().to(get_conference)))
                .service(web::resource("/{conference}/top").route(web::get().to(get_top))),
        );
    }
}

/// The running results of a conference.
///
/// From the committed results, so that every replica answers for every conference, at most some 100 ms late.
#[utoipa::path(
    get,
    path = "/analytics/{conference}",
    tag = "analytics",
    params(("conference" = String, Path, description = "The conference", example = "rustconf")),
    responses(
        (status = 200, description = "Its results", body = ConferenceAnalyticsBody),
        (status = 400, description = "Not a conference's name", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Nothing was ever posted or liked there", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Still starting; try again after Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get_conference(
    analytics: web::Data<Analytics>,
    conference: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let mut found = analytics.conference(&conference)?;
    found.top.values_mut().for_each(|list| list.nrs.truncate(analytics.top));
    found.hashtags.truncate(analytics.top);
    Ok(HttpResponse::Ok().json(found))
}

/// The most liked posts of a conference, of all time or of a window.
///
/// Of a window, without `start` the newest one. Windows of the last 24 h can be asked for, counted back from the newest
/// post or like of the conference.
#[utoipa::path(
    get,
    path = "/analytics/{conference}/top",
    tag = "analytics",
    params(
        ("conference" = String, Path, description = "The conference", example = "rustconf"),
        ("window" = Option<String>, Query, description = "`all` for all time, or one of the configured sizes (`5m`, `1h`); all time where it is left out", example = "5m"),
        ("n" = Option<u32>, Query, description = "How many, at most as many as are configured (10)", example = 3),
        ("start" = Option<String>, Query, description = "When the window began, RFC 3339; the newest one where it is left out", example = "2026-11-22T15:00:00Z"),
    ),
    responses(
        (status = 200, description = "The most liked first, then by tweetId", body = TopListBody),
        (status = 400, description = "The named parameter is outside its rule", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Nothing was ever posted or liked there, or in that window", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "The window began more than 24 h ago", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Still starting; try again after Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get_top(
    analytics: web::Data<Analytics>,
    conference: web::Path<String>,
    query: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, Error> {
    let asked = Asked::parse(&query, analytics.top, &analytics.windows)?;
    let mut found = analytics.conference(&conference)?;
    let window = asked.window.map_or_else(|| ALL.to_owned(), |spec| spec.name());
    let mut list = match (asked.window, asked.start) {
        (Some(spec), Some(start)) => analytics.window(&found, spec, start)?,
        _ => found.top.remove(&window).unwrap_or_default(),
    };
    list.nrs.truncate(asked.n);
    let answer = Top {
        conference: found.conference,
        window,
        start: list.start,
        end: list.end,
        r#final: list.r#final,
        nrs: list.nrs,
    };
    Ok(HttpResponse::Ok().json(answer))
}

/// This document.
#[utoipa::path(
    get,
    path = "/analytics/openapi.json",
    tag = "about",
    responses((status = 200, description = "The OpenAPI document of this service", content_type = "application/json")),
)]
pub(crate) async fn get_openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document())
}

/// One window's list.
#[derive(Serialize)]
struct Top {
    conference: String,
    window: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Timestamp>,
    r#final: bool,
    nrs: Vec<contracts::RankedTweet>,
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        http::StatusCode,
        test::{TestRequest, call_service, init_service, read_body},
    };
    use contracts::{RankedTweet, Record as _, WindowResult};
    use kafka_client::{ReaderEvent, TopicRecord};
    use serde_json::{Value, json};

    use super::*;

    const MINUTE: i64 = 60_000;
    const WINDOWS: [WindowSpec; 2] =
        [WindowSpec { size: 5 * MINUTE, advance: 5 * MINUTE }, WindowSpec { size: 60 * MINUTE, advance: 30 * MINUTE }];

    fn time(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * MINUTE)
    }

    fn ranked(ids: &[&str]) -> Vec<RankedTweet> {
        let entry = |id: &&str| RankedTweet { tweet_id: (*id).to_owned(), count: 1, ..RankedTweet::default() };
        ids.iter().map(entry).collect()
    }

    fn record(value: &[u8]) -> ReaderEvent<'_> {
        let (partition, offset, timestamp) = (0, 0, 0);
        ReaderEvent::Record(TopicRecord { partition, offset, timestamp, key: None, value: Some(value), trace: None })
    }

    /// Results up to the minute 3000 after the epoch.
    fn analytics() -> web::Data<Analytics> {
        let board = Board::default();
        let newest =
            TopList { start: Some(time(2995)), end: Some(time(3000)), nrs: ranked(&["1", "2"]), r#final: false };
        let results = ConferenceAnalytics {
            conference: "rustconf".into(),
            tweets_stream_time: Some(time(3000)),
            likes_stream_time: Some(time(2999)),
            top: [("5m".to_owned(), newest)].into(),
            ..ConferenceAnalytics::default()
        };
        board.take_analytics(record(&results.to_json()));
        for start in [1555, 1560, 2990] {
            let window = WindowResult {
                conference: "rustconf".into(),
                size: "5m".into(),
                start: Some(time(start)),
                end: Some(time(start + 5)),
                likes_final: true,
                nrs: ranked(&["3", "4", "5"]),
                ..WindowResult::default()
            };
            board.take_windows(record(&window.to_json()));
        }
        board.take_analytics(ReaderEvent::CaughtUp);
        board.take_windows(ReaderEvent::CaughtUp);
        web::Data::new(Analytics::new(Arc::new(board), 2, WINDOWS.to_vec()))
    }

    async fn answer(path: &str) -> (StatusCode, Value) {
        let app = init_service(App::new().configure(under_analytics(analytics()))).await;
        let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        let status = response.status();
        (status, serde_json::from_slice(&read_body(response).await).expect("JSON"))
    }

    fn ids(answer: &Value) -> Vec<&str> {
        let entries = answer["nrs"].as_array().expect("a list");
        entries.iter().filter_map(|entry| entry["tweetId"].as_str()).collect()
    }

    #[actix_web::test]
    async fn without_a_start_the_newest_window_is_answered() {
        let (status, newest) = answer("/analytics/rustconf/top?window=5m&n=1").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!((&newest["start"], &newest["final"]), (&json!(time(2995)), &json!(false)));
        assert_eq!((&newest["window"], ids(&newest)), (&json!("5m"), vec!["1"]));
        let (status, none) = answer("/analytics/rustconf/top?window=1h").await;
        assert_eq!((status, ids(&none)), (StatusCode::OK, vec![]), "nothing was liked in it yet");
    }

    #[actix_web::test]
    async fn with_a_start_that_window_is_answered_while_it_is_of_the_last_day() {
        let path = |start: i64| format!("/analytics/rustconf/top?window=5m&start={}", time(start));
        for start in [1560, 2990] {
            let (status, found) = answer(&path(start)).await;
            assert_eq!((status, ids(&found)), (StatusCode::OK, vec!["3", "4"]), "{found}");
            assert_eq!(
                (&found["start"], &found["end"], &found["final"]),
                (&json!(time(start)), &json!(time(start + 5)), &json!(true))
            );
        }
        for (start, status) in [(1555, 410), (0, 410), (2985, 404), (3005, 404)] {
            let (found, problem) = answer(&path(start)).await;
            assert_eq!(found.as_u16(), status, "{start}: {problem}");
        }
        let (status, _) = answer(&path(2990).replace("rustconf", "unknown")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
}
