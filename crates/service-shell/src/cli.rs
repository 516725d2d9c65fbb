//! The command line that every service has.

use std::path::PathBuf;

/// Options of every service. Everything else is configuration.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CommonArgs {
    /// Read this TOML file instead of `config/<service>.toml`
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the configuration in force, secrets masked, and end
    #[arg(long)]
    pub print_config: bool,
}

/// Options of a service that has a secret.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct SecretArgs {
    /// Listen on other addresses than loopback although the service's secret is not set
    #[arg(long)]
    pub(crate) allow_anonymous: bool,
}
