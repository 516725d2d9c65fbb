//! The command line.

use std::{env, net::SocketAddr, process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use contracts::{Topic, TopicSpec};
use service_shell::{BadConfig, load, start_telemetry};

use crate::{
    config::Config,
    samples::{Pace, Target},
};

/// The name of the binary, of `config/livewall.toml`, and in error lines.
pub(crate) const NAME: &str = "livewall";

/// `EX_USAGE` of sysexits.h, as the services have it.
const EXIT_USAGE: u8 = 64;

/// The whole of Livewall in one process on one port, with an in-memory broker and sample posts: for a first look.
#[derive(Debug, Parser)]
#[command(name = NAME, version, args_conflicts_with_subcommands = true, after_help = AFTER_HELP)]
pub(crate) struct Line {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) wall: WallArgs,
}

const AFTER_HELP: &str = "\
Without a command the wall runs. The services take their configuration from the environment as they do on their own
(LIVEWALL_WEBHOOK__TOKEN, LIVEWALL_VISITOR__KEY, LIVEWALL_KAFKA__PROPERTIES__…); keys that are not set are made at random.";

/// How the wall runs.
#[derive(Debug, Default, Args)]
pub(crate) struct WallArgs {
    /// Use this Kafka instead of the broker in memory; `livewall topics create` creates its topics
    #[arg(long, value_name = "HOST:PORT,…", env = "LIVEWALL_KAFKA__BROKERS")]
    pub(crate) brokers: Option<String>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Put before every topic's name
    #[arg(long, value_name = "PREFIX")]
    pub(crate) topic_prefix: Option<String>,
    /// Do not send sample posts and likes
    #[arg(long)]
    pub(crate) no_samples: bool,
}

/// The tools.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create or verify the topics on a Kafka
    Topics {
        #[command(subcommand)]
        action: TopicsAction,
    },
    /// Send sample posts and likes to a wall
    Samples(SamplesArgs),
}

/// What to do with the topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicsAction {
    /// Create the topics that are not there; those that are there are verified
    Create {
        #[command(flatten)]
        place: TopicsPlace,
        /// The partitions of each topic, fixed for the life of a prefix
        #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=10_000))]
        partitions: i32,
        /// The replicas of each partition
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100))]
        replication_factor: i32,
        /// How long a topic keeps its records, such as tweets=30d or tweet-likes=unlimited; may be repeated
        /// [default: tweets, tweet-likes, tweets-held, tweets-inbox 7d; tweet-windows, dead-letters 30d]
        #[arg(long, value_name = "TOPIC=TIME", value_parser = retention)]
        retention: Vec<(Topic, TopicSpec)>,
    },
    /// Compare the topics with what they should be: one line per difference, and exit code 1 if there is one
    Verify {
        #[command(flatten)]
        place: TopicsPlace,
        /// How many partitions each should have [default: all the same number]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
        partitions: Option<i32>,
    },
}

/// Where the topics are.
#[derive(Debug, Args)]
pub(crate) struct TopicsPlace {
    /// The Kafka
    #[arg(long, value_name = "HOST:PORT,…", env = "LIVEWALL_KAFKA__BROKERS")]
    pub(crate) brokers: String,
    /// Put before every topic's name
    #[arg(long, value_name = "PREFIX")]
    pub(crate) topic_prefix: Option<String>,
}

/// What samples go where.
#[derive(Debug, Args)]
pub(crate) struct SamplesArgs {
    /// The wall, or the origin in front of it
    #[arg(long, value_name = "URL")]
    to: Target,
    /// Posts per second; likes come in proportion
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = rate)]
    rate: f64,
    /// The webhook token
    #[arg(long, env = "LIVEWALL_WEBHOOK__TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// End after this time, such as 30s or 5m [default: never]
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

impl SamplesArgs {
    pub(crate) fn target(&self) -> Target {
        let target = self.to.clone();
        match &self.token {
            Some(token) => target.with_token(token),
            None => target,
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace { posts_per_second: self.rate, duration: self.duration }
    }
}

/// A topic with another retention than usual.
fn retention(text: &str) -> Result<(Topic, TopicSpec), String> {
    let (name, time) = text.split_once('=').ok_or("must be TOPIC=TIME, such as tweets=30d or tweets=unlimited")?;
    let topic = Topic::ALL.into_iter().find(|topic| topic.name() == name);
    let topic =
        topic.ok_or_else(|| format!("{name:?} is no topic; there are {}", Topic::ALL.map(Topic::name).join(", ")))?;
    let millis = match time {
        "unlimited" => -1,
        time => humantime::parse_duration(time)
            .ok()
            .and_then(|time| i64::try_from(time.as_millis()).ok())
            .filter(|millis| *millis >= 60_000)
            .ok_or_else(|| format!("{time:?} is neither a time of at least 1m, such as 30d, nor unlimited"))?,
    };
    let spec = topic.spec().with_retention(millis);
    Ok((topic, spec.ok_or_else(|| format!("{name} is not cleaned by age, so it has no retention"))?))
}

fn rate(text: &str) -> Result<f64, String> {
    let allowed = 0.001..=1_000.0;
    text.parse().ok().filter(|rate| allowed.contains(rate)).ok_or_else(|| "not a number from 0.001 to 1000".to_owned())
}

/// Reads the command line and the configuration.
///
/// # Errors
/// The exit code, where the process is to end: after `--help`, or where something cannot be used and has been said.
pub(crate) fn parse() -> Result<(Line, Config), ExitCode> {
    let line = Line::try_parse().map_err(|help_or_error| {
        let _ = help_or_error.print();
        ExitCode::from(if help_or_error.use_stderr() { EXIT_USAGE } else { 0 })
    })?;
    match configured(&line) {
        Ok(config) => Ok((line, config)),
        Err(bad) => {
            eprintln!("{NAME}: {bad}");
            Err(ExitCode::from(EXIT_USAGE))
        }
    }
}

/// The configuration, in which the command line has the last word.
fn configured(line: &Line) -> Result<Config, BadConfig> {
    let mut config: Config = load(NAME, None, env::vars())?;
    let (brokers, prefix) = match &line.command {
        Some(Command::Topics { action: TopicsAction::Create { place, .. } | TopicsAction::Verify { place, .. } }) => {
            (Some(&place.brokers), place.topic_prefix.as_ref())
        }
        Some(Command::Samples(_)) => (None, None),
        None => (line.wall.brokers.as_ref(), line.wall.topic_prefix.as_ref()),
    };
    if let Some(brokers) = brokers {
        config.kafka.brokers.clone_from(brokers);
        config.kafka.check().map_err(|bad| BadConfig::new(bad.to_string()))?;
    }
    if let Some(prefix) = prefix {
        config.topics.prefix.clone_from(prefix);
    }
    if line.command.is_none() && brokers.is_none() {
        // The broker in memory cannot delete records; that streams-analytics notices it is no news.
        config.log.filter.push_str(",streams_analytics::tasks=error");
    }
    start_telemetry(&config.log)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Line::command().debug_assert();
    }

    #[test]
    fn a_rate_is_a_number_above_zero() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for bad in ["0", "-1", "NaN", "inf", "often"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
