//! Configuration: defaults, then `config/<service>.toml`, then the environment; one typed struct per service.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Config, Environment, File, FileFormat};
use ipnet::IpNet;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Configuration that cannot be used; one line that names what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {0}")]
pub struct BadConfig(String);

impl BadConfig {
    /// With the reason, which begins with the option's name.
    pub fn new(reason: impl Into<String>) -> Self {
        // One line, whatever a library says.
        Self(reason.into().split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Section `http` of every service's configuration.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port to listen on. Not given: the service's default port, on all addresses, or on loopback only
    /// where the service's secret is missing.
    pub listen: Option<SocketAddr>,
    /// Threads that serve; 0: one per core.
    pub workers: usize,
    /// How long a client may take to send the head of a request.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// How long a client may take to send the body of a request.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// How long an idle connection is kept.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// The longest that requests and streams may take to end at shutdown.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// The most open connections per worker.
    pub max_connections: usize,
    /// Networks whose connections begin with a header of the PROXY protocol (version 1 or 2), such as `10.0.0.0/8`;
    /// separated by commas. Connections from there without one are closed. None: the protocol is off.
    #[serde(deserialize_with = "crate::comma_separated")]
    pub proxy_protocol_from: Vec<String>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: None,
            workers: 0,
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            drain: Duration::from_secs(20),
            max_connections: 25_000,
            proxy_protocol_from: Vec::new(),
        }
    }
}

/// Section `log` of every service's configuration.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `auto`: pretty on a terminal, JSON elsewhere.
    pub format: LogFormat,
    /// What is logged, in tracing-subscriber's filter syntax, such as `info` or `info,likes=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info,actix_server=warn".into() }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

/// What [`crate::launch`] needs from a service's configuration.
pub trait ServiceConfig: Default + DeserializeOwned + Serialize {
    /// The `http` section.
    fn http(&self) -> &HttpConfig;

    /// The `log` section.
    fn log(&self) -> &LogConfig;

    /// Checks what types cannot, such as Kafka properties or related values.
    ///
    /// # Errors
    /// The first option that cannot be used.
    fn check(&self) -> Result<(), BadConfig>;

    /// The option that holds the service's secret, where it has one and it is not set: then the service is open to
    /// whoever reaches it, and listens on loopback only.
    fn missing_secret(&self) -> Option<&'static str> {
        None
    }

    /// Where to listen.
    ///
    /// # Errors
    /// Where another address than loopback is asked for without the service's secret, unless `allow_anonymous`.
    fn listen_address(&self, default_port: u16, allow_anonymous: bool) -> Result<SocketAddr, BadConfig> {
        let missing = self.missing_secret().filter(|_| !allow_anonymous);
        match (self.http().listen, missing) {
            (Some(listen), None) => Ok(listen),
            (Some(listen), Some(_)) if listen.ip().is_loopback() => Ok(listen),
            (Some(listen), Some(secret)) => Err(BadConfig::new(format!(
                "http.listen: {listen} is not loopback while {secret} is not set; set it, or say --allow-anonymous"
            ))),
            (None, None) => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), default_port)),
            (None, Some(_)) => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), default_port)),
        }
    }
}

/// Reads the configuration of `service`: defaults, the file (`file`, or `config/<service>.toml` where that exists), and
/// `environment`, in which `LIVEWALL_HTTP__LISTEN` sets `http.listen` and `LIVEWALL_WEBHOOK__TOKEN_FILE` sets
/// `webhook.token` to what stands in a file.
///
/// Variables of sections that this service does not have belong to other services and are passed over.
///
/// # Errors
/// The first value that cannot be used, by name.
pub fn load<C: ServiceConfig>(
    service: &str,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<C, BadConfig> {
    let mut builder = Config::builder();
    match file {
        Some(path) => {
            if !path.is_file() {
                return Err(BadConfig::new(format!("--config {}: no such file", path.display())));
            }
            builder = builder.add_source(File::new(&path.to_string_lossy(), FileFormat::Toml));
        }
        None => {
            let usual = PathBuf::from(format!("config/{service}.toml"));
            builder = builder.add_source(File::new(&usual.to_string_lossy(), FileFormat::Toml).required(false));
        }
    }
    let variables = variables::<C>(environment)?;
    builder = builder.add_source(
        Environment::with_prefix("LIVEWALL")
            .prefix_separator("_")
            .separator("__")
            .source(Some(variables.into_iter().collect())),
    );
    let config: C =
        builder.build().and_then(Config::try_deserialize).map_err(|error| BadConfig::new(describe(&error)))?;
    networks("http.proxy_protocol_from", &config.http().proxy_protocol_from)?;
    config.check()?;
    Ok(config)
}

/// The networks of an option whose entries are addresses or networks.
///
/// # Errors
/// The first entry that is neither.
pub fn networks(option: &str, entries: &[String]) -> Result<Vec<IpNet>, BadConfig> {
    let parse = |text: &String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| BadConfig::new(format!("{option}: {text} is neither an address nor a network")))
    };
    entries.iter().map(parse).collect()
}

