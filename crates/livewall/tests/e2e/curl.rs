//! curl, as callers use it.

use std::process::Stdio;

use anyhow::Context as _;
use load_test::{Head, Response};
use tokio::{io::AsyncWriteExt as _, process::Command};

/// Runs `curl` with `args` and returns the answer to its last request.
pub async fn curl(args: &[&str]) -> anyhow::Result<Response> {
    curl_with(args, &[]).await
}

/// The same with a body, which may be any bytes.
pub async fn curl_with(args: &[&str], body: &[u8]) -> anyhow::Result<Response> {
    let mut command = Command::new("curl");
    // `Expect: 100-continue` would put a second head in front of the answer.
    command.args(["-sS", "-i", "--max-time", "30", "-H", "Expect:"]);
    if !body.is_empty() {
        command.args(["--data-binary", "@-"]);
    }
    let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("piped")?;
    // A server may answer before it has read everything; that is curl's to handle.
    let _ = stdin.write_all(body).await;
    drop(stdin);
    let output = child.wait_with_output().await?;
    anyhow::ensure!(output.status.success(), "curl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let (head, len) = Head::read(&output.stdout)?.context("an answer with a head")?;
    Ok(Response { head, body: output.stdout[len..].to_vec() })
}
