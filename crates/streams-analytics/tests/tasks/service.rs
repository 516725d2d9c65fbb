//! The built binary as a process of its own.

use std::{
    fs::File,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    logs::{self, Setting},
    wall::{PATIENCE, Wall},
};

/// Makes a member cooperative.
pub(crate) const COOPERATIVE: (&str, &str) = ("LIVEWALL_ANALYTICS__ASSIGNMENT", "cooperative");
/// The least that a broker allows: how long a dead member's partitions wait. Of cooperative members, scripts/kafka says it.
const SESSION: (&str, &str) = ("LIVEWALL_KAFKA__PROPERTIES__session_timeout_ms", "6000");

/// How long an answer with metrics may take.
const PATIENCE_OF_METRICS: Duration = Duration::from_secs(2);

/// The windows of a setting, as they are configured.
pub(crate) fn windows(setting: &Setting) -> Vec<String> {
    setting.sizes.iter().map(|size| format!("{}s/{}s", size.size / 1000, size.advance / 1000)).collect()
}

pub(crate) struct Service {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Service {
    /// Starts an instance on `wall`; with an instance id it is a static member.
    pub(crate) fn start(wall: &Wall, instance: &str) -> Self {
        Self::start_with(wall, instance, &[])
    }

    /// The same, with other environment variables in place of the usual ones or beside them.
    pub(crate) fn start_with(wall: &Wall, instance: &str, variables: &[(&str, &str)]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let setting = logs::large_log(0).setting;
        let log = std::env::temp_dir().join(format!("streams-analytics-{}.log", uuid::Uuid::new_v4()));
        let child = Command::new(crate::BINARY)
            .env("LIVEWALL_KAFKA__BROKERS", wall.brokers())
            .env("LIVEWALL_KAFKA__INSTANCE_ID", instance)
            .envs((!variables.contains(&COOPERATIVE)).then_some(SESSION))
            .env("LIVEWALL_TOPICS__PREFIX", wall.prefix())
            .env("LIVEWALL_HTTP__LISTEN", &address)
            .env("LIVEWALL_HTTP__WORKERS", "1")
            // Many commits, so that many things can happen between them.
            .env("LIVEWALL_ANALYTICS__COMMIT_INTERVAL", "20ms")
            // Those of the log that is sent.
            .env("LIVEWALL_ANALYTICS__WINDOWS", windows(&setting).join(","))
            .env("LIVEWALL_ANALYTICS__GRACE", format!("{}ms", setting.grace))
            .env("LIVEWALL_ANALYTICS__LIKE_PERIOD", format!("{}ms", setting.like_period))
            .env("LIVEWALL_LOG__FORMAT", "json")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, address, log }
    }

    pub(crate) fn ready(self) -> Self {
        self.wait_for("readiness", |service| matches!(service.get("/health/ready"), Some((200, _))));
        self
    }

    /// Waits until `condition` holds; fails with the service's log when it does not in time.
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        self.wait_within(PATIENCE, what, condition);
    }

    pub(crate) fn wait_within(&self, patience: Duration, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + patience;
        while !condition(self) {
            assert!(Instant::now() < deadline, "no {what} in time; the service's log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Status and body of an answer; `None` where nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, Value)> {
        let url = format!("http://{}{path}", self.address);
        actix_web::rt::System::new().block_on(async {
            let answer = reqwest::get(url).await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.json().await.unwrap_or(Value::Null)))
        })
    }

    /// The value of a metric, of all its labels together.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        self.metric_of_some(name).unwrap()
    }

    /// The same of a process that may be gone or stopped.
    pub(crate) fn metric_of_some(&self, name: &str) -> Option<f64> {
        let text = self.text("/metrics")?;
        let values = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        Some(values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum())
    }

    /// A body as it is, if it comes soon.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let url = format!("http://{}{path}", self.address);
        actix_web::rt::System::new().block_on(async {
            let client = reqwest::Client::builder().timeout(PATIENCE_OF_METRICS).build().unwrap();
            client.get(url).send().await.ok()?.text().await.ok()
        })
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; the exit code.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// SIGSTOP: it keeps its connections and does nothing.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Whether it has been stopped, such as by SIGSTOP.
    pub(crate) fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

/// What a `streams-analytics reset` came to.
#[derive(Debug)]
pub(crate) struct Reset {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Runs `streams-analytics reset` for `wall`.
pub(crate) fn reset(wall: &Wall, args: &[&str]) -> Reset {
    let output = Command::new(crate::BINARY)
        .arg("reset")
        .args(args)
        .env("LIVEWALL_KAFKA__BROKERS", wall.brokers())
        .env("LIVEWALL_TOPICS__PREFIX", wall.prefix())
        .env("LIVEWALL_LOG__FILTER", "warn")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Reset { code: output.status.code(), output: text(output.stdout), errors: text(output.stderr) }
}
