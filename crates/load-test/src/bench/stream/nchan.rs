//! A peer: nginx with nchan, which serves the same viewers and is posted the same posts.

use std::{
    fmt, fs,
    io::Write as _,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::bare_send::discard;
use crate::{
    bench::{Options, cores},
    http::Request,
    stage::Process,
};

/// Where distributions put it.
const MODULES: [&str; 2] =
    ["/usr/lib/nginx/modules/ngx_nchan_module.so", "/usr/lib64/nginx/modules/ngx_nchan_module.so"];
/// Where nginx is, if it is not on the path.
const SBIN: &str = "/usr/sbin";

/// It is not installed.
#[derive(Debug)]
pub(in crate::bench) struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("--peer nchan needs nginx and its module nchan: apt-get install nginx-light libnginx-mod-nchan")
    }
}

impl std::error::Error for Missing {}

/// nginx and the module.
fn installed() -> Result<(PathBuf, &'static str), Missing> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let nginx = std::env::split_paths(&path).chain([SBIN.into()]).map(|folder| folder.join("nginx"));
    let nginx = nginx.into_iter().find(|nginx| nginx.is_file()).ok_or(Missing)?;
    let module = MODULES.into_iter().find(|module| Path::new(module).is_file()).ok_or(Missing)?;
    Ok((nginx, module))
}

/// Whether it can be started.
///
/// # Errors
/// [`Missing`].
pub(in crate::bench) fn check() -> Result<(), Missing> {
    installed().map(|_| ())
}

/// The running process.
pub(super) struct Nchan {
    process: Process,
    /// Requests are pipelined: no post waits for the answer to the one before.
    publisher: TcpStream,
}

impl Nchan {
    /// Starts it on the core of the services, for as many viewers as this process may have open files, with heartbeats
    /// where a time is given.
    pub(super) async fn start(options: &Options, heartbeat: u64) -> anyhow::Result<Self> {
        let (nginx, module) = installed()?;
        let process = Process::new("nchan", nginx)?;
        let folder = process.log_file().with_extension("d");
        fs::create_dir_all(&folder)?;
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration(module, &folder, process.address(), heartbeat))?;
        let args = ["-p".as_ref(), folder.as_os_str(), "-c".as_ref(), file.as_os_str()];
        let args = args.map(|arg| arg.to_str().map(str::to_owned)).into_iter().collect::<Option<Vec<_>>>();
        let mut process = process.args(args.context("a UTF-8 path")?).on_core(options.service_core.0);
        process.start()?;
        process.answers("/", 404).await?;
        let publisher = TcpStream::connect(process.address())?;
        publisher.set_nodelay(true)?;
        Ok(Self { process, publisher })
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        self.process.pid().context("nginx runs")
    }

    /// A post as it is published.
    pub(super) fn request(post: &[u8]) -> Vec<u8> {
        Request::new("POST", "/publish").body("application/json", post).to_bytes()
    }

    /// Publishes what [`Nchan::request`] made. A post that it refuses is missed by every viewer, who say so.
    pub(super) fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        discard(&self.publisher);
        Ok(self.publisher.write_all(request)?)
    }

    /// How it reads in a path.
    pub(super) fn named(options: &Options) -> String {
        format!("nginx with nchan ({})", cores::named(options.service_core.0))
    }
}

/// One process, as few system calls as it can do with, nothing logged.
fn configuration(module: &str, folder: &Path, listen: SocketAddr, heartbeat: u64) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {kind};\n  "))
        .concat();
    let ping = if heartbeat > 0 { format!("nchan_eventsource_ping_interval {heartbeat};") } else { String::new() };
    let folder = folder.display();
    let files = cores::open_files();
    format!(
        "load_module {module};
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{ worker_connections {files}; }}
http {{
  access_log off;
  {temporary}
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  tcp_nodelay on;
  nchan_shared_memory_size 256m;
  server {{
    listen {listen} backlog=4096;
    location = /updates {{
      nchan_subscriber eventsource;
      nchan_channel_id wall;
      nchan_subscriber_first_message newest;
      {ping}
    }}
    location = /publish {{
      nchan_publisher;
      nchan_channel_id wall;
      nchan_message_buffer_length 10000;
      nchan_message_timeout 1m;
    }}
  }}
}}
"
    )
}
