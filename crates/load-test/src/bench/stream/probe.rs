//! Many viewers on one thread, at as little cost as can be, so that what is measured is the server.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv, send, socket_with, sockopt,
    },
};

use super::watcher::{Frames, State, Watcher};
use crate::series::Series;

/// Connections that are made at one time: below every backlog.
const OPENING: usize = 256;
/// Source addresses, 127.0.1.1 and on: each has ports of its own.
const SOURCES: usize = 8;
/// What one read takes at most.
const BUFFER: usize = 256 * 1024;
/// What the kernel may keep for a viewer that does not read.
const NARROW_BUFFER: usize = 4096;

/// The viewers of one server.
pub(super) struct Probe {
    epoll: OwnedFd,
    server: SocketAddr,
    series: Series,
    pub(super) watchers: Vec<Watcher>,
    frames: Frames,
    buffer: Vec<u8>,
    /// By conference and number.
    arrivals: Vec<Vec<Arrivals>>,
    /// When each post was handed over, while latencies are of interest: conferences take turns.
    pub(super) sent: Vec<Instant>,
    /// Microseconds from there to each delivery.
    pub(super) latencies: Histogram<u64>,
    /// Microseconds from the first step of a connection to the first block.
    pub(super) openings: Histogram<u64>,
    /// Viewers that come, or come again, at a moment.
    waiting: BinaryHeap<Reverse<(Instant, usize)>>,
    opening: usize,
    pub(super) open: usize,
    pub(super) deliveries: u64,
    /// Blocks that are no posts.
    pub(super) blocks: u64,
    /// Streams that ended; they are resumed where `resumes` says so.
    pub(super) ended: u64,
    pub(super) resumes: bool,
    pub(super) refused: u64,
    /// When streams ended that had begun, and when viewers had a first block.
    pub(super) ends: Vec<Instant>,
    pub(super) openings_at: Vec<Instant>,
    events: Vec<epoll::Event>,
}

/// Who has got a post.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrivals {
    pub(super) count: usize,
    pub(super) last: Instant,
}

