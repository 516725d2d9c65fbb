//! One post, followed from the webhook to the browsers and back.

use serde_json::{Value, json};

use crate::{
    browser::Browser,
    curl::curl,
    wall::{unique, wall},
};

/// What the page shows of a post: its text and author, its count, whether it is liked here.
const POST: &str = "
  const post = document.querySelector(`#feed article[data-tweet-id='${arguments[0]}']`);
  if (!post) return null;
  const part = (name) => post.querySelector(name);
  return {
    text: part('.text').textContent,
    author: part('.author').textContent,
    conference: post.dataset.conference,
    count: part('.count').textContent,
    liked: part('.like').getAttribute('aria-pressed'),
  };";

/// Totals and lists beside the posts.
const BOARDS: &str = "
  const total = (name) => document.querySelector(`#totals [data-total=${name}]`).textContent;
  const ids = (list) => [...document.querySelectorAll(`${list} li`)].map((item) => item.dataset.tweetId);
  return {
    posts: total('posts'), authors: total('authors'), likes: total('likes'), top: ids('#top'), recent: ids('#recent'),
  };";

async fn until_shown(browser: &Browser, script: &str, id: &str, expected: Value) -> anyhow::Result<()> {
    let same = format!(
        "const found = (function () {{ {script} }}).apply(null, arguments), wanted = arguments[1];
         return found && Object.keys(wanted).every((key) => JSON.stringify(found[key]) === JSON.stringify(wanted[key]));"
    );
    browser.until::<bool>(&format!("{expected}"), &same, &[json!(id), expected.clone()]).await.map(drop)
}

#[tokio::test]
async fn a_post_by_curl_appears_in_two_browsers_and_a_like_in_one_shows_in_the_other() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("journey");
    let page = format!("{}/?conference={conference}", stage.url());
    let (first, second) = tokio::try_join!(Browser::open(&page), Browser::open(&page))?;
    tokio::try_join!(first.live(), second.live())?;

    // As IFTTT's documentation has it: its date format, and entities in the text.
    let id = uuid::Uuid::new_v4().simple().to_string();
    let body = json!({
        "text": "Tom &amp; Jerry say &lt;hello&gt;",
        "userName": "tom",
        "createdAt": "November 22, 2026 at 03:04PM",
        "linkToTweet": format!("https://twitter.com/tom/status/{id}"),
        "tagFilter": conference,
    });
    let url = format!("{}/eventBridge/ifttt-tweet", stage.url());
    let (token, body) = (format!("X-Webhook-Token: {}", stage.token()), body.to_string());
    let answer = curl(&[&url, "-H", &token, "-H", "Content-Type: application/json", "-d", &body]).await?;
    assert_eq!(answer.head.status, 200, "{}", answer.text());
    let id = answer.json()["tweetId"].as_str().expect("the answer names the post").to_owned();

    for browser in [&first, &second] {
        let shown =
            json!({ "text": "Tom & Jerry say <hello>", "author": "tom", "conference": conference, "count": "0" });
        until_shown(browser, POST, &id, shown).await?;
        until_shown(browser, BOARDS, &id, json!({ "posts": "1", "authors": "1", "likes": "0", "top": [] })).await?;
    }

    let button = format!("article[data-tweet-id='{id}'] .like");
    first.click(&button).await?;
    until_shown(&first, POST, &id, json!({ "count": "1", "liked": "true" })).await?;
    until_shown(&second, POST, &id, json!({ "count": "1", "liked": "false" })).await?;
    for browser in [&first, &second] {
        until_shown(browser, BOARDS, &id, json!({ "likes": "1", "top": [id], "recent": [id] })).await?;
    }

    second.click(&button).await?;
    for browser in [&first, &second] {
        until_shown(browser, POST, &id, json!({ "count": "2", "liked": "true" })).await?;
        until_shown(browser, BOARDS, &id, json!({ "likes": "2" })).await?;
    }

    first.click(&button).await?;
    second.click(&button).await?;
    for browser in [&first, &second] {
        until_shown(browser, POST, &id, json!({ "count": "0", "liked": "false" })).await?;
        until_shown(browser, BOARDS, &id, json!({ "likes": "0", "top": [] })).await?;
    }

    // A page that is opened later is told the same.
    first.close().await?;
    let third = Browser::open(&page).await?;
    until_shown(&third, POST, &id, json!({ "count": "0", "text": "Tom & Jerry say <hello>" })).await?;
    until_shown(&third, BOARDS, &id, json!({ "posts": "1", "likes": "0" })).await?;
    tokio::try_join!(second.close(), third.close())?;
    Ok(())
}
