//! The threads that write to viewers on the live stream: an epoll loop each, and nothing that is shared but bytes.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    io::Errno,
    net::{SendAncillaryBuffer, SendFlags, send, sendmsg, sockopt},
};
use service_shell::{Shutdown, takeover::OpenConnection};

use crate::{
    admission::Seat,
    audience::{Audience, Bounds, Newcomer, Pulse, ViewerId},
    config::StreamConfig,
    frame::{heartbeat, ping},
    hub::Hub,
    inbox::Told,
    viewer::Gone,
    wheel::{Tick, Wheel},
};

/// The longest tick of the timers. A heartbeat has a fifth of its time to spare.
const TICK: Duration = Duration::from_millis(100);
/// Events that are taken from the system at one time.
const EVENTS: usize = 1024;
/// The bell's mark among events; no viewer has it, since places are counted from 0.
const BELL: ViewerId = ViewerId::MAX;

/// A viewer's connection, with its place among all viewers.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    _open: OpenConnection,
    _seat: Seat,
}

impl Client {
    /// Of a socket that does not block.
    pub fn new(socket: OwnedFd, open: OpenConnection, seat: Seat) -> Self {
        Self { socket, _open: open, _seat: seat }
    }
}

/// Bounds what the kernel keeps for a viewer that does not read, and the time that it is kept.
pub fn bound(socket: impl AsFd, config: &StreamConfig) {
    let timeout = u32::try_from(config.write_timeout.as_millis()).unwrap_or(u32::MAX);
    let _ = sockopt::set_socket_send_buffer_size(&socket, config.send_buffer_bytes);
    let _ = sockopt::set_tcp_user_timeout(&socket, timeout);
}

/// The running threads; end when dropped.
pub struct Serving {
    hub: Arc<Hub>,
    threads: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Starts as many threads as `hub` has inboxes.
    ///
    /// # Errors
    /// Where the system has no more threads or files.
    pub fn start(hub: &Arc<Hub>, config: &StreamConfig, shutdown: &Shutdown) -> io::Result<Self> {
        let mut serving = Self { hub: Arc::clone(hub), threads: Vec::new() };
        for number in 0..hub.threads() {
            let served = Thread::new(Arc::clone(hub), number, config)?;
            let alarm = Alarm(shutdown.clone());
            let name = format!("serve-{number}");
            let thread = thread::Builder::new().name(name).spawn(move || {
                let _alarm = alarm;
                served.run();
            })?;
            serving.threads.push(thread);
        }
        Ok(serving)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.hub.tell(|| Told::Stop);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A thread that panics leaves viewers without service, so the process ends.
struct Alarm(Shutdown);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("a serving thread has panicked");
        }
    }
}

/// Everybody is sent away.
struct Leaving {
    wheel: Wheel<ViewerId>,
    /// What they are spread over, in ticks.
    time: f64,
    /// Who has not taken everything by then goes without a word.
    end: Tick,
}

struct Thread {
    hub: Arc<Hub>,
    number: usize,
    epoll: OwnedFd,
    audience: Audience<Client>,
    began: Instant,
    tick: Duration,
    now: Tick,
    /// Time without an id until a heartbeat, in ticks.
    heartbeat: f64,
    /// The longest that a viewer may take nothing, in ticks.
    patience: Tick,
    beats: Wheel<ViewerId>,
    leaving: Option<Leaving>,
    /// Viewers that have just closed their sending half.
    half_closed: Vec<ViewerId>,
    gone: Vec<(ViewerId, Gone)>,
    config: StreamConfig,
}

