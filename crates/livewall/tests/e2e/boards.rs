//! What the page shows beside the posts of minutes, windows and hashtags.

use contracts::{Timestamp, Tweet};
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    wall::{like, post, tweet, unique, visitor, wall},
};

/// The chart as it is drawn, its text alternative, its table; every window's board; the hashtags.
const BOARDS: &str = "
  const all = (selector, node = document) => [...node.querySelectorAll(selector)];
  const chart = (name) => document.querySelector(`#pulse:not([hidden]) [data-series=${name}] svg[role=img]`);
  if (!chart('posts') || !chart('likes')) return null;
  const column = (n) => all(`.minutes tbody tr td:nth-of-type(${n})`).reduce((sum, cell) => sum + Number(cell.textContent), 0);
  const minutes = (board) => {
    const [start, end] = all('.span time', board).map((time) => Date.parse(time.dateTime));
    return (end - start) / 60000;
  };
  return {
    sums: ['posts', 'likes'].map((name) => Number(chart(name).dataset.sum)),
    drawn: ['posts', 'likes'].map((name) => chart(name).querySelector('path').getAttribute('d') !== ''),
    said: ['posts', 'likes'].map((name) => chart(name).getAttribute('aria-label').split(',')[0]),
    table: [column(1), column(2)],
    windows: all('#windows > details').map((board) => [
      board.dataset.window, minutes(board), board.querySelector('.phase').textContent, all('li', board).map((item) => item.dataset.tweetId),
    ]),
    hashtags: all('#hashtags li').map((item) => item.textContent),
  };";

async fn until_boards(browser: &Browser, expected: Value) -> anyhow::Result<()> {
    let same = format!(
        "const found = (function () {{ {BOARDS} }})(), wanted = arguments[0];
         return found && Object.keys(wanted).every((key) => JSON.stringify(found[key]) === JSON.stringify(wanted[key]));"
    );
    let shown = browser.until::<bool>(&format!("{expected}"), &same, std::slice::from_ref(&expected)).await;
    let found = browser.run::<Value>(BOARDS, &[]).await;
    shown.map(drop).map_err(|error| error.context(format!("its boards are {found:?}")))
}

#[tokio::test]
async fn the_chart_the_windows_and_the_hashtags_follow_posts_and_likes() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("boards");
    let page = format!("{}/?conference={conference}", stage.url());
    let browser = Browser::open(&page).await?;
    browser.live().await?;

    let id = |name: &str| format!("{conference}.{name}");
    let now = Some(Timestamp::from(jiff::Timestamp::now()));
    for (name, hashtag) in [("one", "RustLang"), ("two", "rustlang"), ("three", "<b>wall</b>")] {
        let tweet = tweet(&conference, &id(name), "a post", "ann");
        post(stage, &Tweet { created_at: now, hashtag: hashtag.into(), ..tweet }).await?;
    }
    let hashtags = json!(["#rustlang2 posts", "#<b>wall</b>1 post"]);
    until_boards(&browser, json!({ "sums": [3, 0], "drawn": [true, false], "hashtags": hashtags })).await?;

    // One like: wherever the present moment lies, it is in the newest window of each size.
    let cookie = visitor(stage).await?;
    like(stage, "PUT", &cookie, &id("two")).await?;
    browser.click("#pulse .minutes summary").await?;
    let boards = |liked: Value| json!([["5m", 5, "running", liked], ["1h", 60, "running", liked]]);
    let shown = json!({
        "sums": [3, 1],
        "drawn": [true, true],
        "said": ["posts per minute: 3 in an hour", "likes per minute: 1 in an hour"],
        "table": [3, 1],
        "windows": boards(json!([id("two")])),
        "hashtags": hashtags,
    });
    until_boards(&browser, shown.clone()).await?;

    // A page that is opened later is told the same.
    let later = Browser::open(&page).await?;
    later.live().await?;
    later.click("#pulse .minutes summary").await?;
    until_boards(&later, shown).await?;

    // The windows are still open: what is taken back leaves them.
    like(stage, "DELETE", &cookie, &id("two")).await?;
    for browser in [&browser, &later] {
        until_boards(browser, json!({ "sums": [3, 0], "table": [3, 0], "windows": boards(json!([])) })).await?;
    }

    tokio::try_join!(browser.close(), later.close())?;
    Ok(())
}
