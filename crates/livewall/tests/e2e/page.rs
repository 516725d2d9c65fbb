//! What the page promises to those who use it.

use contracts::Tweet;
use fantoccini::key::Key;
use load_test::stage::Stage;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    wall::{post, tweet, unique, wall},
};

/// The ids of the posts, newest first.
const POSTS: &str = "return [...document.querySelectorAll('#feed article')].map((post) => post.dataset.tweetId)";

/// More than fit into a window.
const MANY: usize = 30;

async fn post_all(stage: &Stage, conference: &str, ids: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    for id in ids {
        post(stage, &tweet(conference, &id, "a post", "ann")).await?;
    }
    Ok(())
}

/// Waits until `script` returns exactly `wanted`.
async fn until_same(browser: &Browser, what: &str, script: &str, wanted: Value) -> anyhow::Result<()> {
    let same = format!("return JSON.stringify((() => {{ {script} }})()) === JSON.stringify(arguments[0]) || null");
    let waited = browser.until::<bool>(what, &same, std::slice::from_ref(&wanted)).await;
    let found = browser.run::<Value>(script, &[]).await;
    waited.map(drop).map_err(|error| error.context(format!("{what}: {found:?} in place of {wanted}")))
}

#[tokio::test]
async fn ones_own_likes_are_still_ones_own_after_a_reload() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("own");
    post_all(stage, &conference, ["liked", "not"].map(|name| format!("{conference}.{name}"))).await?;
    let browser = Browser::open(&format!("{}/?conference={conference}", stage.url())).await?;
    browser.live().await?;
    let button = format!("article[data-tweet-id='{conference}.liked'] .like");
    browser.click(&button).await?;
    let liked = "return [...document.querySelectorAll('#feed article')].map((post) =>
      [post.querySelector('.like').getAttribute('aria-pressed'), post.querySelector('.count').textContent])";
    let shown = json!([["false", "0"], ["true", "1"]]);
    until_same(&browser, "one like", liked, shown.clone()).await?;
    // The press shows at once; the server has it when the totals do.
    until_same(&browser, "it counted", "return document.querySelector('[data-total=likes]').textContent", json!("1"))
        .await?;
    browser.reload().await?;
    browser.live().await?;
    until_same(&browser, "the like of before", liked, shown).await?;
    browser.click(&button).await?;
    until_same(&browser, "it taken back", liked, json!([["false", "0"], ["false", "0"]])).await?;
    browser.close().await
}

#[tokio::test]
async fn who_reads_further_down_is_told_of_new_posts_and_not_moved() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("fresh");
    post_all(stage, &conference, (0..MANY).map(|n| format!("{conference}.{n}"))).await?;
    let browser = Browser::open(&format!("{}/?conference={conference}", stage.url())).await?;
    browser.live().await?;
    until_same(&browser, "all posts", "return document.querySelectorAll('#feed article').length", json!(MANY)).await?;

    browser.run::<Value>("scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })", &[]).await?;
    let read =
        format!("return document.querySelector(\"[data-tweet-id='{conference}.3']\").getBoundingClientRect().top");
    let before: f64 = browser.run(&read, &[]).await?;
    let pill = "const pill = document.getElementById('new-posts');
      return pill.hidden ? '' : pill.textContent.trim()";
    for (n, told) in [(MANY, "1 new post"), (MANY + 1, "2 new posts")] {
        post_all(stage, &conference, [format!("{conference}.{n}")]).await?;
        until_same(&browser, told, pill, json!(told)).await?;
    }
    until_same(&browser, "them in the title", "return document.title", json!(format!("(2) {conference} · Livewall")))
        .await?;
    let after: f64 = browser.run(&read, &[]).await?;
    assert!((after - before).abs() < 2.0, "what is read moved from {before} to {after}");

    browser.click("#new-posts").await?;
    until_same(&browser, "no news", pill, json!("")).await?;
    until_same(&browser, "the top", "return scrollY", json!(0)).await?;
    let newest: Vec<String> = browser.run(POSTS, &[]).await?;
    assert_eq!(newest[..2], [format!("{conference}.{}", MANY + 1), format!("{conference}.{MANY}")]);
    browser.close().await
}

