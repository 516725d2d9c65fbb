//! What the page says of its connection.

use load_test::stage::{Broker, Plan, Stage};
use serde_json::Value;

use crate::{browser::Browser, wall::plan};

async fn until_state(browser: &Browser, state: &str, words: &str) -> anyhow::Result<()> {
    let script = "const badge = document.getElementById('state');
      return badge.dataset.state === arguments[0] && badge.querySelector('.state-text').textContent === arguments[1]";
    browser.until::<bool>(state, script, &[state.into(), words.into()]).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_says_when_it_is_live_reconnecting_or_not_up_to_date() -> anyhow::Result<()> {
    let plan = Plan { replicas: 1, services: &["tweet-listener"], origin: false, ..plan() };
    let mut stage = Stage::start(Broker::of_tests(), plan).await?;
    let process = &mut stage.tweet_listener.processes_mut()[0];
    let browser = Browser::open(&format!("http://{}/", process.address())).await?;
    until_state(&browser, "live", "Live").await?;

    process.kill();
    until_state(&browser, "reconnecting", "Reconnecting").await?;
    process.start()?;
    until_state(&browser, "live", "Live").await?;

    // A connection that dies without a word looks open. The page's clock goes forward, in place of waiting for it.
    process.pause().await?;
    let later = "const now = performance.now.bind(performance); performance.now = () => now() + 60_000";
    browser.run::<Value>(later, &[]).await?;
    until_state(&browser, "stale", "Not up to date").await?;
    process.resume();
    until_state(&browser, "live", "Live").await?;
    browser.close().await
}
