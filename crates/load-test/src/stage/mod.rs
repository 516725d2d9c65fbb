//! Livewall as separate processes, for end-to-end tests and benches.

mod broker;
mod clock;
mod disk;
mod keeper;
mod place;
mod process;
mod proxy;
mod replicas;
mod wait;

use std::{fmt::Write as _, net::SocketAddr};

use anyhow::Context as _;
use kafka_client::admin;

use crate::http::Request;

pub use broker::Broker;
pub use clock::Clock;
pub use disk::Disk;
pub use place::{binary, free_address, root};
pub use process::{Ended, Process};
pub use proxy::{Proxy, Way};
pub use replicas::Replicas;
pub use wait::{TimedOut, WAIT, until, until_within};

/// How many lines of each log are shown.
const LINES: usize = 5;

/// The partitions of every topic on a stage.
pub const PARTITIONS: i32 = 4;

/// What stands on a stage.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The services that run.
    pub services: &'static [&'static str],
    /// Replicas of each of them.
    pub replicas: usize,
    /// The one core that the services run on; `None`: any.
    pub core: Option<usize>,
    /// With the nginx origin in front.
    pub origin: bool,
    /// Environment of every service, beyond what makes it part of the stage.
    pub env: Vec<(String, String)>,
}

impl Default for Plan {
    fn default() -> Self {
        let services = &["event-bridge", "likes", "streams-analytics", "tweet-listener"];
        Self { services, replicas: 2, core: None, origin: true, env: Vec::new() }
    }
}

/// A broker with topics under a prefix of their own, the four services in several replicas each, and the origin in front
/// of them. All end when it is dropped, or with this process.
#[derive(Debug)]
pub struct Stage {
    prefix: String,
    token: String,
    plan: Plan,
    origin: Option<Process>,
    /// The replicas of event-bridge.
    pub event_bridge: Replicas,
    /// The replicas of likes.
    pub likes: Replicas,
    /// The replicas of streams-analytics.
    pub streams_analytics: Replicas,
    /// The replicas of tweet-listener.
    pub tweet_listener: Replicas,
    /// The broker; last, so that it is dropped when the services have ended.
    pub broker: Broker,
}

impl Stage {
    /// Everything on `broker`, started and ready.
    ///
    /// # Errors
    /// What does not start, with the end of its log.
    pub async fn start(broker: Broker, plan: Plan) -> anyhow::Result<Self> {
        let mut stage = Self::prepare(broker, plan)?;
        stage.create_topics().await?;
        stage.start_services().await?;
        stage.ready().await?;
        Ok(stage)
    }

    /// Everything prepared, nothing started: no topics, no process.
    ///
    /// # Errors
    /// Where a binary is missing.
    pub fn prepare(broker: Broker, plan: Plan) -> anyhow::Result<Self> {
        let replicas = plan.replicas;
        Self::prepare_each(broker, plan, |_| replicas, |process, _, _| process)
    }

