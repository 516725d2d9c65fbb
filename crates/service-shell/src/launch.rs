//! The life of a process, from its command line to its exit code.

use std::{
    env,
    future::Future,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
};

use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};

use crate::{
    BadConfig, CommonArgs, ServiceConfig, Shutdown, cli::SecretArgs, load, shutdown::signals, start_telemetry,
};

/// `EX_USAGE` of sysexits.h: the command line or configuration cannot be used.
const EXIT_USAGE: u8 = 64;

/// Connections that may wait to be accepted; the system may set a lower bound (net.core.somaxconn). When thousands of
/// viewers come again at once, one that finds no place here waits for the retries of TCP, up to a minute.
const BACKLOG: i32 = 4096;

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
    match prepare(info, command::<C>(info)) {
        Ok(Prepared { config, address, .. }) => serve_on(info, config, address, run),
        Err(code) => code,
    }
}

/// As [`launch`], for a service that has a tool beside it: `tool` is the subcommand that runs `work` in place of the
/// service, with the same configuration.
pub fn launch_with<C, F, G>(
    info: ServiceInfo,
    run: impl FnOnce(C, TcpListener, Shutdown) -> F,
    tool: Command,
    work: impl FnOnce(C, ArgMatches, Shutdown) -> G,
) -> ExitCode
where
    C: ServiceConfig,
    F: Future<Output = anyhow::Result<()>>,
    G: Future<Output = anyhow::Result<()>>,
{
    match prepare(info, command::<C>(info).subcommand(tool)) {
        Ok(Prepared { config, address, asked: None }) => serve_on(info, config, address, run),
        Ok(Prepared { config, asked: Some(asked), .. }) => {
            exit_code(info.name, async |shutdown| work(config, asked, shutdown).await)
        }
        Err(code) => code,
    }
}

/// Whether the service has a secret: without configuration it is missing then.
fn has_secret<C: ServiceConfig>() -> bool {
    C::default().missing_secret().is_some()
}

fn command<C: ServiceConfig>(info: ServiceInfo) -> Command {
    let command = Command::new(info.name).about(info.about).version(info.version).after_help(format!(
        "Configuration: defaults, then config/{}.toml, then the environment (LIVEWALL_HTTP__LISTEN sets http.listen,\n\
         LIVEWALL_KAFKA__BROKERS sets kafka.brokers, a variable that ends in _FILE names a file with the value).\n\
         --print-config shows every option with the value in force.",
        info.name
    ));
    let command = CommonArgs::augment_args(command);
    if has_secret::<C>() { SecretArgs::augment_args(command) } else { command }
}

/// What a command line and a configuration come to.
struct Prepared<C> {
    config: C,
    address: SocketAddr,
    /// Of a tool in place of the service.
    asked: Option<ArgMatches>,
}

/// Reads them; or the exit code where there is nothing more to do.
fn prepare<C: ServiceConfig>(info: ServiceInfo, command: Command) -> Result<Prepared<C>, ExitCode> {
    let mut matches = command.try_get_matches().map_err(|help_or_error| {
        let _ = help_or_error.print();
        ExitCode::from(if help_or_error.use_stderr() { EXIT_USAGE } else { 0 })
    })?;
    let asked = matches.remove_subcommand().map(|(_, asked)| asked);
    let args = CommonArgs::from_arg_matches(&matches).expect("the matches are those of these arguments");
    let allow_anonymous = has_secret::<C>()
        && SecretArgs::from_arg_matches(&matches).expect("the matches are those of these arguments").allow_anonymous;
    let prepared = load::<C>(info.name, args.config.as_deref(), env::vars()).and_then(|config| {
        // A tool listens nowhere.
        let address = config.listen_address(info.default_port, allow_anonymous || asked.is_some())?;
        start_telemetry(config.log())?;
        Ok((config, address))
    });
    let (config, address) = prepared.map_err(|bad| usage(info.name, &bad))?;
    if args.print_config {
        println!("{:#}", in_force(&config, address));
        return Err(ExitCode::SUCCESS);
    }
    Ok(Prepared { config, address, asked })
}

/// The configuration with what was not given filled in.
fn in_force(config: &impl ServiceConfig, address: SocketAddr) -> serde_json::Value {
    let mut shown = serde_json::to_value(config).expect("configurations serialize");
    shown["http"]["listen"] = address.to_string().into();
    shown
}

fn serve_on<C, F>(
    info: ServiceInfo,
    config: C,
    address: SocketAddr,
    run: impl FnOnce(C, TcpListener, Shutdown) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
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
    let system = actix_web::rt::System::new();
    let (outcome, finished) = system.block_on(async {
        tokio::select! {
            outcome = work(shutdown.clone()) => (outcome, true),
            // Dropping the work is the point: whoever signals twice does not want to wait for it.
            second = signals(shutdown.clone()) => (match second {
                Ok(()) => Err(anyhow::anyhow!("ended by a second signal, before everything was drained")),
                Err(error) => Err(anyhow::anyhow!("cannot wait for signals: {error}")),
            }, false),
        }
    });
    if !finished {
        // Its end would wait for the threads on which the work still blocks; they end with the process.
        std::mem::forget(system);
    }
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

/// Binds `address`, with room for 4,096 connections that wait to be accepted.
///
/// # Errors
/// In one line, with the option to change.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    bind(address).map_err(|error| {
        let error = std::io::Error::from(error);
        anyhow::anyhow!("cannot listen on {address}: {error}; choose another http.listen")
    })
}

/// As the standard library does it, but for the backlog, which is 128 there.
fn bind(address: SocketAddr) -> rustix::io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

/// Raises the soft limit of open files to the hard one: every viewer is an open file.
pub fn open_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{HttpConfig, LogConfig};

    #[derive(Debug, Default, Deserialize, Serialize)]
    struct Sample<const SECRET: bool> {
        http: HttpConfig,
        log: LogConfig,
    }

    impl<const SECRET: bool> ServiceConfig for Sample<SECRET> {
        fn http(&self) -> &HttpConfig {
            &self.http
        }

        fn log(&self) -> &LogConfig {
            &self.log
        }

        fn check(&self) -> Result<(), BadConfig> {
            Ok(())
        }

        fn missing_secret(&self) -> Option<&'static str> {
            SECRET.then_some("a secret")
        }
    }

    const INFO: ServiceInfo = ServiceInfo { name: "sample", about: "A sample.", version: "1", default_port: 8090 };

    #[test]
    fn only_a_service_that_has_a_secret_can_be_told_to_do_without() {
        let line = ["sample", "--allow-anonymous"];
        assert!(command::<Sample<true>>(INFO).try_get_matches_from(line).is_ok());
        assert!(command::<Sample<false>>(INFO).try_get_matches_from(line).is_err());
    }

    #[test]
    fn the_address_in_force_is_shown() {
        let shown = in_force(&Sample::<false>::default(), SocketAddr::from(([0, 0, 0, 0], 8090)));
        assert_eq!(shown["http"]["listen"], "0.0.0.0:8090");
    }
}
