//! What serves the viewers of a measurement: a bare loop of `send`, a peer, or a tweet-listener behind Kafka; all get the
//! same posts.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use contracts::Record as _;
use kafka_client::BareProducer;

use super::{BYTES, bare_send::BareSend, nchan::Nchan, probe::Probe};
use crate::{
    bench::{Options, cores, only, topic::Records},
    http::{Connection, Request},
    series::Series,
    stage::{Broker, Plan, Stage},
};

/// When tweet-listener took the last tweet, as it says itself.
const ARRIVAL: &str = "tweet_listener_last_tweet_timestamp_seconds ";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The bare loop, which everything is measured beside.
    Bare,
    /// nginx with nchan.
    Nchan,
    /// tweet-listener.
    Wall,
}

/// A server with its viewers' posts.
pub(super) struct Served {
    pub(super) name: &'static str,
    pub(super) series: Series,
    server: Server,
}

enum Server {
    Bare { loop_: BareSend, frames: Vec<Vec<u8>> },
    Nchan { nchan: Nchan, requests: Vec<Vec<u8>>, posted: Instant },
    Wall { stage: Box<Stage>, producer: BareProducer, records: Records, metrics: Connection },
}

impl Served {
    /// A server of one conference, of which the first `posts` posts can be sent. It has a heartbeat where a time is given;
    /// tweet-listener has its own, every 15 s.
    pub(super) async fn start(
        options: &Options,
        kind: Kind,
        posts: u64,
        heartbeat: Option<Duration>,
    ) -> anyhow::Result<Self> {
        let series = Series::new(1, BYTES);
        let post = |post: u64| series.tweet(series.place(post)).to_json();
        let heartbeat = heartbeat.unwrap_or_default();
        let (name, server) = match kind {
            Kind::Bare => {
                let frame =
                    |at: u64| [format!("id: 1-00000000-0.0.0.{at:x}\ndata: ").as_bytes(), &post(at), b"\n\n"].concat();
                let frames = (0..posts).map(frame).collect();
                ("bare loop", Server::Bare { loop_: BareSend::start(options, heartbeat).await?, frames })
            }
            Kind::Nchan => {
                let requests = (0..posts).map(|at| Nchan::request(&post(at))).collect();
                let nchan = Nchan::start(options, heartbeat.as_secs()).await?;
                ("nchan", Server::Nchan { nchan, requests, posted: Instant::now() })
            }
            Kind::Wall => return Self::wall(options, 1, posts, &[]).await,
        };
        Ok(Self { name, series, server })
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
        let metrics = Connection::new(only(&stage.tweet_listener).address());
        let server = Server::Wall { stage, producer, records, metrics };
        Ok(Self { name: "tweet-listener", series, server })
    }

    /// A probe without viewers.
    pub(super) fn probe(&self) -> anyhow::Result<Probe> {
        let address = match &self.server {
            Server::Bare { loop_, .. } => loop_.process().address(),
            Server::Nchan { nchan, .. } => nchan.process().address(),
            Server::Wall { stage, .. } => only(&stage.tweet_listener).address(),
        };
        Probe::new(address, &self.series)
    }

    /// All viewers have come.
    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        match &mut self.server {
            Server::Bare { loop_, .. } => loop_.begin(),
            Server::Nchan { .. } | Server::Wall { .. } => Ok(()),
        }
    }

    /// Hands the next posts over, from the `first`.
    pub(super) fn post(&mut self, posts: std::ops::Range<u64>) -> anyhow::Result<()> {
        for post in posts {
            let at = usize::try_from(post)?;
            match &mut self.server {
                Server::Bare { loop_, frames } => loop_.send(&frames[at])?,
                Server::Nchan { nchan, requests, posted } => {
                    *posted = Instant::now();
                    nchan.send(&requests[at])?;
                }
                Server::Wall { producer, records, .. } => records.send(producer, at)?,
            }
        }
        Ok(())
    }

    /// When the last post came to the server: the bare loop and tweet-listener say so themselves, by the system's clock,
    /// behind everything that they did for it. A consumer beside tweet-listener could not tell: on the same core it takes
    /// the record after tweet-listener or keeps it from sending, on the probe's it waits for the probe. nchan does not say
    /// so; it is counted from the post.
    pub(super) async fn arrival(&mut self) -> anyhow::Result<Instant> {
        let at = match &mut self.server {
            Server::Bare { loop_, .. } => loop_.arrival()?,
            Server::Nchan { posted, .. } => return Ok(*posted),
            Server::Wall { metrics, .. } => {
                UNIX_EPOCH + Duration::from_secs_f64(metric(metrics, ARRIVAL).await?.context("no tweet has come")?)
            }
        };
        let ago = SystemTime::now().duration_since(at).unwrap_or_default();
        Instant::now().checked_sub(ago).context("a post that came before the machine started")
    }

    /// A value among tweet-listener's metrics.
    pub(super) async fn metric(&mut self, name: &str) -> anyhow::Result<Option<f64>> {
        match &mut self.server {
            Server::Bare { .. } | Server::Nchan { .. } => anyhow::bail!("only tweet-listener has metrics"),
            Server::Wall { metrics, .. } => metric(metrics, name).await,
        }
    }

    /// The process id of the server.
    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        match &self.server {
            Server::Bare { loop_, .. } => loop_.pid(),
            Server::Nchan { nchan, .. } => nchan.pid(),
            Server::Wall { stage, .. } => only(&stage.tweet_listener).pid().context("tweet-listener runs"),
        }
    }

    /// Starts tweet-listener again where it has ended; whether it has.
    pub(super) fn restart_where_ended(&mut self) -> anyhow::Result<bool> {
        match &mut self.server {
            Server::Bare { .. } | Server::Nchan { .. } => anyhow::bail!("only tweet-listener is started again"),
            Server::Wall { stage, .. } => stage.tweet_listener.processes_mut()[0].restart_where_ended(),
        }
    }

    /// The way of posts to tweet-listener's viewers, for a report.
    pub(super) fn path(options: &Options) -> Vec<String> {
        vec![
            options.probe("a bare producer"),
            options.broker(),
            format!("tweet-listener ({})", cores::named(options.service_core.0)),
            options.probe("viewers"),
        ]
    }

    /// The same, and the ways beside it to the viewers of others.
    pub(super) fn paths(options: &Options, kinds: &[Kind]) -> Vec<String> {
        let mut path = Self::path(options);
        for kind in kinds {
            let server = match kind {
                Kind::Bare => BareSend::named(options),
                Kind::Nchan => Nchan::named(options),
                Kind::Wall => continue,
            };
            path.extend([format!("and beside it: {}", options.probe("posts")), server, options.probe("viewers")]);
        }
        path
    }
}

/// The value behind `name`, which ends in a blank or before a label's value.
async fn metric(metrics: &mut Connection, name: &str) -> anyhow::Result<Option<f64>> {
    let response = metrics.send(&Request::get("/metrics").to_bytes()).await?;
    let text = response.text();
    let value = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit_once(' '));
    let values: Vec<f64> = value.map(|(_, value)| value.parse()).collect::<Result<_, _>>()?;
    Ok(values.into_iter().reduce(|sum, value| sum + value))
}