#[tokio::test]
async fn every_action_has_its_key() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("keys");
    post_all(stage, &conference, (0..MANY).map(|n| format!("{conference}.{n}"))).await?;
    let browser = Browser::open(&format!("{}/?conference={conference}", stage.url())).await?;
    browser.live().await?;
    until_same(&browser, "all posts", "return document.querySelectorAll('#feed article').length", json!(MANY)).await?;

    let focused = "const at = document.activeElement; return at.dataset.tweetId ?? at.id";
    let id = |back: usize| json!(format!("{conference}.{}", MANY - back));
    for (key, post) in [("j", 1), ("j", 2), ("j", 3), ("k", 2)] {
        browser.press(key).await?;
        until_same(&browser, key, focused, id(post)).await?;
    }
    browser.press("l").await?;
    let liked = "return document.activeElement.querySelector('.like').getAttribute('aria-pressed')";
    until_same(&browser, "the post liked", liked, json!("true")).await?;

    // A post that has the focus is being read.
    post_all(stage, &conference, [format!("{conference}.{MANY}")]).await?;
    let pill = "return document.getElementById('new-posts').hidden";
    until_same(&browser, "a new post", pill, json!(false)).await?;
    browser.press("n").await?;
    until_same(&browser, "no news", pill, json!(true)).await?;

    browser.press("/").await?;
    until_same(&browser, "the filter in focus", focused, json!("filter-name")).await?;
    // There, keys are letters.
    browser.press("?l").await?;
    until_same(&browser, "what is typed", "return document.getElementById('filter-name').value", json!("?l")).await?;
    let escape = char::from(Key::Escape).to_string();
    browser.press(&escape).await?;
    until_same(&browser, "the filter left", "return document.activeElement === document.body", json!(true)).await?;
    let help = "return document.getElementById('help').open";
    browser.press("?").await?;
    until_same(&browser, "the help", help, json!(true)).await?;
    browser.press(&escape).await?;
    until_same(&browser, "the help gone", help, json!(false)).await?;
    browser.close().await
}

#[tokio::test]
async fn on_a_phone_everything_fits_the_width() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("phone");
    let long = "w".repeat(400);
    let wide = tweet(&conference, &format!("{conference}.wide"), &long, &"a".repeat(120));
    post(stage, &Tweet { hashtag: "h".repeat(100), ..wide }).await?;
    let phone = json!({ "deviceMetrics": { "width": 360, "height": 740, "pixelRatio": 2, "touch": true } });
    let browser = Browser::open_as(&format!("{}/?conference={conference}", stage.url()), &[], phone).await?;
    browser.live().await?;
    until_same(&browser, "the post", POSTS, json!([format!("{conference}.wide")])).await?;
    let fits = "const edges = (node) => {
        const { left, right, width } = node.getBoundingClientRect();
        return [left >= 0, right <= innerWidth, width > 0];
      };
      const parts = ['.masthead', '#state', '#filter-name', '#feed article', '#feed .text', '#feed .like', '#top'];
      return [innerWidth, document.documentElement.scrollWidth, ...parts.map((part) => edges(document.querySelector(part)))]";
    let fitting = json!([true, true, true]);
    let mut wanted = vec![json!(360), json!(360)];
    wanted.resize(9, fitting);
    until_same(&browser, "that it fits", fits, json!(wanted)).await?;
    let tall: f64 =
        browser.run("return document.querySelector('#feed .like').getBoundingClientRect().height", &[]).await?;
    assert!(tall >= 24.0, "a finger does not meet {tall} px (WCAG 2.5.8)");
    browser.click("#feed .like").await?;
    let liked = "return document.querySelector('#feed .like').getAttribute('aria-pressed')";
    until_same(&browser, "the like", liked, json!("true")).await?;
    browser.close().await
}

