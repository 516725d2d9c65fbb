//! One process of a stage.

use std::{
    fmt,
    fs::{File, OpenOptions},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{
    http::Request,
    stage::{TimedOut, keeper, place, until, wait::until_within},
};

/// The longest orderly end: the drain's default bound and some seconds for Kafka clients.
const LONGEST_END: Duration = Duration::from_secs(30);
/// How much of a log is shown when a wait fails.
const SHOWN_BYTES: usize = 4000;

/// A program with its arguments, environment and place, that can be started, ended and started again.
#[derive(Debug)]
pub struct Process {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    core: Option<usize>,
    address: SocketAddr,
    log: PathBuf,
    child: Option<Child>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// The time since it was asked to end, or since the wait began.
    pub took: Duration,
}

impl Process {
    /// Prepares `program` under a name of its own for its log, on a free address.
    ///
    /// # Errors
    /// Where there is no address or no folder for its log.
    pub fn new(name: &str, program: impl Into<PathBuf>) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let log = place::folder()?.join(format!("{:02}-{name}.log", COUNT.fetch_add(1, Ordering::Relaxed)));
        // Process ids come again, and with them the folder.
        File::create(&log)?;
        let address = place::free_address()?;
        let (args, env) = (Vec::new(), Vec::new());
        Ok(Self { name: name.into(), program: program.into(), args, env, core: None, address, log, child: None })
    }

    /// Prepares the service `name`, which is told its address.
    ///
    /// # Errors
    /// Where its binary was not built.
    pub fn service(name: &str) -> anyhow::Result<Self> {
        let process = Self::new(name, place::binary(name)?)?;
        let listen = process.address.to_string();
        Ok(process.env("LIVEWALL_HTTP__LISTEN", &listen).env("LIVEWALL_LOG__FORMAT", "json"))
    }

    /// With an environment variable; the last of a name counts.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// With arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// On one core only, by taskset.
    pub fn on_core(mut self, core: Option<usize>) -> Self {
        self.core = core;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The core that it is pinned to.
    pub fn core(&self) -> Option<usize> {
        self.core
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it, in a process group of its own. Its output goes to its log, behind that of earlier starts.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.child.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = match self.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.args(&self.args).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        // Nothing of the caller's own configuration may leak into what is tested.
        // What a log shows may be asked for; everything else is this stage's own.
        let ours = |name: &std::ffi::OsStr| {
            name.as_encoded_bytes().starts_with(b"LIVEWALL_") && name != "LIVEWALL_LOG__FILTER"
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value))).current_dir(place::root());
        let child = command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        keeper::started(child.id());
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// Not ready in time, or ended; with the end of its log.
    pub async fn ready(&mut self) -> Result<(), TimedOut> {
        self.answers("/health/ready", 200).await
    }

    /// Waits until it answers `target` with `status`.
    ///
    /// # Errors
    /// Not in time, or ended; with the end of its log.
    pub async fn answers(&mut self, target: &str, status: u16) -> Result<(), TimedOut> {
        let (what, address) = (format!("{} to answer {target} with {status}", self.name), self.address);
        let request = Request::get(target);
        let waited = until(&what, async || match request.send(address).await {
            Ok(response) if response.head.status == status => Ok(None),
            Ok(response) => Err(format!("{}: {}", response.head.status, response.text())),
            Err(error) => match self.child.as_mut().map(Child::try_wait) {
                Some(Ok(None)) => Err(error.to_string()),
                // A process that has ended will not answer any more.
                ended => Ok(Some(format!("it has ended: {ended:?}"))),
            },
        });
        let found = match waited.await {
            Ok(None) => return Ok(()),
            Ok(Some(found)) => found,
            Err(timed_out) => timed_out.to_string(),
        };
        Err(TimedOut::new(what, format!("{found}\n{}", self.log_end())))
    }

    /// Sends SIGTERM.
    pub fn signal_term(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGSTOP: it keeps its connections and does nothing. Returns when that is so.
    ///
    /// # Errors
    /// Not stopped in time.
    pub async fn pause(&self) -> Result<(), TimedOut> {
        self.signal(Signal::STOP);
        let pid = self.pid().unwrap_or_default();
        // The signal is taken only when a thread of it runs, which on a busy machine is not at once.
        until(format_args!("{} to be stopped", self.name), async || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
            let stopped = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'));
            if stopped { Ok(()) } else { Err(std::io::Error::other(stat)) }
        })
        .await
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// Not ended in time; with the end of its log.
    pub async fn terminate(&mut self) -> Result<Ended, TimedOut> {
        self.signal_term();
        self.ended().await
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait();
        keeper::ended(child.id());
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// Not ended in time; with the end of its log.
    pub async fn ended(&mut self) -> Result<Ended, TimedOut> {
        let (name, began) = (self.name.clone(), Instant::now());
        let waited = until_within(LONGEST_END, format_args!("{name} to end"), async || {
            match self.child.as_mut().map(Child::try_wait) {
                Some(Ok(Some(status))) => Ok(status),
                Some(Ok(None)) => Err("it runs".to_owned()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        match waited {
            Ok(status) => {
                if let Some(child) = self.child.take() {
                    keeper::ended(child.id());
                }
                Ok(Ended { status, took: began.elapsed() })
            }
            Err(timed_out) => Err(TimedOut::new(format!("{name} to end"), format!("{timed_out}\n{}", self.log_end()))),
        }
    }

    /// Starts it again where it has ended by itself; whether it has.
    ///
    /// # Errors
    /// Where it ended otherwise than it should, or cannot be started.
    pub fn restart_where_ended(&mut self) -> anyhow::Result<bool> {
        let Some(child) = self.child.as_mut() else { return Ok(false) };
        let Some(status) = child.try_wait()? else { return Ok(false) };
        keeper::ended(child.id());
        self.child = None;
        anyhow::ensure!(status.success(), "{} ended with {status}", self.name);
        self.start()?;
        Ok(true)
    }

    /// Its whole log so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// Where its log is.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Empties its log, so that what comes can be told from what was.
    pub fn forget_log(&self) {
        // It is open for appending, so the process goes on at its new end.
        let _ = File::options().write(true).truncate(true).open(&self.log);
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let mut from = log.len().saturating_sub(SHOWN_BYTES);
        while !log.is_char_boundary(from) {
            from += 1;
        }
        format!("{} ends in:\n{}", self.log.display(), &log[from..])
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.core {
            Some(core) => write!(f, "{} (core {core})", self.name),
            None => write!(f, "{} (any core)", self.name),
        }
    }
}