    /// The same, with as many replicas of each service as `count` says, and `change` done to each process, by its
    /// service and index.
    ///
    /// # Errors
    /// Where a binary is missing.
    pub fn prepare_each(
        broker: Broker,
        plan: Plan,
        count: impl Fn(&str) -> usize,
        change: impl Fn(Process, &str, usize) -> Process,
    ) -> anyhow::Result<Self> {
        let random = || uuid::Uuid::new_v4().simple().to_string();
        let (prefix, token, key) = (format!("s{}-", &random()[..8]), random(), random());
        let part_of_stage = |process: Process| {
            let process = process
                .env("LIVEWALL_KAFKA__BROKERS", broker.address())
                .env("LIVEWALL_TOPICS__PREFIX", &prefix)
                .on_core(plan.core);
            plan.env.iter().fold(process, |process, (name, value)| process.env(name, value))
        };
        let replicas = |service: &'static str| {
            let count = if plan.services.contains(&service) { count(service) } else { 0 };
            let replicas = Replicas::prepare(service, count, part_of_stage)?;
            anyhow::Ok(replicas.each(|process, index| change(process, service, index)))
        };
        Ok(Self {
            event_bridge: replicas("event-bridge")?.each(|process, _| process.env("LIVEWALL_WEBHOOK__TOKEN", &token)),
            likes: replicas("likes")?.each(|process, _| process.env("LIVEWALL_VISITOR__KEY", &key)),
            // Named as a StatefulSet's pods are, so that a restart takes its partitions back at once.
            streams_analytics: replicas("streams-analytics")?.each(|process, index| {
                process.env("LIVEWALL_KAFKA__INSTANCE_ID", &format!("streams-analytics-{index}"))
            }),
            tweet_listener: replicas("tweet-listener")?,
            origin: None,
            prefix,
            token,
            plan,
            broker,
        })
    }

    /// Creates the topics.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn create_topics(&self) -> anyhow::Result<()> {
        admin::create_topics(&self.broker.config(), &self.prefix, PARTITIONS, 1, contracts::Topic::spec).await?;
        Ok(())
    }

    /// Starts every process, without waiting until it is ready; only the origin answers when this returns.
    ///
    /// # Errors
    /// What cannot be started.
    pub async fn start_services(&mut self) -> anyhow::Result<()> {
        for replicas in self.services_mut() {
            replicas.start()?;
        }
        if self.plan.origin {
            self.start_origin().await?;
        }
        Ok(())
    }

    async fn start_origin(&mut self) -> anyhow::Result<()> {
        let origin = Process::new("origin", place::script("origin"))?;
        let listen = origin.address().to_string();
        let run_dir = place::folder()?.join(format!("origin-{}", origin.address().port()));
        let mut origin =
            origin.args(["run", "--listen", &listen]).args(["--run-dir", run_dir.to_str().context("a UTF-8 path")?]);
        for replicas in [&self.event_bridge, &self.likes, &self.streams_analytics, &self.tweet_listener] {
            let addresses: Vec<String> = replicas.addresses().iter().map(SocketAddr::to_string).collect();
            origin = origin.args([format!("--{}", replicas.service()), addresses.join(",")]);
        }
        origin.start()?;
        origin.answers("/health/live", 404).await?;
        self.origin = Some(origin);
        Ok(())
    }

    /// Waits until every process is ready.
    ///
    /// # Errors
    /// The first that is not, with the end of its log.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        for replicas in self.services_mut() {
            replicas.ready().await?;
        }
        Ok(())
    }

    /// The four services, in the order in which a post goes through them.
    pub fn services_mut(&mut self) -> [&mut Replicas; 4] {
        [&mut self.event_bridge, &mut self.likes, &mut self.streams_analytics, &mut self.tweet_listener]
    }

    /// What each process says of itself now, with the end of its log: for the message of a test that failed.
    pub async fn state(&self) -> String {
        let mut state = String::new();
        for replicas in [&self.event_bridge, &self.likes, &self.streams_analytics, &self.tweet_listener] {
            for process in replicas.processes() {
                let ready = match Request::get("/health/ready").send(process.address()).await {
                    Ok(response) => response.text(),
                    Err(error) => error.to_string(),
                };
                let log = process.log();
                let lines: Vec<&str> = log.lines().rev().take(LINES).collect();
                let lines: Vec<&str> = lines.into_iter().rev().collect();
                let _ = writeln!(state, "{} {}: {ready}", process.name(), process.address());
                let _ = writeln!(state, "{}", lines.join("\n"));
            }
        }
        state
    }

    /// The topics' prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The webhook token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The address of the origin.
    ///
    /// # Panics
    /// On a stage without one.
    pub fn origin(&self) -> SocketAddr {
        self.origin.as_ref().expect("a stage with an origin").address()
    }

    /// `http://host:port` of the origin.
    pub fn url(&self) -> String {
        format!("http://{}", self.origin())
    }
}
