//! Why a process has ended.

use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

use crate::plan::Plan;

/// SIGKILL.
const KILLED: i32 = 9;
/// The one line of a process that ends because another one has its instance id.
const SUPERSEDED: &str = "another process runs with this kafka.instance_id";
/// The beginnings of what one says that refuses the state it has read back.
const REFUSED: [&str; 3] =
    ["the changelog cannot be read at offset", "the changelog's commit that ends at", "the committed state lies at"];

/// An end that nobody outside has brought about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// At its failpoint, by the signal that it sends there.
    AtFailpoint,
    /// Another process has its instance id.
    Superseded,
    /// It refuses the state that it has read back.
    Refused,
    /// Nothing of what may be.
    Unplanned,
}

impl End {
    /// By how it ended and what it has said last.
    pub(crate) fn of(plan: &Plan, status: ExitStatus, log: &str) -> Self {
        let last = log.lines().last().unwrap_or_default();
        match plan {
            Plan::Die((name, _)) if status.signal() == Some(KILLED) && last == format!("failpoint: dies at {name}") => {
                Self::AtFailpoint
            }
            _ if status.code() == Some(1) && last.contains(SUPERSEDED) => Self::Superseded,
            _ if status.code() == Some(1) && REFUSED.iter().any(|words| last.contains(words)) => Self::Refused,
            _ => Self::Unplanned,
        }
    }
}

/// The end of a log.
pub(crate) fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

#[test]
fn an_end_is_what_was_planned_only_if_signal_and_last_words_say_so() {
    let (plan, killed, failed) = (Plan::Die(("settling", 0)), ExitStatus::from_raw(KILLED), ExitStatus::from_raw(256));
    assert_eq!(End::of(&plan, killed, "…\nfailpoint: dies at settling\n"), End::AtFailpoint);
    assert_eq!(End::of(&plan, killed, "…\nfailpoint: dies at revoked\n"), End::Unplanned);
    assert_eq!(End::of(&plan, killed, "out of memory"), End::Unplanned);
    assert_eq!(End::of(&plan, failed, "failpoint: dies at settling"), End::Unplanned);
    assert_eq!(End::of(&Plan::Nothing, failed, &format!("{SUPERSEDED}; it goes on")), End::Superseded);
    assert_eq!(End::of(&Plan::Nothing, killed, SUPERSEDED), End::Unplanned);
}
