//! A real broker, by scripts/kafka.

use std::{
    env,
    net::SocketAddr,
    path::Path,
    process::{Command as StdCommand, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Context as _;
use kafka_client::KafkaConfig;
use tokio::process::Command;

use crate::stage::{keeper, place};

/// What scripts/kafka exits with where the broker is down.
const DOWN: i32 = 3;

/// A broker: one of its own, which can be ended and started again with the same data and port, or one that is shared
/// with others and left alone.
#[derive(Debug)]
pub struct Broker {
    address: String,
    /// Its name with scripts/kafka, where it is our own.
    name: Option<String>,
}

impl Broker {
    /// Starts one of its own, on a free port, without data.
    ///
    /// # Errors
    /// What scripts/kafka says.
    pub async fn own() -> anyhow::Result<Self> {
        Self::own_with(&[], None).await
    }

    /// The same. Besides, for each pair of addresses it listens at the first, and tells clients that come there to go on
    /// at the second, where a [`Proxy`](crate::stage::Proxy) leads back. `data`: where its data lie, in an empty folder
    /// that is not deleted.
    ///
    /// # Errors
    /// What scripts/kafka says.
    pub async fn own_with(via: &[(SocketAddr, SocketAddr)], data: Option<&Path>) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("stage-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        keeper::broker(&name);
        let mut broker = Self { address: String::new(), name: Some(name) };
        let via: Vec<String> = via.iter().map(|(at, told)| format!("{}:{}", at.port(), told.port())).collect();
        let mut args = vec!["up", "--port", "0"];
        args.extend(via.iter().flat_map(|via| ["--via", via.as_str()]));
        if let Some(data) = data {
            args.extend(["--data", data.to_str().context("a UTF-8 path")?]);
        }
        broker.address = broker.kafka(&args).await?;
        Ok(broker)
    }

    /// The one at `address`.
    pub fn shared(address: &str) -> Self {
        Self { address: address.to_owned(), name: None }
    }

    /// The one that LIVEWALL_TEST_BROKERS names.
    ///
    /// # Panics
    /// Where it is not set: a test without a broker proves nothing.
    pub fn of_tests() -> Self {
        let address = env::var("LIVEWALL_TEST_BROKERS")
            .expect("LIVEWALL_TEST_BROKERS must name a running broker, host:port; scripts/test brings one up");
        Self::shared(&address)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How to reach it.
    pub fn config(&self) -> KafkaConfig {
        KafkaConfig { brokers: self.address.clone(), ..KafkaConfig::default() }
    }

    /// SIGKILL, as a crash would be.
    ///
    /// # Errors
    /// What scripts/kafka says.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.kafka(&["kill"]).await.map(drop)
    }

    /// An orderly stop.
    ///
    /// # Errors
    /// What scripts/kafka says.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.kafka(&["down"]).await.map(drop)
    }

    /// Starts it again, with the same data, on the same port; returns when it answers.
    ///
    /// # Errors
    /// What scripts/kafka says.
    pub async fn start(&self) -> anyhow::Result<()> {
        self.kafka(&["up"]).await.map(drop)
    }

    /// Whether its process runs.
    ///
    /// # Errors
    /// Where scripts/kafka cannot be run.
    pub async fn runs(&self) -> anyhow::Result<bool> {
        let name = self.name.as_deref().context("a shared broker is left alone")?;
        let mut command = Command::new(place::script("kafka"));
        Ok(command.args(["status", "--name", name]).output().await?.status.code() != Some(DOWN))
    }

    /// From now on it keeps its connections and answers nothing.
    ///
    /// # Errors
    /// What scripts/kafka says.
    pub async fn pause(&self) -> anyhow::Result<()> {
        self.kafka(&["pause"]).await.map(drop)
    }

    /// It answers again.
    ///
    /// # Errors
    /// What scripts/kafka says.
    pub async fn resume(&self) -> anyhow::Result<()> {
        self.kafka(&["resume"]).await.map(drop)
    }

    /// Runs Kafka's own kafka-topics, with the topic tool's arguments.
    ///
    /// # Errors
    /// What it says.
    pub async fn topics(&self, args: &[&str]) -> anyhow::Result<String> {
        let name = self.name.as_deref().context("a shared broker is left alone")?;
        let mut command = Command::new(place::script("kafka"));
        output(command.args(["topics", "--name", name, "--"]).args(args)).await
    }

    /// Runs scripts/kafka for this broker and returns what it prints.
    async fn kafka(&self, args: &[&str]) -> anyhow::Result<String> {
        let name = self.name.as_deref().context("a shared broker is left alone")?;
        output(Command::new(place::script("kafka")).args(args).args(["--name", name])).await
    }
}

/// What a command prints.
async fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{:?}: {said}", command.as_std());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Drop for Broker {
    fn drop(&mut self) {
        let Some(name) = &self.name else { return };
        // Its data go with it, so there is nothing to end in order.
        for args in [["kill", "--name"].as_slice(), &["down", "--wipe", "--name"]] {
            let mut command = StdCommand::new(place::script("kafka"));
            let _ = command.args(args).arg(name).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        keeper::wiped(name);
    }
}
