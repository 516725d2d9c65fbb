//! The whole system in one process, on one port.

use std::{
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use actix_web::web;
use event_bridge::EventBridge;
use kafka_client::{EmbeddedBroker, admin};
use likes::Likes;
use serde::de::DeserializeOwned;
use service_shell::{BadConfig, Secret, ServiceConfig, Shutdown, listen, load, serve};
use streams_analytics::StreamsAnalytics;
use tweet_listener::TweetListener;

use crate::{
    cli::WallArgs,
    config::Config,
    samples::{self, Catalogue, Pace, Target},
};

/// Of the broker in memory. More than one, because that is what a real one has.
const PARTITIONS: i32 = 4;

/// Sample posts per second.
const RATE: f64 = 1.0;

/// Runs the wall until `shutdown`.
///
/// # Errors
/// Where a service cannot be configured, or the address cannot be listened on.
pub(crate) async fn run(args: WallArgs, mut config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    if let Some(address) = args.listen {
        config.http.listen = Some(address);
    }
    let broker = match args.brokers {
        Some(_) => None,
        None => Some(EmbeddedBroker::start(&config.topics.prefix, PARTITIONS)?),
    };
    if let Some(broker) = &broker {
        config.kafka = broker.config();
    }
    let parts = Parts::of(&config)?;
    let token = parts.event_bridge.webhook.token.clone();
    let token = token.expose().unwrap_or_default();

    let listener = listen(config.http.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))))?;
    let origin = origin(listener.local_addr()?);
    println!("{}", welcome(&origin, token, broker.is_none().then_some(&config), !args.no_samples));

    let services = Services::start(&parts, &shutdown)?;
    if broker.is_none() {
        actix_web::rt::spawn(verify(config.clone(), shutdown.clone()));
    }
    let samples = (!args.no_samples).then(|| {
        let target: Target = origin.parse().expect("an http URL of our own making");
        let pace = Pace { posts_per_second: RATE, duration: None };
        let (target, shutdown) = (target.with_token(token), shutdown.clone());
        actix_web::rt::spawn(async move {
            if let Err(error) = samples::send(target, pace, shutdown).await {
                tracing::warn!("no more samples: {error:#}");
            }
        })
    });
    let health = services.health(&shutdown);
    serve(listener, &config.http, health, shutdown.clone(), services.routes()).await?;
    if let Some(samples) = samples {
        let _ = samples.await;
    }
    shutdown.close_clients();
    services.close().await;
    // Its threads serve the clients until here.
    drop(broker);
    Ok(())
}

/// What each service is configured with.
struct Parts {
    event_bridge: event_bridge::Config,
    likes: likes::Config,
    streams_analytics: streams_analytics::Config,
    tweet_listener: tweet_listener::Config,
}

impl Parts {
    /// Each service's own sections as if it ran alone, and the common ones of `config`. Secrets that are not set are
    /// made up: nobody else has to know them.
    fn of(config: &Config) -> Result<Self, BadConfig> {
        let mut parts = Self {
            event_bridge: own(event_bridge::INFO.name)?,
            likes: own(likes::INFO.name)?,
            streams_analytics: own(streams_analytics::INFO.name)?,
            tweet_listener: own(tweet_listener::INFO.name)?,
        };
        macro_rules! share {
            ($($service:ident),*) => {$(
                parts.$service.http = config.http.clone();
                parts.$service.kafka = config.kafka.clone();
                parts.$service.topics = config.topics.clone();
                parts.$service.log = config.log.clone();
            )*};
        }
        share!(event_bridge, likes, streams_analytics, tweet_listener);
        if parts.event_bridge.missing_secret().is_some() {
            parts.event_bridge.webhook.token = random_secret();
        }
        if parts.likes.missing_secret().is_some() {
            parts.likes.visitor.key = random_secret();
        }
        // So that a post without `tagFilter`, as IFTTT sends them, finds the conferences of the samples.
        let posts = &mut parts.event_bridge.posts;
        if posts.conferences.is_empty() && posts.hashtags.is_empty() {
            posts.hashtags = Catalogue::built_in().tags().map(str::to_owned).collect();
        }
        Ok(parts)
    }
}

