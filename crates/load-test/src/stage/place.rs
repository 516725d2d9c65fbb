//! Where things are in a checkout.

use std::{
    collections::HashSet,
    env, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::Context as _;

/// Ports that are given to services: below the range from which the system takes ports for outgoing connections (32768 on
/// Linux), so that nobody takes the port of a service while it restarts; and apart from those of scripts/kafka.
const PORTS: std::ops::Range<u16> = 10_240..19_800;

/// The root of the checkout.
pub fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("crates/load-test lies two levels below the root")
}

/// A script of `scripts/`.
pub(crate) fn script(name: &str) -> PathBuf {
    root().join("scripts").join(name)
}

/// The binary of a service: in the folder that LIVEWALL_BIN_DIR names, else beside the present executable.
///
/// # Errors
/// Where it was not built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let folder = match env::var_os("LIVEWALL_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let own = env::current_exe()?;
            let folder = own.parent().context("an executable is in a folder")?;
            // Test executables are one level deeper, in `deps`.
            if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder }.to_owned()
        }
    };
    let binary = folder.join(name);
    anyhow::ensure!(binary.is_file(), "{} does not exist: run `cargo build --workspace --bins`", binary.display());
    Ok(binary)
}

/// A folder under `target/stage` for logs and temporary files, one per process.
///
/// # Errors
/// Where it cannot be made.
pub(crate) fn folder() -> io::Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let folder = target.join("stage").join(std::process::id().to_string());
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A loopback address that nothing listens on, given out once.
///
/// # Errors
/// Where every port is taken.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    // Another test process begins elsewhere.
    let width = u32::from(PORTS.end - PORTS.start);
    let start = std::process::id().wrapping_mul(61) % width;
    for step in 0..width {
        let port = PORTS.start + u16::try_from((start + step) % width)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if !given.contains(&port) && TcpListener::bind(address).is_ok() {
            given.insert(port);
            return Ok(address);
        }
    }
    anyhow::bail!("no port of {PORTS:?} is free")
}
