//! What serves the viewers of a measurement: a bare loop of `send`, or a tweet-listener behind Kafka; both get the same
//! posts.

use std::time::Duration;

use anyhow::Context as _;
use contracts::Record as _;
use kafka_client::BareProducer;

use super::{BYTES, bare_send::BareSend, probe::Probe};
use crate::{
    bench::{Options, cores, only, topic::Records},
    series::Series,
    stage::{Broker, Plan, Stage},
};

/// A server with its viewers' posts.
pub(super) struct Served {
    pub(super) name: &'static str,
    pub(super) series: Series,
    server: Server,
}

enum Server {
    Bare { loop_: BareSend, frames: Vec<Vec<u8>> },
    Wall { stage: Box<Stage>, producer: BareProducer, records: Records },
}

impl Served {
    /// A bare loop that knows the first `posts` posts, with heartbeats where a time is given.
    pub(super) async fn bare(options: &Options, posts: u64, heartbeat: Duration) -> anyhow::Result<Self> {
        let series = Series::new(1, BYTES);
        let frame = |post: u64| {
            let json = series.tweet(series.place(post)).to_json();
            let id = format!("id: 1-00000000-0.0.0.{post:x}\ndata: ");
            [id.as_bytes(), &json, b"\n\n"].concat()
        };
        let frames = (0..posts).map(frame).collect();
        let server = Server::Bare { loop_: BareSend::start(options, heartbeat).await?, frames };
        Ok(Self { name: "bare loop", series, server })
    }

    /// A tweet-listener, with more environment, and the first `posts` posts of `conferences` that take turns.
    pub(super) async fn wall(
        options: &Options,
        conferences: usize,
        posts: u64,
        env: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let plan =
            Plan { services: &["tweet-listener"], replicas: 1, core: options.service_core.0, origin: false, env };
        let stage = Box::new(Stage::start(Broker::shared(&options.brokers), plan).await?);
        let series = Series::new(conferences, BYTES);
        let records = Records::of(&stage, (0..posts).map(|post| series.tweet(series.place(post))));
        let producer = BareProducer::new(&stage.broker.config())?;
        Ok(Self { name: "tweet-listener", series, server: Server::Wall { stage, producer, records } })
    }

    /// A probe without viewers.
    pub(super) fn probe(&self) -> anyhow::Result<Probe> {
        let address = match &self.server {
            Server::Bare { loop_, .. } => loop_.process().address(),
            Server::Wall { stage, .. } => only(&stage.tweet_listener).address(),
        };
        Probe::new(address, &self.series)
    }

    /// All viewers have come.
    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        match &mut self.server {
            Server::Bare { loop_, .. } => loop_.begin(),
            Server::Wall { .. } => Ok(()),
        }
    }

    /// Hands the next posts over, from the `first`.
    pub(super) fn post(&mut self, posts: std::ops::Range<u64>) -> anyhow::Result<()> {
        for post in posts {
            let at = usize::try_from(post)?;
            match &mut self.server {
                Server::Bare { loop_, frames } => loop_.send(&frames[at])?,
                Server::Wall { producer, records, .. } => records.send(producer, at)?,
            }
        }
        Ok(())
    }

    /// The process id of the server.
    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        match &self.server {
            Server::Bare { loop_, .. } => loop_.pid(),
            Server::Wall { stage, .. } => only(&stage.tweet_listener).pid().context("tweet-listener runs"),
        }
    }

    /// Starts tweet-listener again where it has ended; whether it has.
    pub(super) fn restart_where_ended(&mut self) -> anyhow::Result<bool> {
        match &mut self.server {
            Server::Bare { .. } => anyhow::bail!("a bare loop is not started again"),
            Server::Wall { stage, .. } => stage.tweet_listener.processes_mut()[0].restart_where_ended(),
        }
    }

    /// The two ways that posts go, for a report.
    pub(super) fn path(options: &Options) -> Vec<String> {
        vec![
            options.probe("a bare producer"),
            options.broker(),
            format!("tweet-listener ({})", cores::named(options.service_core.0)),
            options.probe("viewers"),
            format!("and beside it: {}", options.probe("posts")),
            BareSend::named(options),
            options.probe("viewers"),
        ]
    }
}
