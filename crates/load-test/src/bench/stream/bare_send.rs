//! What delivering costs at least: a loop of `send` over as many sockets, in a process of its own.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use clap::Args;
use rustix::net::{RecvFlags, recv};

use crate::{
    bench::{Options, cores},
    stage::{Process, WAIT},
};

/// What a stream begins with, so that its reader need not know whose it is.
const OPENING: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n\
                         retry: 3000\nid: 1-00000000-0.0.0.0\n\n";
/// The first line of the connection that says what to send.
const CONTROL: &[u8] = b"SEND\r\n\r\n";
/// An id-only block, as long as one of tweet-listener's.
const HEARTBEAT: &[u8] = b"id: 1-00000000-0.0.0.00\n\n";
/// How often heartbeats go out to those whose turn it is.
const TICK: Duration = Duration::from_millis(100);

/// What the process is told.
#[derive(Debug, Args)]
pub(in crate::bench) struct Task {
    #[arg(long)]
    listen: SocketAddr,
    /// Seconds after which each viewer gets a heartbeat; 0: none
    #[arg(long, default_value_t = 0)]
    heartbeat: u64,
}

impl Task {
    /// Takes viewers until the controlling connection comes, then sends whatever comes there to each of them, at once as
    /// much as there is, until it closes; behind each piece it answers how many bytes have come, and when the last did.
    pub(in crate::bench) fn run(&self) -> anyhow::Result<()> {
        let listener = TcpListener::bind(self.listen)?;
        rustix::net::listen(&listener, 4096)?;
        let mut viewers = Vec::new();
        let mut control = loop {
            let (mut socket, _) = listener.accept()?;
            let mut request = Vec::new();
            let mut piece = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                let read = socket.read(&mut piece)?;
                if read == 0 {
                    break;
                }
                request.extend_from_slice(&piece[..read]);
            }
            if request == CONTROL {
                break socket;
            }
            if request.starts_with(b"GET ") {
                socket.set_nodelay(true)?;
                socket.write_all(OPENING)?;
                viewers.push(socket);
            }
        };
        if self.heartbeat > 0 {
            control.set_read_timeout(Some(TICK))?;
        }
        control.write_all(b".")?;
        let mut bytes = vec![0; 64 * 1024];
        let (began, mut beaten, mut come) = (Instant::now(), 0, 0);
        loop {
            match control.read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(len) => {
                    let now = SystemTime::now();
                    for viewer in &mut viewers {
                        drop(viewer.write_all(&bytes[..len]));
                    }
                    come += len as u64;
                    control.write_all(&answer(come, now))?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    let due = began.elapsed().as_secs_f64() / self.heartbeat as f64 * viewers.len() as f64;
                    while (beaten as f64) < due {
                        let at = beaten % viewers.len();
                        drop(viewers[at].write_all(HEARTBEAT));
                        beaten += 1;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// How many bytes have come, and when the last of them did, in nanoseconds since 1970.
fn answer(come: u64, at: SystemTime) -> [u8; 16] {
    let nanos = at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
    (u128::from(come) << 64 | u128::from(nanos)).to_be_bytes()
}

/// Reads away what has come, without waiting.
pub(super) fn discard(socket: &TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok((len, _)) = recv(socket, &mut bytes[..], RecvFlags::DONTWAIT)
        && len == bytes.len()
    {}
}

/// The running process.
pub(super) struct BareSend {
    process: Process,
    control: Option<TcpStream>,
    /// Bytes that were handed over.
    handed: u64,
}

impl BareSend {
    /// Starts it on the core of the services, with heartbeats where a time is given.
    pub(super) async fn start(options: &Options, heartbeat: Duration) -> anyhow::Result<Self> {
        let process = Process::new("bare-send", std::env::current_exe()?)?;
        let address = process.address().to_string();
        let heartbeat = heartbeat.as_secs().to_string();
        let mut process = process
            .args(["bare-send", "--listen", &address, "--heartbeat", &heartbeat])
            .on_core(options.service_core.0);
        process.start()?;
        crate::stage::until("the bare loop to listen", async || TcpStream::connect(process.address())).await?;
        Ok(Self { process, control: None, handed: 0 })
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        self.process.pid().context("the bare loop runs")
    }

    /// All viewers have come: from here on it sends.
    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        let mut control = TcpStream::connect(self.process.address())?;
        control.set_nodelay(true)?;
        control.set_read_timeout(Some(WAIT))?;
        control.write_all(CONTROL)?;
        control.read_exact(&mut [0])?;
        self.control = Some(control);
        Ok(())
    }

    /// Has it send `bytes` to every viewer.
    pub(super) fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let control = self.control.as_mut().context("it has begun")?;
        // Answers that nobody asked for must not fill the socket.
        discard(control);
        self.handed += bytes.len() as u64;
        Ok(control.write_all(bytes)?)
    }

    /// When the last of what was handed over came to it.
    pub(super) fn arrival(&mut self) -> anyhow::Result<SystemTime> {
        let control = self.control.as_mut().context("it has begun")?;
        let mut answer = [0; 16];
        loop {
            control.read_exact(&mut answer)?;
            let answer = u128::from_be_bytes(answer);
            if answer >> 64 == u128::from(self.handed) {
                return Ok(UNIX_EPOCH + Duration::from_nanos(u64::try_from(answer & u128::from(u64::MAX))?));
            }
        }
    }

    /// How it reads in a path.
    pub(super) fn named(options: &Options) -> String {
        format!("a bare loop of send ({})", cores::named(options.service_core.0))
    }
}
