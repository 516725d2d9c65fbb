//! Finding the cluster and its topics, and noticing when they change.

use std::{
    fmt,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use contracts::{TimestampType, Topic};
use rdkafka::{
    admin::AdminClient,
    consumer::{BaseConsumer, Consumer as _},
    error::RDKafkaErrorCode,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{EmbeddedBroker, KafkaConfig, KafkaError, admin::settings_of, bootstrap::Bootstrap, logging::Logged};

/// How often metadata is asked for: the heartbeat that readiness goes by.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// A heartbeat older than this is not fresh: a broker restart of a few seconds is ridden out by the producer's queue.
const FRESH: Duration = Duration::from_secs(8);

/// What all topics of a prefix have in common for their life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Kafka's cluster id.
    pub cluster_id: Arc<str>,
    /// The number of partitions of each topic.
    pub partitions: i32,
}

/// What the last heartbeat found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterState {
    /// No answer yet.
    Connecting,
    /// No broker has answered for a while; the reason is librdkafka's.
    Unreachable(String),
    /// These topics do not exist.
    TopicsMissing(Vec<String>),
    /// The broker does not let this user see these topics.
    Forbidden(Vec<String>),
    /// The topics differ in partitions: each with its count.
    PartitionsDiffer(Vec<(String, i32)>),
    /// Records of these topics carry their producers' times; event time needs the broker's, too.
    ProducersTimes(Vec<String>),
    /// The partition count is no longer the one that this process started with.
    PartitionsChanged {
        /// At start.
        before: i32,
        /// Now.
        now: i32,
    },
    /// All is there.
    Ready(Layout),
}

impl fmt::Display for ClusterState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("no answer from the broker yet"),
            Self::Unreachable(reason) => write!(f, "the broker cannot be reached: {reason}"),
            Self::TopicsMissing(topics) => {
                write!(f, "topics missing: {}; create them with `livewall topics create`", topics.join(", "))
            }
            Self::Forbidden(topics) => write!(f, "no right to describe these topics: {}", topics.join(", ")),
            Self::PartitionsDiffer(topics) => {
                f.write_str("topics differ in partitions:")?;
                topics.iter().try_for_each(|(topic, count)| write!(f, " {topic} has {count}"))?;
                f.write_str("; all topics of a prefix need the same number")
            }
            Self::ProducersTimes(topics) => write!(
                f,
                "records of {} carry their producers' times, not the broker's; set their message.timestamp.type to \
                 LogAppendTime",
                topics.join(", ")
            ),
            Self::PartitionsChanged { before, now } => write!(
                f,
                "the partition count changed from {before} to {now}; it is fixed for the life of a prefix, more partitions need a new one"
            ),
            Self::Ready(layout) => write!(f, "{} partitions on cluster {}", layout.partitions, layout.cluster_id),
        }
    }
}

/// Watches the cluster from a thread of its own until its token is cancelled.
#[derive(Clone)]
pub struct ClusterWatch {
    state: watch::Receiver<ClusterState>,
}

impl ClusterWatch {
    /// Begins to watch `topics` under `prefix`. Returns at once, whether or not a broker is there.
    ///
    /// # Errors
    /// Where librdkafka does not take the configuration.
    pub fn start(
        config: &KafkaConfig,
        prefix: &str,
        topics: &[Topic],
        stop: CancellationToken,
    ) -> Result<Self, KafkaError> {
        let mut client = config.client();
        // A consumer never creates topics by asking for them, whatever the broker allows.
        client.set("allow.auto.create.topics", "false").set("topic.metadata.refresh.interval.ms", "-1");
        let client: BaseConsumer<Logged> = client.create_with_context(Logged)?;
        let stamped = topics.iter().filter(|topic| topic.spec().timestamps == TimestampType::LogAppendTime);
        let mut stamps = Stamps::new(config, stamped.map(|topic| topic.with_prefix(prefix)).collect())?;
        let topics: Vec<String> = topics.iter().map(|topic| topic.with_prefix(prefix)).collect();
        let bootstrap = Bootstrap::new(config);
        let (sender, state) = watch::channel(ClusterState::Connecting);
        thread::Builder::new()
            .name("cluster-watch".into())
            .spawn(move || watch_until(&client, &bootstrap, &topics, &mut stamps, &sender, &stop))
            .map_err(|error| KafkaError::new(format!("cannot start a thread: {error}")))?;
        Ok(Self { state })
    }

    /// The state that the last heartbeat found.
    pub fn state(&self) -> ClusterState {
        self.state.borrow().clone()
    }

    /// Ready, or why not: for a health check.
    ///
    /// # Errors
    /// The state in words.
    pub fn ready(&self) -> Result<(), String> {
        match &*self.state.borrow() {
            ClusterState::Ready(_) => Ok(()),
            other => Err(other.to_string()),
        }
    }

    /// Waits until all topics are there. `None` where the watch ended first.
    pub async fn layout(&self) -> Option<Layout> {
        let mut state = self.state.clone();
        let found = state.wait_for(|state| matches!(state, ClusterState::Ready(_))).await.ok()?;
        match &*found {
            ClusterState::Ready(layout) => Some(layout.clone()),
            _ => None,
        }
    }
}