impl Probe {
    /// Nobody yet.
    pub(super) fn new(server: SocketAddr, series: &Series) -> anyhow::Result<Self> {
        // Microseconds, up to two minutes.
        let histogram = || Histogram::new_with_bounds(1, 120_000_000, 3);
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            server,
            series: series.clone(),
            watchers: Vec::new(),
            frames: Frames::of(series.conferences()),
            buffer: vec![0; BUFFER],
            arrivals: vec![Vec::new(); series.conferences()],
            sent: Vec::new(),
            latencies: histogram()?,
            openings: histogram()?,
            waiting: BinaryHeap::new(),
            opening: 0,
            open: 0,
            deliveries: 0,
            blocks: 0,
            ended: 0,
            resumes: false,
            refused: 0,
            ends: Vec::new(),
            openings_at: Vec::new(),
            events: Vec::with_capacity(1024),
        })
    }

    /// Adds a viewer, which comes at once.
    pub(super) fn add(&mut self, watcher: Watcher) {
        self.waiting.push(Reverse((Instant::now(), self.watchers.len())));
        self.watchers.push(watcher);
    }

    /// Adds `count` viewers of everything and waits until each has its first block.
    pub(super) fn gather(&mut self, count: usize) -> anyhow::Result<()> {
        (0..count).for_each(|_| self.add(Watcher::new(None)));
        self.until("every viewer to be connected", |probe| probe.open == probe.watchers.len())
    }

    /// Reads until `done`, at most for two minutes.
    pub(super) fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + crate::stage::WAIT;
        while !done(self) {
            self.turn(Duration::from_millis(20))?;
            anyhow::ensure!(
                Instant::now() < deadline,
                "waited for {what}: {} of {} viewers are connected, {} deliveries, {} ended, {} refused",
                self.open,
                self.watchers.len(),
                self.deliveries,
                self.ended,
                self.refused
            );
        }
        Ok(())
    }

    /// Reads until `moment`.
    pub(super) fn until_moment(&mut self, moment: Instant) -> anyhow::Result<()> {
        loop {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.turn(left)?;
        }
    }

    /// Who has got a post.
    pub(super) fn arrivals(&self, conference: usize, number: u64) -> Option<&Arrivals> {
        self.arrivals[conference].get(usize::try_from(number).ok()?)
    }

    /// Waits until every viewer that reads has the first `posts` posts of its conference, and checks that none has more.
    pub(super) fn settle(&mut self, posts: u64) -> anyhow::Result<()> {
        self.until("every viewer to have every post", |probe| {
            probe.watchers.iter().all(|watcher| watcher.stalled || watcher.due >= posts)
        })?;
        for (at, watcher) in self.watchers.iter().enumerate().filter(|(_, watcher)| !watcher.stalled) {
            anyhow::ensure!(watcher.due == posts, "viewer {at} has {} of {posts} posts", watcher.due);
        }
        Ok(())
    }

    /// One look at the sockets, which waits at most for `patience`.
    pub(super) fn turn(&mut self, patience: Duration) -> anyhow::Result<()> {
        self.let_come()?;
        let next = self.waiting.peek().filter(|_| self.opening < OPENING).map(|Reverse((at, _))| *at);
        let patience = next.map_or(patience, |at| patience.min(at.saturating_duration_since(Instant::now())));
        let mut events = std::mem::take(&mut self.events);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&Timespec::try_from(patience)?)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let (at, flags) = (usize::try_from(event.data.u64())?, event.flags);
            if self.watchers[at].state == State::Connecting {
                self.ask(at)?;
            } else if !self.watchers[at].stalled {
                let ends = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
                self.read(at, ends).with_context(|| format!("viewer {at}"))?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn let_come(&mut self) -> anyhow::Result<()> {
        while self.opening < OPENING
            && let Some(Reverse((at, _))) = self.waiting.peek()
            && *at <= Instant::now()
        {
            let Some(Reverse((_, index))) = self.waiting.pop() else { break };
            self.connect(index)?;
        }
        Ok(())
    }

    fn connect(&mut self, index: usize) -> anyhow::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        let source = u8::try_from(index % SOURCES)? + 1;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, source), 0))?;
        // No port is held after the end.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        let watcher = &mut self.watchers[index];
        if watcher.narrow {
            sockopt::set_socket_recv_buffer_size(&socket, NARROW_BUFFER)?;
        }
        watcher.asked_at = Instant::now();
        match connect(&socket, &self.server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        epoll::add(&self.epoll, &socket, epoll::EventData::new_u64(index as u64), flags)?;
        watcher.socket = Some(socket);
        watcher.state = State::Connecting;
        self.opening += 1;
        Ok(())
    }

    fn ask(&mut self, index: usize) -> anyhow::Result<()> {
        let watcher = &mut self.watchers[index];
        let request = watcher.request(&self.series, &self.frames);
        let Some(socket) = &watcher.socket else { return Ok(()) };
        if sockopt::socket_error(socket)?.is_err() {
            self.refused += 1;
            self.hang_up(index);
            return Ok(());
        }
        match send(socket, request.as_bytes(), SendFlags::NOSIGNAL) {
            Ok(sent) if sent == request.len() => watcher.state = State::Asked,
            Err(Errno::AGAIN) => {}
            other => anyhow::bail!("the request could not be sent: {other:?}"),
        }
        Ok(())
    }

    fn hang_up(&mut self, index: usize) {
        let watcher = &mut self.watchers[index];
        match watcher.state {
            State::Open => self.open -= 1,
            State::Connecting | State::Asked => self.opening -= 1,
            State::Away => return,
        }
        watcher.hang_up();
        if self.resumes {
            // As a browser: after `retry`, from its own clock.
            let after = Duration::from_millis(watcher.retry_ms.max(100));
            self.waiting.push(Reverse((Instant::now() + after, index)));
        }
    }

    /// Reads what is there; to the very end where the stream `ends`.
    fn read(&mut self, index: usize, ends: bool) -> anyhow::Result<()> {
        loop {
            let Self { watchers, buffer, frames, series, arrivals, sent, latencies, deliveries, .. } = self;
            let watcher = &mut watchers[index];
            let Some(socket) = &watcher.socket else { return Ok(()) };
            let len = match recv(socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((0, _)) | Err(Errno::CONNRESET) => {
                    self.ended += 1;
                    if watcher.state == State::Open {
                        self.ends.push(Instant::now());
                    }
                    self.hang_up(index);
                    return Ok(());
                }
                Ok((len, _)) => len,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let (before, blocks) = (watcher.state, watcher.blocks);
            let now = Instant::now();
            watcher.take(&buffer[..len], series, frames, |conference, number| {
                *deliveries += 1;
                let at = usize::try_from(number).unwrap_or(usize::MAX);
                match arrivals[conference].get_mut(at) {
                    Some(arrivals) => {
                        arrivals.count += 1;
                        arrivals.last = now;
                    }
                    None => arrivals[conference].push(Arrivals { count: 1, last: now }),
                }
                if let Some(sent) = sent.get(at * series.conferences() + conference) {
                    let micros = u64::try_from((now.saturating_duration_since(*sent)).as_micros()).unwrap_or(u64::MAX);
                    latencies.saturating_record(micros.max(1));
                }
            })?;
            self.blocks += watcher.blocks - blocks;
            if before == State::Asked && watcher.state == State::Open {
                self.opening -= 1;
                self.open += 1;
                self.openings_at.push(now);
                self.openings.saturating_record(u64::try_from((now - watcher.asked_at).as_micros())?.max(1));
            }
            // The socket was drained: what comes next is an event of its own.
            if len < BUFFER && !ends {
                return Ok(());
            }
        }
    }
}