fn own<C: ServiceConfig + DeserializeOwned>(service: &str) -> Result<C, BadConfig> {
    load(service, None, env::vars())
}

/// 128 random bits in hexadecimal digits.
fn random_secret() -> Secret {
    let half = || getrandom::u64().expect("the operating system has random numbers");
    Secret::new(format!("{:016x}{:016x}", half(), half()))
}

/// The four services.
struct Services {
    event_bridge: EventBridge,
    likes: Likes,
    streams_analytics: StreamsAnalytics,
    tweet_listener: TweetListener,
}

impl Services {
    fn start(parts: &Parts, shutdown: &Shutdown) -> anyhow::Result<Self> {
        Ok(Self {
            event_bridge: EventBridge::start(&parts.event_bridge, shutdown)?,
            likes: Likes::start(&parts.likes, shutdown)?,
            streams_analytics: StreamsAnalytics::start(&parts.streams_analytics, shutdown)?,
            tweet_listener: TweetListener::start(&parts.tweet_listener, shutdown)?,
        })
    }

    fn health(&self, shutdown: &Shutdown) -> service_shell::Health {
        service_shell::Health::new(shutdown.clone())
            .join(event_bridge::INFO.name, self.event_bridge.health(shutdown))
            .join(likes::INFO.name, self.likes.health(shutdown))
            .join(streams_analytics::INFO.name, self.streams_analytics.health(shutdown))
            .join(tweet_listener::INFO.name, self.tweet_listener.health(shutdown))
    }

    fn routes(&self) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
        let (event_bridge, likes) = (self.event_bridge.routes(), self.likes.routes());
        let (streams_analytics, tweet_listener) = (self.streams_analytics.routes(), self.tweet_listener.routes());
        // tweet-listener has everything that no other service claims, so it comes last.
        move |config| {
            config.configure(&event_bridge).configure(&likes).configure(&streams_analytics).configure(&tweet_listener);
        }
    }

    /// In the order in which records go, so that what is still on its way arrives.
    async fn close(self) {
        self.event_bridge.close().await;
        self.likes.close().await;
        self.streams_analytics.close().await;
        self.tweet_listener.close().await;
    }
}

/// Ends the wall where the topics of a real Kafka are not there or not as they should be. One that does not answer is
/// the services' business: they wait for it.
async fn verify(config: Config, shutdown: Shutdown) {
    let (kafka, prefix) = (config.kafka.clone(), config.topics.prefix.clone());
    let runtime = tokio::runtime::Handle::current();
    // It blocks its thread while it asks.
    let asked = web::block(move || runtime.block_on(admin::verify_topics(&kafka, &prefix, None))).await;
    match asked {
        Ok(Ok(differences)) if differences.is_empty() => {}
        Ok(Ok(differences)) => {
            shutdown.fail(format!("{}; create topics with `{}`", differences.join("; "), creating(&config)));
        }
        Ok(Err(error)) => tracing::warn!("the topics could not be verified: {error}"),
        // The process is ending.
        Err(_) => {}
    }
}

fn creating(config: &Config) -> String {
    let prefix = &config.topics.prefix;
    let prefix = if prefix.is_empty() { String::new() } else { format!(" --topic-prefix {prefix}") };
    format!("livewall topics create --brokers {}{prefix}", config.kafka.brokers)
}

/// Where a browser on this machine finds it.
fn origin(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!("http://{address}")
}

fn welcome(origin: &str, token: &str, real: Option<&Config>, samples: bool) -> String {
    let kept = match real {
        Some(config) => format!("Kafka at {}.", config.kafka.brokers),
        None => {
            "A broker in memory: nothing is kept when this process ends. --brokers HOST:PORT uses a real Kafka.".into()
        }
    };
    let samples = if samples { "Sample posts and likes arrive; --no-samples leaves them out.\n" } else { "" };
    format!(
        "Livewall is at {origin}/\n{kept}\n{samples}Ctrl-C ends it. A post of your own:\n\
         curl {origin}/eventBridge/tweets -H 'content-type: application/json' -H 'x-webhook-token: {token}' \
         -d '{{\"text\":\"Hello, wall!\",\"author\":\"me\",\"tagFilter\":\"rustconf\"}}'"
    )
}
