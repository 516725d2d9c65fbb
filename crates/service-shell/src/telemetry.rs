//! Log lines.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::{BadConfig, LogConfig, LogFormat};

/// Starts logging to standard error, once per process.
///
/// # Errors
/// Where `log.filter` cannot be read.
pub fn start_telemetry(config: &LogConfig) -> Result<(), BadConfig> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| BadConfig::new(format!("log.filter: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    // A second start in one process (a test) keeps the first.
    let _ = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(io::stderr().is_terminal()).with_target(false).compact().try_init()
    };
    Ok(())
}
