//! Which core does what, and how much of it.

use std::{fs, io, time::Duration};

use anyhow::Context as _;
use rustix::{
    param::clock_ticks_per_second,
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

/// The processor time that process `pid` has used.
pub(super) fn cpu_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may have blanks: state is the first field, utime and stime the 12th and 13th (proc(5)).
    let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
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
