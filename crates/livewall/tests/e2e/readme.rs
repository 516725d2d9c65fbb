//! The README's examples.

use std::process::Stdio;

use load_test::{
    Request,
    stage::{root, until},
};
use serde_json::json;
use tokio::process::Command;

use crate::wall::wall;

/// Stands before each block that is run here.
const MARK: &str = "<!-- test: api -->";

/// An answer that is an error fails the example, and none may hang.
const PRELUDE: &str = r#"
set -euo pipefail
curl() { command curl --fail --max-time 60 "$@"; }
"#;

/// The marked blocks, in order.
fn examples(readme: &str) -> Vec<String> {
    let marked = readme.split(MARK).skip(1);
    marked
        .map(|rest| {
            let block = rest.trim_start().strip_prefix("```sh\n").expect("a ```sh block behind each mark");
            block.split_once("\n```").expect("an end of the block").0.to_owned()
        })
        .collect()
}

#[tokio::test]
async fn the_readmes_examples_work() -> anyhow::Result<()> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let examples = examples(&readme);
    assert!(!examples.is_empty(), "README.md has no block marked {MARK}");
    let stage = wall().await;
    // In one shell, since later examples may use what earlier ones have set; in a folder of its own for cookie jars.
    let script = format!("{PRELUDE}\n{}", examples.join("\n"));
    let folder = tempfile::tempdir()?;
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("WALL", stage.url())
        .env("TOKEN", stage.token())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .await?;
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{script}\nsaid:\n{said}\n{complained}", output.status);
    // Each came with its answer: an exit status alone would not tell an empty stream.
    let lines = |start: &str| said.lines().filter(|line| line.starts_with(start)).count();
    assert!(lines("id: ") > 0, "no id of the stream:\n{said}");
    for words in ["\"tweetId\":\"readme-1\"", "Hello wall", "Fish & chips at #rustconf", "\"nrs\":"] {
        assert!(said.contains(words), "no {words}:\n{said}");
    }
    let frames: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    assert!(frames.iter().any(|frame| frame.contains("\"tweetAnalytics\"")), "the stream brought no totals:\n{said}");
    until("both posts counted, and the like taken back", async || {
        let analytics = Request::get("/analytics/rustconf").send(stage.origin()).await?.json();
        let sums = (&analytics["tweetCount"], &analytics["authorCount"], &analytics["likeCount"]);
        anyhow::ensure!(sums == (&json!(2), &json!(2), &json!(0)), "{analytics}");
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn only_marked_blocks_are_examples() {
    let readme = format!("a\n```sh\nno\n```\n{MARK}\n```sh\none\ntwo\n```\n\n{MARK}\n\n```sh\nthree\n```\n");
    assert_eq!(examples(&readme), ["one\ntwo", "three"]);
}
