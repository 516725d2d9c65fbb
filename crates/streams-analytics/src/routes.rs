//! The calls under `/analytics`.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use contracts::{Conference, ConferenceAnalytics, Timestamp};
use serde::Serialize;
use service_shell::ProblemBody;

use crate::{
    board::Board,
    error::Error,
    openapi::{ConferenceAnalyticsBody, TopListBody, document},
    results::ALL,
};

/// What the calls answer from.
pub(crate) struct Analytics {
    board: Arc<Board>,
    /// The length of a list where none is asked for, and the greatest one.
    top: usize,
}

impl Analytics {
    pub(crate) fn new(board: Arc<Board>, top: usize) -> Self {
        Self { board, top }
    }

    fn conference(&self, name: &str) -> Result<ConferenceAnalytics, Error> {
        let name = Conference::parse(name)?;
        // Before that, an unknown conference cannot be told from one that has not been read yet.
        self.board.ready().map_err(Error::NotReady)?;
        self.board.get(name.as_str()).ok_or_else(|| Error::UnknownConference(name.to_string()))
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
    Ok(HttpResponse::Ok().json(found))
}

/// The most liked posts of a conference.
#[utoipa::path(
    get,
    path = "/analytics/{conference}/top",
    tag = "analytics",
    params(
        ("conference" = String, Path, description = "The conference", example = "rustconf"),
        ("window" = Option<String>, Query, description = "`all`: all time", example = "all"),
        ("n" = Option<u32>, Query, description = "How many, at most as many as are configured (10)", example = 3),
    ),
    responses(
        (status = 200, description = "The most liked first, then by tweetId", body = TopListBody),
        (status = 400, description = "The named parameter is outside its rule", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "Nothing was ever posted or liked there", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Still starting; try again after Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn get_top(
    analytics: web::Data<Analytics>,
    conference: web::Path<String>,
    query: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, Error> {
    let asked = Asked::parse(&query, analytics.top)?;
    let mut found = analytics.conference(&conference)?;
    let mut list = found.top.remove(&asked.window).unwrap_or_default();
    list.nrs.truncate(asked.n);
    let answer = Top {
        conference: found.conference,
        window: asked.window,
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

/// The query of `…/top`.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    window: String,
    n: usize,
}

impl Asked {
    fn parse(query: &[(String, String)], top: usize) -> Result<Self, Error> {
        let (mut window, mut n) = (None, None);
        for (name, value) in query {
            let (name, place) = match name.as_str() {
                "window" => ("window", &mut window),
                "n" => ("n", &mut n),
                _ => return Err(Error::Parameter(name.clone())),
            };
            if place.replace(value.clone()).is_some() {
                return Err(Error::Repeated(name));
            }
        }
        let window = window.unwrap_or_else(|| ALL.to_owned());
        if window != ALL {
            return Err(Error::Window(window));
        }
        let n = match n {
            None => top,
            Some(text) => match text.parse() {
                Ok(n) if (1..=top).contains(&n) => n,
                _ => return Err(Error::Length { n: text, top }),
            },
        };
        Ok(Self { window, n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &[(&str, &str)]) -> Result<(String, usize), String> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Asked::parse(&query, 10).map(|asked| (asked.window, asked.n)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_window_and_a_length_within_bounds_are_taken() {
        assert_eq!(asked(&[]), Ok(("all".into(), 10)));
        assert_eq!(asked(&[("n", "3"), ("window", "all")]), Ok(("all".into(), 3)));
    }

    #[test]
    fn others_are_refused_with_what_is_allowed() {
        assert_eq!(asked(&[("window", "5m")]), Err("window: \"5m\" is not computed; allowed: all".into()));
        for n in ["0", "11", "-1", "ten", ""] {
            assert_eq!(asked(&[("n", n)]), Err(format!("n: {n:?} is not a number from 1 to 10")));
        }
        assert_eq!(asked(&[("m", "1")]), Err("m: there is no such parameter; allowed: window, n".into()));
        assert_eq!(asked(&[("n", "1"), ("n", "1")]), Err("n: is given more than once".into()));
    }
}
