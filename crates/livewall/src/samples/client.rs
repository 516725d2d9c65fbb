//! The wall from outside, by HTTP.

use std::{str::FromStr, time::Duration};

use ureq::{
    Agent, Body,
    http::{Response, StatusCode, header},
};

use super::{
    audience::{Opinion, VISITORS},
    writer::Post,
};

/// A wall that takes longer is not well. Longer than a service may wait for Kafka.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where the wall is.
#[derive(Clone)]
pub(crate) struct Target {
    /// Without a slash at its end.
    origin: String,
    token: Option<String>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin)
    }
}

impl Target {
    /// With the token that posts need.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let origin = url.trim_end_matches('/');
        let uri: ureq::http::Uri = origin.parse().map_err(|_| "not a URL")?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) if uri.query().is_none() => Ok(Self { origin: origin.to_owned(), token: None }),
            (Some("https"), _) => Err("https is not built in; the samples are for walls on this machine or network"),
            _ => Err("not a URL such as http://127.0.0.1:8080"),
        }
    }
}

/// Why something was not done.
pub(super) enum Trouble {
    /// It may be done a little later.
    Passing(String),
    /// It will never be done.
    Refused(String),
}

/// One connection, and the cookies of all visitors.
pub(super) struct Client {
    agent: Agent,
    target: Target,
    cookies: [Option<String>; VISITORS],
}

impl Client {
    pub(super) fn new(target: Target) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        Self { agent: agent.into(), target, cookies: [const { None }; VISITORS] }
    }

    /// Posts all of `posts`.
    pub(super) fn post(&mut self, posts: &[Post]) -> Result<(), Trouble> {
        let mut request = self.agent.post(self.url("/eventBridge/tweets")).content_type("application/json");
        if let Some(token) = &self.target.token {
            request = request.header("x-webhook-token", token);
        }
        let body = serde_json::to_vec(posts).expect("posts are strings and times");
        let mut response = request.send(&body).map_err(|error| passing(&error))?;
        match response.status() {
            StatusCode::OK => read(&mut response).map(drop),
            _ => Err(trouble(response)),
        }
    }

    /// Sets whether a visitor likes a post.
    pub(super) fn like(&mut self, opinion: &Opinion) -> Result<(), Trouble> {
        let url = self.url(&format!("/likes/{}?conference={}", opinion.tweet_id, opinion.conference));
        // The first refusal brings the cookie.
        for _ in 0..2 {
            let cookie = self.cookies[opinion.visitor].as_deref().unwrap_or_default();
            let response = if opinion.liked {
                self.agent.put(&url).header(header::COOKIE, cookie).send_empty()
            } else {
                self.agent.delete(&url).header(header::COOKIE, cookie).call()
            };
            let mut response = response.map_err(|error| passing(&error))?;
            match response.status() {
                StatusCode::OK => return read(&mut response).map(drop),
                StatusCode::UNAUTHORIZED => {
                    self.cookies[opinion.visitor] = cookie_of(&response);
                    read(&mut response)?;
                }
                _ => return Err(trouble(response)),
            }
        }
        Err(Trouble::Refused("the wall does not take its own cookies".to_owned()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.target.origin)
    }
}

fn cookie_of(response: &Response<Body>) -> Option<String> {
    let cookie = response.headers().get(header::SET_COOKIE)?.to_str().ok()?;
    Some(cookie.split(';').next()?.to_owned())
}

fn passing(error: &ureq::Error) -> Trouble {
    Trouble::Passing(error.to_string())
}

/// Reads an answer to its end, so that its connection can be used again.
fn read(response: &mut Response<Body>) -> Result<String, Trouble> {
    response.body_mut().read_to_string().map_err(|error| passing(&error))
}

fn trouble(mut response: Response<Body>) -> Trouble {
    let status = response.status();
    let text = match read(&mut response) {
        Ok(text) => format!("{status}: {text}"),
        Err(broken) => return broken,
    };
    let is_passing =
        status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    if is_passing { Trouble::Passing(text) } else { Trouble::Refused(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_http_url() {
        assert_eq!(
            format!("{:?}", "http://127.0.0.1:8080/".parse::<Target>().expect("a target")),
            "http://127.0.0.1:8080"
        );
        for bad in
            ["127.0.0.1:8080", "https://wall.example", "http://", "ftp://wall", "", "http://a b", "http://wall/?a"]
        {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
