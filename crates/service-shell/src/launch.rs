//! The life of a process, from its command line to its exit code.

use std::{
    env,
    future::Future,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
};

use clap::{Args as _, Command, FromArgMatches as _};

use crate::{BadConfig, CommonArgs, ServiceConfig, Shutdown, load, shutdown::signals, start_telemetry};

/// `EX_USAGE` of sysexits.h: the command line or configuration cannot be used.
const EXIT_USAGE: u8 = 64;

/// Who a process is.
#[derive(Debug, Clone, Copy)]
pub struct ServiceInfo {
    /// Its name: of the binary, of `config/<name>.toml`, in logs.
    pub name: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// The workspace's version.
    pub version: &'static str,
    /// The port where none is configured.
    pub default_port: u16,
}

/// Runs a service from its command line to its exit code: 0 after an orderly end, 64 for a command line or configuration
/// that cannot be used, 1 where it could not start or go on. Every failure is one line on standard error.
pub fn launch<C, F>(info: ServiceInfo, run: impl FnOnce(C, TcpListener, Shutdown) -> F) -> ExitCode
where
    C: ServiceConfig,
    F: Future<Output = anyhow::Result<()>>,
{
    let command = Command::new(info.name).about(info.about).version(info.version).after_help(format!(
        "Configuration: defaults, then config/{}.toml, then the environment (LIVEWALL_HTTP__LISTEN sets http.listen,\n\
         LIVEWALL_KAFKA__BROKERS sets kafka.brokers, a variable that ends in _FILE names a file with the value).\n\
         --print-config shows every option with the value in force.",
        info.name
    ));
    let args = match CommonArgs::augment_args(command).try_get_matches() {
        Ok(matches) => CommonArgs::from_arg_matches(&matches).expect("the matches are those of these arguments"),
        Err(help_or_error) => {
            let _ = help_or_error.print();
            return ExitCode::from(if help_or_error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    let prepared = load::<C>(info.name, args.config.as_deref(), env::vars()).and_then(|config| {
        let address = config.listen_address(info.default_port, args.allow_anonymous)?;
        start_telemetry(config.log())?;
        Ok((config, address))
    });
    let (config, address) = match prepared {
        Ok(prepared) => prepared,
        Err(bad) => return usage(info.name, &bad),
    };
    if args.print_config {
        let shown = serde_json::to_string_pretty(&config).expect("configurations serialize");
        println!("{shown}");
        return ExitCode::SUCCESS;
    }
    exit_code(info.name, async |shutdown| {
        let listener = listen(address)?;
        tracing::info!(service = info.name, version = info.version, listen = %listener.local_addr()?, "starting");
        run(config, listener, shutdown).await
    })
}

/// Runs `work` on the serving runtime with signals wired to its shutdown, and turns its end into an exit code.
pub fn exit_code<F>(name: &str, work: impl FnOnce(Shutdown) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    open_file_limit();
    let shutdown = Shutdown::new();
    let outcome = actix_web::rt::System::new().block_on(async {
        tokio::select! {
            outcome = work(shutdown.clone()) => outcome,
            // Dropping the work is the point: whoever signals twice does not want to wait for it.
            second = signals(shutdown.clone()) => match second {
                Ok(()) => Err(anyhow::anyhow!("ended by a second signal, before everything was drained")),
                Err(error) => Err(anyhow::anyhow!("cannot wait for signals: {error}")),
            },
        }
    });
    let outcome = match shutdown.failure() {
        Some(reason) => outcome.and_then(|()| Err(anyhow::anyhow!("{reason}"))),
        None => outcome,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<BadConfig>() {
            Some(bad) => usage(name, bad),
            None => {
                eprintln!("{name}: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn usage(name: &str, bad: &BadConfig) -> ExitCode {
    eprintln!("{name}: {bad}");
    ExitCode::from(EXIT_USAGE)
}

/// Binds `address`.
///
/// # Errors
/// In one line, with the option to change.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}; choose another http.listen"))
}

/// Raises the soft limit of open files to the hard one: every viewer is an open file.
pub fn open_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
