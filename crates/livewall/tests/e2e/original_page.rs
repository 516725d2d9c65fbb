//! The browser code of the original system against this stream.

use serde_json::{Value, json};

use crate::{
    browser::Browser,
    wall::{like, post, tweet, unique, visitor, wall},
};

/// As the original did it: one `onmessage`, a row for every tweet by innerHTML, analytics taken apart by `eventType`, and
/// a row of whatever else comes.
const ORIGINAL: &str = r#"
  document.body.innerHTML = `
    <table id="tweetsTable"><tr><th>conference</th><th>author</th><th>hashtag</th><th>tweet</th><th>id</th></tr></table>
    <table id="analyticsTable"></table><table id="likesTable"></table>`;
  window.tweetCounts = {};
  window.likes = {};
  function addRow(tweet) {
    const row = document.getElementById('tweetsTable').insertRow(1);
    row.insertCell(0).innerHTML = tweet.tagFilter;
    row.insertCell(1).innerHTML = tweet.author;
    row.insertCell(2).innerHTML = tweet.hashtag;
    row.insertCell(3).innerHTML = tweet.text;
    row.insertCell(4).innerHTML = tweet.tweetId;
  }
  function handle(message) {
    if (message.eventType === 'tweetEvent') {
      addRow(message);
    } else if (message.eventType === 'tweetAnalytics') {
      window.tweetCounts[message.conference] = message.tweetCount;
      document.getElementById('analyticsTable').insertRow(0).innerHTML =
        `<td>${message.conference}</td><td>${message.tweetCount}</td>`;
    } else if (message.eventType === 'tweetLikesAnalytics') {
      window.likes[message.conference] = message.nrs;
      message.nrs.forEach((entry) => {
        document.getElementById('likesTable').insertRow(0).innerHTML =
          `<td>${entry.count}</td><td>${entry.author}</td><td>${entry.text}</td>`;
      });
    } else {
      addRow(message);
    }
  }
  window.source = new EventSource('/updates?escape=html');
  window.source.onmessage = (event) => handle(JSON.parse(event.data));
"#;

/// The rows of the table of tweets, newest first, as texts.
const ROWS: &str = "
  return [...document.querySelectorAll('#tweetsTable tr')].slice(1).map((row) => [...row.cells].map((cell) => cell.textContent));";

#[tokio::test]
async fn the_original_page_shows_true_rows_only_and_runs_nothing_that_was_posted() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("original");
    // A document of the same origin without the wall's policy, which forbids innerHTML; the code brings its own page.
    let browser = Browser::open(&format!("{}/tweets?limit=1", stage.url())).await?;
    browser.run::<()>(ORIGINAL, &[]).await?;
    browser.until::<bool>("an open stream", "return window.source.readyState === 1", &[]).await?;

    let posts = [
        ("plain", "A plain post", "ann"),
        ("image", r#"<img src=x onerror="window.hacked = 'image'">"#, "<b onmouseover=alert(1)>bob</b>"),
        ("script", "</td></table><script>window.hacked = 'script'</script>", r#"" onload="window.hacked=1"#),
        ("entities", "&lt;img src=x onerror=alert(1)&gt; &amp; 'quotes' \"here\"", "eve & co"),
    ];
    let id = |name: &str| format!("{conference}.{name}");
    for (name, text, author) in posts {
        post(stage, &tweet(&conference, &id(name), text, author)).await?;
    }
    let cookie = visitor(stage).await?;
    for name in ["image", "script"] {
        like(stage, "PUT", &cookie, &id(name)).await?;
    }

    let counted = "return window.tweetCounts[arguments[0]] === 4 && (window.likes[arguments[0]] || []).length === 2";
    browser.until::<bool>("the totals and the likes", counted, &[json!(conference)]).await?;
    let complete = "return [...document.querySelectorAll('#tweetsTable tr')]
        .filter((row) => row.cells[0].textContent === arguments[0]).length >= 4";
    browser.until::<bool>("all rows", complete, &[json!(conference)]).await?;

    let rows: Vec<Vec<String>> = browser.run(ROWS, &[]).await?;
    let expected: Vec<Vec<String>> = posts
        .iter()
        .rev()
        .map(|(name, text, author)| [&conference, *author, "livewall", *text, &id(name)].map(str::to_owned).into())
        .collect();
    let own: Vec<_> = rows.iter().filter(|row| row[0] == conference).cloned().collect();
    assert_eq!(own, expected);
    // Other tests post on the same wall: their rows are true as well. The else-branch would fill cells with this.
    assert!(rows.iter().flatten().all(|cell| cell != "undefined"), "{rows:?}");

    let ran: Value = browser.run("return window.hacked ?? null", &[]).await?;
    assert_eq!(ran, Value::Null, "what was posted has run");
    let made: Vec<String> = browser
        .run(
            "return [...document.querySelectorAll('table img, table script, table b')].map((node) => node.outerHTML)",
            &[],
        )
        .await?;
    assert_eq!(made, Vec::<String>::new(), "what was posted became markup");
    browser.close().await
}