fn watch_until(
    client: &BaseConsumer<Logged>,
    bootstrap: &Bootstrap,
    topics: &[String],
    stamps: &mut Stamps,
    state: &watch::Sender<ClusterState>,
    stop: &CancellationToken,
) {
    let mut first_layout: Option<Layout> = None;
    let mut last_answer: Option<Instant> = None;
    while !stop.is_cancelled() {
        bootstrap.remind(client.client());
        let found = match look(client, topics).and_then(|found| stamps.judge(found)) {
            Ok(found) => {
                last_answer = Some(Instant::now());
                Some(found)
            }
            // What the last answer said stands while it is fresh.
            Err(_) if last_answer.is_some_and(|at| at.elapsed() < FRESH) => None,
            Err(reason) => Some(ClusterState::Unreachable(reason)),
        };
        if let Some(found) = found {
            note(state, hold_to(&mut first_layout, found));
        }
        // A cluster that is not whole yet is asked again soon, so that a start is not slower than it must be.
        let whole = matches!(&*state.borrow(), ClusterState::Ready(_));
        let until = Instant::now() + if whole { HEARTBEAT } else { HEARTBEAT / 8 };
        while Instant::now() < until && !stop.is_cancelled() {
            // The wait is also when librdkafka's own events are taken off its queue.
            let _ = client.poll(Duration::from_millis(50));
        }
    }
}

/// Whose times the records of some topics carry. Asked until they are found to be the broker's.
struct Stamps {
    /// With what to ask, and of which topics.
    open: Option<(AdminClient<Logged>, tokio::runtime::Runtime, Vec<String>)>,
}

impl Stamps {
    fn new(config: &KafkaConfig, topics: Vec<String>) -> Result<Self, KafkaError> {
        let open = if topics.is_empty() {
            None
        } else {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.map_err(|error| KafkaError::new(format!("cannot start a runtime: {error}")))?;
            Some((config.client().create_with_context(Logged)?, runtime, topics))
        };
        Ok(Self { open })
    }

    /// What was found, unless all is there but the times. Topics whose settings this user may not read are taken as they are.
    fn judge(&mut self, found: ClusterState) -> Result<ClusterState, String> {
        let (ClusterState::Ready(layout), Some((admin, runtime, topics))) = (&found, &self.open) else {
            return Ok(found);
        };
        let mut wrong = Vec::new();
        // The broker in memory knows neither this setting nor an answer.
        for topic in topics.iter().filter(|_| !EmbeddedBroker::is_it(&layout.cluster_id)) {
            let settings = runtime.block_on(settings_of(admin, topic, PATIENCE)).map_err(|error| error.to_string())?;
            let stamped = settings.as_ref().and_then(|settings| settings.get("message.timestamp.type"));
            if stamped.is_some_and(|stamped| stamped != "LogAppendTime") {
                wrong.push(topic.clone());
            }
        }
        if wrong.is_empty() {
            self.open = None;
            return Ok(found);
        }
        Ok(ClusterState::ProducersTimes(wrong))
    }
}

/// The partition count that was found first holds for the life of the process.
fn hold_to(first: &mut Option<Layout>, found: ClusterState) -> ClusterState {
    match (found, &first) {
        (ClusterState::Ready(now), Some(first)) if now.partitions != first.partitions => {
            ClusterState::PartitionsChanged { before: first.partitions, now: now.partitions }
        }
        (ClusterState::Ready(layout), None) => {
            *first = Some(layout.clone());
            ClusterState::Ready(layout)
        }
        (found, _) => found,
    }
}

/// Keeps the state and says each change once.
fn note(state: &watch::Sender<ClusterState>, found: ClusterState) {
    state.send_if_modified(|state| {
        if *state == found {
            return false;
        }
        match &found {
            ClusterState::Ready(_) => tracing::info!("kafka: {found}"),
            _ => tracing::warn!("kafka: {found}"),
        }
        *state = found;
        true
    });
}

/// Asks for the metadata of each topic.
fn look(client: &BaseConsumer<Logged>, topics: &[String]) -> Result<ClusterState, String> {
    let (mut missing, mut forbidden, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for topic in topics {
        let metadata = client.fetch_metadata(Some(topic), PATIENCE).map_err(|error| error.to_string())?;
        let described = metadata.topics().iter().find(|described| described.name() == topic);
        match described.map(|described| (described.error(), described.partitions().len())) {
            Some((None, partitions @ 1..)) => {
                counts.push((topic.clone(), i32::try_from(partitions).unwrap_or(i32::MAX)));
            }
            Some((Some(error), _)) if is_forbidden(error.into()) => forbidden.push(topic.clone()),
            _ => missing.push(topic.clone()),
        }
    }
    if !forbidden.is_empty() {
        return Ok(ClusterState::Forbidden(forbidden));
    }
    if !missing.is_empty() {
        return Ok(ClusterState::TopicsMissing(missing));
    }
    let Some(&(_, partitions)) = counts.first() else {
        return Err("no topics to look for".into());
    };
    if counts.iter().any(|(_, count)| *count != partitions) {
        return Ok(ClusterState::PartitionsDiffer(counts));
    }
    let cluster_id = client.client().fetch_cluster_id(PATIENCE).ok_or("the broker tells no cluster id")?;
    Ok(ClusterState::Ready(Layout { cluster_id: cluster_id.into(), partitions }))
}

fn is_forbidden(code: RDKafkaErrorCode) -> bool {
    code == RDKafkaErrorCode::TopicAuthorizationFailed
}
