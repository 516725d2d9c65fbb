//! Chromium.

use std::{env, path::PathBuf};

use anyhow::Context as _;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use load_test::stage::{Process, until};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1024",
];

/// A browser of its own, with a fresh profile, and one page.
pub struct Browser {
    client: Client,
    _profile: TempDir,
}

impl Browser {
    /// Opens `url`.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        Self::open_as(url, &[], json!({})).await
    }

    /// Opens `url` with `more` flags, and with `emulation` (chromedriver's `mobileEmulation`) where that is not empty.
    pub async fn open_as(url: &str, more: &[&str], emulation: Value) -> anyhow::Result<Self> {
        let profile = tempfile::Builder::new().prefix("livewall-chromium-").tempdir()?;
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).into();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        let mut options = json!({ "binary": chromium()?, "args": flags });
        if emulation.as_object().is_some_and(|emulation| !emulation.is_empty()) {
            options["mobileEmulation"] = emulation;
        }
        let capabilities = serde_json::Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{}", driver().await.address()))
            .await
            .context("a session with chromedriver")?;
        client.goto(url).await?;
        Ok(Self { client, _profile: profile })
    }

    /// Runs the body of a function in the page and returns what it returns.
    pub async fn run<T: DeserializeOwned>(&self, script: &str, arguments: &[Value]) -> anyhow::Result<T> {
        let returned = self.client.execute(script, arguments.to_vec()).await?;
        serde_json::from_value(returned.clone()).with_context(|| format!("{script} returned {returned}"))
    }

    /// Waits until the body of a function returns something else than null or false in the page, and returns that.
    pub async fn until<T: DeserializeOwned>(&self, what: &str, script: &str, arguments: &[Value]) -> anyhow::Result<T> {
        let found =
            until(format_args!("the page to show {what}"), async || match self.run::<Value>(script, arguments).await {
                Ok(Value::Null | Value::Bool(false)) => {
                    let text = self.run::<String>("return document.body.innerText.slice(0, 1500)", &[]).await;
                    Err(format!("it shows {text:?}"))
                }
                Ok(found) => Ok(found),
                Err(error) => Err(format!("{error:#}")),
            })
            .await?;
        Ok(serde_json::from_value(found)?)
    }

    /// Waits until the page says that it is live.
    pub async fn live(&self) -> anyhow::Result<()> {
        let script = "return document.getElementById('state').dataset.state === 'live'";
        self.until::<bool>("that it is live", script, &[]).await.map(drop)
    }

    /// Clicks, as a person does.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        self.client.find(Locator::Css(selector)).await?.click().await?;
        Ok(())
    }

    /// Presses keys, as a person does, wherever the focus is.
    pub async fn press(&self, keys: &str) -> anyhow::Result<()> {
        Ok(self.client.active_element().await?.send_keys(keys).await?)
    }

    /// Loads the page again.
    pub async fn reload(&self) -> anyhow::Result<()> {
        Ok(self.client.refresh().await?)
    }

    /// Goes back, as by the browser's button.
    pub async fn back(&self) -> anyhow::Result<()> {
        Ok(self.client.back().await?)
    }

    /// Ends the browser.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.client.close().await?)
    }
}

/// One chromedriver for all tests; ends with the test process.
async fn driver() -> &'static Process {
    static DRIVER: OnceCell<Process> = OnceCell::const_new();
    DRIVER
        .get_or_init(async || {
            let driver = Process::new("chromedriver", "chromedriver").expect("a place for its log");
            let port = format!("--port={}", driver.address().port());
            let mut driver = driver.args([port]);
            driver.start().expect("chromedriver; scripts/setup installs it");
            driver.answers("/status", 200).await.unwrap_or_else(|error| panic!("{error}"));
            driver
        })
        .await
}

fn chromium() -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut candidates = names.iter().flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)));
    candidates.find(|candidate| candidate.is_file()).context("Chromium is not installed; scripts/setup installs it")
}
