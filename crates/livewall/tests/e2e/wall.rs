//! The stage that tests share when they do not disturb it.

use contracts::{Record as _, Timestamp, Tweet};
use load_test::{
    Request,
    stage::{Broker, Plan, Stage},
};
use serde_json::Value;
use tokio::sync::OnceCell;

/// Starts with the first test that asks for it and ends with the test process.
pub async fn wall() -> &'static Stage {
    static WALL: OnceCell<Stage> = OnceCell::const_new();
    WALL.get_or_init(async || {
        Stage::start(Broker::of_tests(), plan()).await.unwrap_or_else(|error| panic!("{error:#}"))
    })
    .await
}

/// Two of each, which drain fast.
pub fn plan() -> Plan {
    Plan { env: vec![("LIVEWALL_HTTP__DRAIN".into(), "2s".into())], ..Plan::default() }
}

/// A name that no other test uses.
pub fn unique(what: &str) -> String {
    format!("{what}-{}", &uuid::Uuid::new_v4().simple().to_string()[..8])
}

/// A post in `conference`.
pub fn tweet(conference: &str, id: &str, text: &str, author: &str) -> Tweet {
    Tweet {
        event_type: Tweet::EVENT_TYPE.into(),
        tweet_id: id.into(),
        text: text.into(),
        author: author.into(),
        hashtag: "livewall".into(),
        created_at: Some(Timestamp::from_millis(1_795_359_840_000)),
        language: "en".into(),
        tag_filter: conference.into(),
        ..Tweet::default()
    }
}

/// Posts through the origin; it has to be taken.
pub async fn post(stage: &Stage, tweet: &Tweet) -> anyhow::Result<()> {
    let request = Request::new("POST", "/eventBridge/tweets")
        .header("X-Webhook-Token", stage.token())
        .body("application/json", tweet.to_json());
    let response = request.send(stage.origin()).await?;
    anyhow::ensure!(response.head.status == 200, "{}: {}", response.head.status, response.text());
    Ok(())
}

/// A new visitor's cookie, as it is sent back.
pub async fn visitor(stage: &Stage) -> anyhow::Result<String> {
    let response = Request::get("/likes/visitor").send(stage.origin()).await?;
    let cookie = response.head.header("set-cookie").and_then(|cookie| cookie.split(';').next());
    cookie.map(str::to_owned).ok_or_else(|| anyhow::anyhow!("{}: no cookie", response.head.status))
}

/// Likes or unlikes through the origin; it has to be taken.
pub async fn like(stage: &Stage, method: &str, cookie: &str, tweet_id: &str) -> anyhow::Result<()> {
    let request = Request::new(method, &format!("/likes/{tweet_id}")).header("Cookie", cookie);
    let response = request.send(stage.origin()).await?;
    anyhow::ensure!(response.head.status == 200, "{}: {}", response.head.status, response.text());
    Ok(())
}

/// Whether `data` is the event of `event_type` of `conference`.
pub fn is_of(data: &Value, event_type: &str, conference: &str) -> bool {
    data["eventType"] == event_type && data["conference"] == conference
}
