//! Ends what this process has started, however this process ends.
//!
//! A stage that several tests share is never dropped, and a test run may be killed; in both cases nothing in this process
//! can clean up. So a small script is told of everything that runs, and acts when its standard input ends.

use std::{
    io::Write as _,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use crate::stage::place;

/// A process group was started.
pub(crate) fn started(group: u32) {
    tell(&format!("started {group}"));
}

/// A process group has ended and was waited for.
pub(crate) fn ended(group: u32) {
    tell(&format!("ended {group}"));
}

/// A broker was started.
pub(crate) fn broker(name: &str) {
    tell(&format!("broker {name}"));
}

/// A broker is down and its data are gone.
pub(crate) fn wiped(name: &str) {
    tell(&format!("wiped {name}"));
}

/// A file system was mounted.
pub(crate) fn mounted(at: &str) {
    tell(&format!("mounted {at}"));
}

/// It is there no longer.
pub(crate) fn unmounted(at: &str) {
    tell(&format!("unmounted {at}"));
}

#[allow(clippy::zombie_processes, reason = "it outlives this process; that is its purpose")]
fn tell(line: &str) {
    static KEEPER: OnceLock<Mutex<std::process::ChildStdin>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let mut child = Command::new("bash")
            .args(["-c", include_str!("keeper.sh"), "keeper"])
            .arg(place::script("kafka"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a terminal's Ctrl-C, which is when it is needed.
            .process_group(0)
            .spawn()
            .expect("bash is needed to clean up behind tests");
        Mutex::new(child.stdin.take().expect("piped"))
    });
    let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
    // A keeper that was killed leaves no one to tell; drops still clean up.
    let _ = writeln!(keeper, "{line}");
}