#[tokio::test]
async fn it_is_light_or_dark_as_the_system_is_or_as_one_has_chosen() -> anyhow::Result<()> {
    let stage = wall().await;
    let url = format!("{}/?conference={}", stage.url(), unique("theme"));
    // How bright the page is behind its text, and the text itself.
    let bright = "const of = (name) => {
        const [red, green, blue] = getComputedStyle(document.documentElement)[name].match(/[\\d.]+/g).map(Number);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 127;
      };
      return [of('backgroundColor'), of('color')]";
    let (light, dark) = (json!([true, false]), json!([false, true]));
    for (setting, first, other) in [
        ("--blink-settings=preferredColorScheme=1", &light, &dark),
        ("--blink-settings=preferredColorScheme=0", &dark, &light),
    ] {
        let browser = Browser::open_as(&url, &[setting], json!({})).await?;
        browser.live().await?;
        until_same(&browser, setting, bright, first.clone()).await?;
        browser.click("#theme").await?;
        until_same(&browser, "the other colours", bright, other.clone()).await?;
        browser.reload().await?;
        until_same(&browser, "the chosen colours", bright, other.clone()).await?;
        browser.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_filter_is_made_of_chips_that_stand_in_the_address() -> anyhow::Result<()> {
    let stage = wall().await;
    let (one, two) = (unique("one"), unique("two"));
    post_all(stage, &one, [format!("{one}.1")]).await?;
    post_all(stage, &two, [format!("{two}.1")]).await?;
    let browser = Browser::open(&format!("{}/?conference={one}", stage.url())).await?;
    browser.live().await?;
    let shown = "return [
        [...document.querySelectorAll('#chips .chip')].map((chip) => chip.dataset.conference),
        location.search,
        [...document.querySelectorAll('#feed article')].map((post) => post.dataset.conference).sort(),
      ]";
    let view = |names: &[&String]| {
        let search = if names.is_empty() {
            String::new()
        } else {
            format!("?conference={}", names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(","))
        };
        json!([names, search, names])
    };
    until_same(&browser, "the conference of the address", shown, view(&[&one])).await?;
    browser.press("/").await?;
    // In capitals and with the sign, as people write it.
    browser.press(&format!("#{}{}", two.to_uppercase(), char::from(Key::Enter))).await?;
    until_same(&browser, "both", shown, view(&[&one, &two])).await?;
    browser.click(&format!(".chip[data-conference='{one}']")).await?;
    until_same(&browser, "the other", shown, view(&[&two])).await?;
    browser.back().await?;
    until_same(&browser, "both again", shown, view(&[&one, &two])).await?;
    browser.press("/").await?;
    browser.press(&format!("what?{}", char::from(Key::Enter))).await?;
    let problem =
        "const problem = document.getElementById('filter-problem'); return !problem.hidden && problem.textContent";
    let said: String = browser.until("what is wrong", problem, &[]).await?;
    assert!(said.contains("what?"), "{said}");
    until_same(&browser, "nothing else", shown, view(&[&one, &two])).await?;
    browser.close().await
}

#[tokio::test]
async fn nothing_runs_or_loads_that_is_not_the_sites_own() -> anyhow::Result<()> {
    let stage = wall().await;
    let conference = unique("csp");
    let markup = "<img src=x onerror=\"window.ran = 1\"><script>window.ran = 1</script>";
    post(stage, &tweet(&conference, &format!("{conference}.1"), markup, markup)).await?;
    let browser = Browser::open(&format!("{}/?conference={conference}", stage.url())).await?;
    browser.live().await?;
    let text = "return document.querySelector('#feed .text')?.textContent ?? null";
    until_same(&browser, "markup as text", text, json!(markup)).await?;
    let foreign: Vec<String> = browser
        .run(
            "return performance.getEntriesByType('resource').map((entry) => entry.name)
               .filter((name) => new URL(name).origin !== location.origin)",
            &[],
        )
        .await?;
    assert_eq!(foreign, Vec::<String>::new());

    // What an attacker who got markup into the page would try.
    let attempts = "window.violated = [];
      document.addEventListener('securitypolicyviolation', (event) => window.violated.push(event.effectiveDirective));
      const add = (name, attributes) => document.body.append(Object.assign(document.createElement(name), attributes));
      window.refused = 0;
      for (const attempt of [
        () => add('script', { text: 'window.ran = 1' }),
        () => add('script', { src: 'http://127.0.0.2:9/script.js' }),
        () => document.body.insertAdjacentHTML('beforeend', '<b>'),
        () => document.body.setAttribute('onclick', 'window.ran = 1'),
      ]) {
        try { attempt(); } catch { window.refused += 1; }
      }
      add('img', { src: 'http://127.0.0.2:9/pixel.png' });
      add('iframe', { src: 'http://127.0.0.2:9/' });
      add('style', { textContent: 'body { display: none }' });
      document.body.click();
      fetch('http://127.0.0.2:9/').catch(() => {});";
    browser.run::<Value>(attempts, &[]).await?;
    let stopped = "return ['img-src', 'frame-src', 'connect-src', 'style-src-elem', 'require-trusted-types-for']
      .filter((directive) => !window.violated.includes(directive))";
    until_same(&browser, "all of it stopped", stopped, json!([])).await?;
    let harm: Value = browser.run("return [window.ran ?? null, window.refused ?? null]", &[]).await?;
    assert_eq!(harm, json!([null, 4]));
    browser.close().await
}