impl Thread {
    fn new(hub: Arc<Hub>, number: usize, config: &StreamConfig) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, hub.inbox(number), epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        let tick = TICK.min(config.heartbeat / 10).max(Duration::from_millis(1));
        let ticks = |time: Duration| time.div_duration_f64(tick);
        let heartbeat = ticks(config.heartbeat);
        let bounds =
            Bounds { ring_bytes: config.ring_bytes, all_rings_bytes: config.all_rings_bytes / hub.threads().max(1) };
        Ok(Self {
            hub,
            number,
            epoll,
            audience: Audience::new(bounds),
            began: Instant::now(),
            tick,
            now: 0,
            heartbeat,
            patience: whole(ticks(config.write_timeout)),
            beats: Wheel::new(0, whole(heartbeat * 1.2).min(4096)),
            leaving: None,
            half_closed: Vec::new(),
            gone: Vec::new(),
            config: config.clone(),
        })
    }

    fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        let mut due = Vec::new();
        let backlog = metrics::gauge!("tweet_listener_backlog_bytes", "thread" => self.number.to_string());
        let mut held = 0;
        loop {
            self.wait(&mut events);
            self.now = Tick::try_from(self.began.elapsed().as_nanos() / self.tick.as_nanos()).unwrap_or(Tick::MAX);
            for event in events.drain(..) {
                self.take_event(event.data.u64(), event.flags);
            }
            self.beats.turn(self.now, &mut due);
            // The position of a heartbeat must be that of all frames before it and of none behind.
            let (told, position) = if due.is_empty() && self.half_closed.is_empty() {
                (self.hub.inbox(self.number).take(), None)
            } else {
                let (told, position) = self.hub.collect(self.number);
                (told, Some(position))
            };
            for told in told {
                match told {
                    Told::Frame { channel, frame, has_id } => {
                        self.audience.publish(channel, frame, has_id.then_some(self.now));
                    }
                    Told::Enter(newcomer) => self.enter(newcomer),
                    Told::Drain(time) => self.drain(time),
                    Told::Stop => return,
                }
            }
            self.audience.sweep(self.now, &mut write, &mut self.gone);
            if self.audience.held() != held {
                held = self.audience.held();
                backlog.set(held as f64);
            }
            if let Some(position) = position {
                let beat = heartbeat(&self.hub.ids.write(&position));
                let with_ping = [&beat[..], &ping()].concat().into();
                for id in due.drain(..) {
                    self.beat(id, &beat, &with_ping);
                }
                // Who has closed one half may read on, and who has gone looks the same: it answers this by breaking the
                // connection. To whom more is on its way already, that does the same.
                for id in std::mem::take(&mut self.half_closed) {
                    if let Err(why) = self.audience.send_between(id, &beat, self.now, &mut write) {
                        self.gone.push((id, why));
                    }
                }
            }
            self.send_away();
            self.bury();
        }
    }

    fn wait(&self, events: &mut Vec<epoll::Event>) {
        // To the beginning of the next tick; without viewers only the bell counts.
        let timeout = (self.audience.len() > 0).then(|| {
            let left = self.tick.mul_f64((self.now + 1) as f64).saturating_sub(self.began.elapsed());
            // Rounded up, so that it is the next tick when this wakes.
            let left = left + Duration::from_micros(50);
            Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 })
        });
        // An interruption is like a time that has passed: the loop looks again.
        let _ = epoll::wait(&self.epoll, spare_capacity(events), timeout.as_ref());
    }

    fn take_event(&mut self, id: ViewerId, flags: epoll::EventFlags) {
        if id == BELL {
            self.hub.inbox(self.number).hear();
            return;
        }
        if flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            self.gone.push((id, Gone::Closed));
            return;
        }
        if flags.contains(epoll::EventFlags::RDHUP) && self.audience.half_close(id) {
            self.half_closed.push(id);
        }
        if let Err(why) = self.audience.resume(id, self.now, &mut write) {
            self.gone.push((id, why));
        }
    }

    fn enter(&mut self, newcomer: Newcomer<Client>) {
        let id = self.audience.enter(newcomer, self.now);
        let flags = epoll::EventFlags::RDHUP | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        let Some(client) = self.audience.socket(id) else { return };
        if epoll::add(&self.epoll, &client.socket, epoll::EventData::new_u64(id), flags).is_err() {
            self.gone.push((id, Gone::Closed));
            return;
        }
        if let Err(why) = self.audience.resume(id, self.now, &mut write) {
            self.gone.push((id, why));
            return;
        }
        self.beats.schedule(self.now + self.jittered(), id);
        if let Some(Leaving { wheel, time, .. }) = &mut self.leaving {
            wheel.schedule(self.now + whole(fastrand::f64() * *time), id);
        }
    }

    /// Time without an id until a heartbeat: give or take 20 %, so that many viewers do not move in step.
    fn jittered(&self) -> Tick {
        whole(self.heartbeat * fastrand::f64().mul_add(0.4, 0.8)).max(1)
    }

    fn beat(&mut self, id: ViewerId, beat: &Bytes, with_ping: &Bytes) {
        let Some(Pulse { id_at, taken_at, blocked, ping }) = self.audience.pulse(id) else { return };
        if blocked {
            if self.now.saturating_sub(taken_at) >= self.patience {
                self.gone.push((id, Gone::Stalled));
            } else {
                self.beats.schedule(self.now + self.jittered(), id);
            }
            return;
        }
        // By ids and not by bytes: tables have none, and however many of them come, the id must not grow old meanwhile.
        if (self.now.saturating_sub(id_at) as f64) < (self.heartbeat * 0.8).floor() {
            // It has got one since this was set up.
            self.beats.schedule((id_at + self.jittered()).max(self.now + 1), id);
            return;
        }
        let bytes = if ping { with_ping } else { beat };
        match self.audience.send_between(id, bytes, self.now, &mut write) {
            Err(why) => self.gone.push((id, why)),
            Ok(_) => self.beats.schedule(self.now + self.jittered(), id),
        }
    }

    /// Spread, so that the replicas that stay are not stormed; a fifth of the time is for the last bytes.
    fn drain(&mut self, time: Duration) {
        let (time, end) =
            (time.mul_f64(0.8).div_duration_f64(self.tick), time.mul_f64(0.9).div_duration_f64(self.tick));
        let mut wheel = Wheel::new(self.now, whole(time));
        for id in self.audience.ids() {
            wheel.schedule(self.now + whole(fastrand::f64() * time), id);
        }
        self.leaving = Some(Leaving { wheel, time, end: self.now + whole(end) });
    }

    fn send_away(&mut self) {
        let Some(Leaving { wheel, end, .. }) = &mut self.leaving else { return };
        let mut due = Vec::new();
        wheel.turn(self.now, &mut due);
        for id in due {
            if self.audience.is_level(id) {
                let _ = self.audience.send_between(id, &self.config.farewell(), self.now, &mut write);
            } else if self.now < *end && self.audience.socket(id).is_some() {
                // In the middle of a frame a farewell would be part of it: it may take the rest first.
                wheel.schedule(self.now + 1, id);
                continue;
            }
            self.gone.push((id, Gone::Dismissed));
        }
    }

    fn bury(&mut self) {
        if self.gone.is_empty() {
            return;
        }
        let mut channels = Vec::new();
        for (id, why) in self.gone.drain(..) {
            let Some((client, channel)) = self.audience.leave(id) else { continue };
            channels.push(channel);
            match why {
                Gone::Closed | Gone::Dismissed => {}
                Gone::Lapped => metrics::counter!("tweet_listener_lapped_total").increment(1),
                Gone::Stalled => {
                    metrics::counter!("tweet_listener_stalled_total").increment(1);
                    // Nobody reads what the kernel still has for it.
                    let _ = sockopt::set_socket_linger(&client.socket, Some(Duration::ZERO));
                }
            }
        }
        self.hub.leave(self.number, channels);
    }
}

/// A time in ticks, rounded up.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and no time is negative")]
fn whole(ticks: f64) -> Tick {
    ticks.ceil() as Tick
}

/// One write, of what the socket takes now.
fn write(client: &Client, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    const FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);
    let socket = client.socket.as_fd();
    let sent = match slices {
        [one] => send(socket, one, FLAGS),
        many => sendmsg(socket, many, &mut SendAncillaryBuffer::default(), FLAGS),
    };
    // The network's queue is full: as if the socket were.
    sent.map_err(|error| if error == Errno::NOBUFS { io::ErrorKind::WouldBlock.into() } else { error.into() })
}