/// The variables that concern `C`, those that name files read.
fn variables<C: ServiceConfig>(
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<BTreeMap<String, String>, BadConfig> {
    let sections: BTreeSet<String> = match serde_json::to_value(C::default()) {
        Ok(serde_json::Value::Object(sections)) => sections.into_iter().map(|(name, _)| name).collect(),
        _ => BTreeSet::new(),
    };
    let mut variables = BTreeMap::new();
    for (name, value) in environment {
        let Some((section, rest)) = name.strip_prefix("LIVEWALL_").and_then(|name| name.split_once("__")) else {
            continue;
        };
        if !sections.contains(&section.to_ascii_lowercase()) {
            continue;
        }
        match rest.strip_suffix("_FILE") {
            Some(option) => {
                let secret = fs::read_to_string(&value)
                    .map_err(|error| BadConfig::new(format!("{name}: cannot read {value}: {error}")))?;
                variables.insert(format!("LIVEWALL_{section}__{option}"), secret.trim_end_matches(['\r', '\n']).into());
            }
            None => {
                variables.insert(name, value);
            }
        }
    }
    Ok(variables)
}

/// The library's error, with the option in front.
fn describe(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::At { error, key: Some(key), .. } => format!("{key}: {error}"),
        config::ConfigError::Type { key: Some(key), unexpected, expected, .. } => {
            format!("{key}: is {unexpected}, expected {expected}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[derive(Debug, Default, Deserialize, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        http: HttpConfig,
        log: LogConfig,
        webhook: Webhook,
    }

    #[derive(Debug, Default, Deserialize, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Webhook {
        token: Secret,
        #[serde(deserialize_with = "crate::comma_separated")]
        hashtags: Vec<String>,
    }

    impl ServiceConfig for Sample {
        fn http(&self) -> &HttpConfig {
            &self.http
        }

        fn log(&self) -> &LogConfig {
            &self.log
        }

        fn check(&self) -> Result<(), BadConfig> {
            Ok(())
        }

        fn missing_secret(&self) -> Option<&'static str> {
            self.webhook.token.expose().is_none().then_some("webhook.token")
        }
    }

    fn with(variables: &[(&str, &str)]) -> Result<Sample, BadConfig> {
        load("sample", None, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_environment_sets_addresses_numbers_durations_and_lists() {
        let config = with(&[
            ("LIVEWALL_HTTP__LISTEN", "127.0.0.1:9"),
            ("LIVEWALL_HTTP__WORKERS", "3"),
            ("LIVEWALL_HTTP__DRAIN", "1m 5s"),
            ("LIVEWALL_WEBHOOK__HASHTAGS", "rust, kafka"),
            ("LIVEWALL_LOG__FORMAT", "json"),
            ("LIVEWALL_VISITOR__KEY", "of another service"),
            ("LIVEWALL_BIN_DIR", "no option"),
        ])
        .expect("all good");
        assert_eq!(config.http.listen, Some("127.0.0.1:9".parse().expect("an address")));
        assert_eq!((config.http.workers, config.http.drain), (3, Duration::from_secs(65)));
        assert_eq!(config.webhook.hashtags, ["rust", "kafka"]);
        assert_eq!(config.log.format, LogFormat::Json);
    }

    #[test]
    fn a_bad_value_is_one_line_that_names_the_option() {
        for (name, value, option) in [
            ("LIVEWALL_HTTP__LISTEN", "nowhere", "http.listen"),
            ("LIVEWALL_HTTP__WORKERS", "many", "http.workers"),
            ("LIVEWALL_HTTP__DRAIN", "soon", "http.drain"),
            ("LIVEWALL_HTTP__LISTENN", "127.0.0.1:9", "listenn"),
            ("LIVEWALL_LOG__FORMAT", "xml", "log.format"),
        ] {
            let line = with(&[(name, value)]).expect_err(name).to_string();
            assert!(line.contains(option) && !line.contains('\n'), "{name}={value}: {line}");
        }
    }

    #[test]
    fn a_secret_may_stand_in_a_file_and_is_never_shown() {
        let path = std::env::temp_dir().join(format!("livewall-secret-{}", std::process::id()));
        fs::write(&path, "hunter2\n").expect("a temporary file");
        let config = with(&[("LIVEWALL_WEBHOOK__TOKEN_FILE", path.to_str().expect("UTF-8"))]).expect("all good");
        fs::remove_file(&path).expect("own file");
        assert_eq!(config.webhook.token.expose(), Some("hunter2"));
        let shown = format!("{config:?} {}", serde_json::to_string(&config).expect("serializes"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn without_its_secret_a_service_listens_on_loopback_only() {
        let open = with(&[]).expect("defaults");
        assert!(open.listen_address(8081, false).expect("loopback").ip().is_loopback());
        assert!(!open.listen_address(8081, true).expect("told so").ip().is_loopback());
        let outside = with(&[("LIVEWALL_HTTP__LISTEN", "0.0.0.0:8081")]).expect("valid");
        assert!(outside.listen_address(8081, false).expect_err("no secret").to_string().contains("webhook.token"));
        let closed = with(&[("LIVEWALL_WEBHOOK__TOKEN", "t")]).expect("valid");
        assert!(!closed.listen_address(8081, false).expect("has its secret").ip().is_loopback());
    }
}
