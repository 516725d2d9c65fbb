//! A file system of its own, which can be full.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::stage::{keeper, place};

/// A bounded file system in memory. It is gone when dropped, or with this process.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    bytes: u64,
}

impl Disk {
    /// Mounts one of `bytes`.
    ///
    /// # Errors
    /// Where this process may not mount.
    pub fn mount(bytes: u64) -> anyhow::Result<Self> {
        let path = place::folder()?.join("disk");
        std::fs::create_dir_all(&path)?;
        let size = format!("size={bytes}");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "livewall-stage"]).arg(&path))?;
        keeper::mounted(&path.to_string_lossy());
        Ok(Self { path, bytes })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From now on it has no room for anything more: it is made as small as what lies on it.
    ///
    /// # Errors
    /// What mount says.
    pub fn fill(&self) -> anyhow::Result<()> {
        let used = run(Command::new("df").args(["--output=used", "-B1"]).arg(&self.path))?;
        let used = used.lines().last().and_then(|line| line.trim().parse().ok()).context("df tells the bytes used")?;
        // A file may have grown since; then the next attempt sees it.
        self.resize(used).or_else(|_| self.resize(used + used / 50))
    }

    /// It has room again.
    ///
    /// # Errors
    /// What mount says.
    pub fn free(&self) -> anyhow::Result<()> {
        self.resize(self.bytes)
    }

    fn resize(&self, bytes: u64) -> anyhow::Result<()> {
        run(Command::new("mount").args(["-o", &format!("remount,size={bytes}")]).arg(&self.path)).map(drop)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there is about to end.
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.path));
        keeper::unmounted(&self.path.to_string_lossy());
    }
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
