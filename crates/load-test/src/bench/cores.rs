//! Which core does what, and how much of it.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rustix::{
    param::clock_ticks_per_second,
    process::{Resource, getrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// Pins the calling thread, and every thread that it starts from now on.
pub(super) fn pin_thread(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on core {core}"))
}

/// Runs `work` on a thread of its own on `core`, and waits for it.
pub(super) fn on_core<T: Send>(
    core: Option<usize>,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            match core {
                Some(core) => pin_thread(core)?,
                None => unpin_thread()?,
            }
            work()
        });
        thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread panicked")))
    })
}

fn unpin_thread() -> io::Result<()> {
    let mut set = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| set.set(core));
    // The kernel leaves out what is not there.
    Ok(sched_setaffinity(None, &set)?)
}

/// Whether this process may use `core`.
pub(super) fn is_there(core: usize) -> bool {
    core < CpuSet::MAX_CPU && sched_getaffinity(None).is_ok_and(|cores| cores.is_set(core))
}

/// How a core, or none, reads in a path.
pub(super) fn named(core: Option<usize>) -> String {
    core.map_or_else(|| "any core".to_owned(), |core| format!("core {core}"))
}

/// What a process and the probe do from now on.
#[derive(Debug)]
pub(super) struct Effort {
    pid: u32,
    before: (Duration, Duration),
    began: Instant,
}

/// What they did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// How long it took.
    pub(super) seconds: f64,
    /// Seconds of processor time of the process.
    pub(super) own: f64,
    /// Seconds of processor time of the probe.
    pub(super) probe: f64,
}

impl Effort {
    /// Begins to measure process `pid`.
    pub(super) fn of(pid: u32) -> anyhow::Result<Self> {
        Ok(Self { pid, before: (cpu_time(pid)?, cpu_time(std::process::id())?), began: Instant::now() })
    }

    /// What was spent since then.
    pub(super) fn spent(&self) -> anyhow::Result<Spent> {
        let seconds = self.began.elapsed().as_secs_f64();
        let since = |pid, before| cpu_time(pid).map(|now| now.saturating_sub(before).as_secs_f64());
        Ok(Spent { seconds, own: since(self.pid, self.before.0)?, probe: since(std::process::id(), self.before.1)? })
    }

    /// The time since then.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Spent {
    /// `count` per second, and which share of a core the process and the probe needed for it, in percent.
    pub(super) fn rates(&self, count: u64) -> [f64; 3] {
        let share = |seconds: f64| 100.0 * seconds / self.seconds;
        [count as f64 / self.seconds, share(self.own), share(self.probe)]
    }
}

/// What a core does from now on, for whichever process.
#[derive(Debug)]
pub(super) struct Busy {
    core: Option<usize>,
    before: (u64, u64),
}

impl Busy {
    /// Begins to measure `core`, or all together.
    pub(super) fn of(core: Option<usize>) -> anyhow::Result<Self> {
        Ok(Self { core, before: ticks(core)? })
    }

    /// The share of the time since then in which it was not idle, in percent.
    pub(super) fn share(&self) -> anyhow::Result<f64> {
        let (busy, all) = ticks(self.core)?;
        Ok(100.0 * busy.saturating_sub(self.before.0) as f64 / all.saturating_sub(self.before.1).max(1) as f64)
    }
}

/// Ticks in which a core, or all together, was not idle, and ticks in all.
fn ticks(core: Option<usize>) -> anyhow::Result<(u64, u64)> {
    let name = core.map_or_else(|| "cpu ".to_owned(), |core| format!("cpu{core} "));
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix(&name)).context("/proc/stat")?;
    // user, nice, system, idle, iowait, irq, softirq, steal; what guests have is in user (proc(5)).
    let ticks: Vec<u64> = line.split_whitespace().take(8).map(|field| field.parse().unwrap_or(0)).collect();
    let (all, idle) = (ticks.iter().sum::<u64>(), ticks.iter().skip(3).take(2).sum::<u64>());
    Ok((all - idle, all))
}

/// The processor time that process `pid` has used.
fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may have blanks: state is the first field, utime and stime the 12th and 13th (proc(5)).
    let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
}

/// How many files this process, and every process that it starts, may have open.
pub(super) fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 16)
}

/// The memory of process `pid` in MiB: resident now, and at most so far.
pub(super) fn resident(pid: u32) -> anyhow::Result<(f64, f64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kib| kib / 1024.0)
    };
    value("VmRSS:").zip(value("VmHWM:")).context("/proc/PID/status")
}
