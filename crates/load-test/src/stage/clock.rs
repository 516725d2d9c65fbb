//! A clock that one process sees and that can be set.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::stage::{Process, place};

/// What Debian's package `libfaketime` puts below `/usr/lib/<architecture>`.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The time of day as a process sees it that was started [with](Self::seen_by) this clock: moved by some seconds. Clocks
/// that only measure spans go on as they do.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, named for its file; `None` where libfaketime is not installed.
    ///
    /// # Errors
    /// Where there is no folder for its file.
    pub fn new(name: &str) -> io::Result<Option<Self>> {
        let Some(library) = library(Path::new("/usr/lib")) else { return Ok(None) };
        let clock = Self { library, file: place::folder()?.join(format!("{name}.clock")) };
        clock.move_by(0)?;
        Ok(Some(clock))
    }

    /// The process, seeing this clock.
    pub fn seen_by(&self, process: Process) -> Process {
        process
            .env("LD_PRELOAD", &self.library.to_string_lossy())
            .env("FAKETIME_TIMESTAMP_FILE", &self.file.to_string_lossy())
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Moves it away from the right time; within a second it is seen.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn move_by(&self, seconds: i64) -> io::Result<()> {
        // Renamed into place: a reader must not see half of it.
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, format!("{seconds:+}\n"))?;
        std::fs::rename(fresh, &self.file)
    }
}

/// The library, in the folder of whatever architecture this is.
fn library(root: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(root).ok()?;
    folders.flatten().map(|folder| folder.path().join(LIBRARY)).find(|library| library.is_file())
}
