//! A viewer on its way: from its id to the live stream, where a serving thread takes over.

use std::{future::Future, net, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use service_shell::{
    Shutdown,
    takeover::{OpenConnection, Taken},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::TcpStream,
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    admission::{Seat, refusal},
    channels::ChannelKey,
    config::StreamConfig,
    frame::{first_block, heartbeat, ping, reset},
    hub::{EXPIRED, Hub},
    join::{Join, Opening},
    position::{BadId, Position},
    replay::{Replay, ReplayError},
    serving::{Client, bound},
};

/// What a viewer that is behind gets in one piece.
const PIECE: usize = 64 * 1024;

/// What all viewers of a process share.
pub struct Stage {
    /// The wall.
    pub hub: Arc<Hub>,
    /// Old tweets.
    pub replay: Replay,
    /// Pieces that all viewers who catch up may hold at one time.
    pub pieces: Arc<Semaphore>,
    /// Bounds and times.
    pub config: StreamConfig,
    /// When to send everybody away, and within which time.
    pub shutdown: Shutdown,
    /// Streams are closed spread over this time.
    pub drain: Duration,
    /// The process's own: the HTTP server's workers end with their last request, and viewers on their way with them.
    pub runtime: runtime::Handle,
}

/// What a viewer asked for.
#[derive(Debug)]
pub struct Wish {
    /// Its channel.
    pub key: ChannelKey,
    /// Where it was before.
    pub last_event_id: Option<String>,
    /// Whether heartbeats shall fire an `event: ping`.
    pub ping: bool,
}

/// As many pieces as `bytes` hold, at least one.
pub fn pieces(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((bytes / PIECE).clamp(1, Semaphore::MAX_PERMITS)))
}

/// A viewer that is not on a channel yet.
struct Arrival {
    stage: Arc<Stage>,
    wish: Wish,
    /// It has everything before this, once `unsent` is sent.
    position: Position,
    unsent: BytesMut,
    /// `None` once it is with a serving thread.
    connection: Option<Connection>,
    next_heartbeat: Instant,
}

struct Connection {
    socket: TcpStream,
    open: OpenConnection,
    seat: Seat,
    /// The viewer sends nothing any more, but may read on.
    half_closed: bool,
}

/// What comes from a viewer, from which nothing is expected.
enum Heard {
    /// Bytes that nobody asked for.
    Noise,
    /// The end of its sending half.
    HalfClose,
    /// The end of the connection.
    Gone,
}

/// The viewer is served no further from here.
enum End {
    /// It gets what is still unsent, and this.
    Farewell(Bytes),
    /// Its connection is closed, or it takes nothing.
    Gone,
}

impl Stage {
    /// Serves a viewer whose connection was taken over, until it is on the live stream or has gone.
    pub fn receive(self: Arc<Self>, wish: Wish, seat: Seat, taken: Taken) {
        let Taken { socket, head, open } = taken;
        let Ok(socket) = socket.into_std() else { return };
        bound(&socket, &self.config);
        self.runtime.clone().spawn(arrive(self, wish, seat, socket, head, open));
    }
}

async fn arrive(stage: Arc<Stage>, wish: Wish, seat: Seat, socket: net::TcpStream, head: Bytes, open: OpenConnection) {
    let Ok(socket) = TcpStream::from_std(socket) else { return };
    let (shutdown, drain) = (stage.shutdown.clone(), stage.drain);
    let mut arrival = Arrival {
        position: stage.hub.position(),
        wish,
        unsent: BytesMut::from(head),
        connection: Some(Connection { socket, open, seat, half_closed: false }),
        next_heartbeat: Instant::now() + stage.config.heartbeat,
        stage,
    };
    let leaving = async {
        shutdown.begun().await;
        tokio::time::sleep(drain.mul_f64(fastrand::f64() * 0.8)).await;
    };
    let end = tokio::select! {
        biased;
        end = arrival.approach() => end,
        () = leaving => Err(End::Farewell(arrival.stage.config.farewell())),
    };
    if let Err(End::Farewell(farewell)) = end {
        arrival.unsent.extend_from_slice(&farewell);
        let _ = arrival.write().await;
    }
}

impl Arrival {
    async fn approach(&mut self) -> Result<(), End> {
        let stage = Arc::clone(&self.stage);
        self.begin().await?;
        loop {
            // Registered before the look, so that what comes between look and wait is not missed.
            let mut news = pin!(stage.hub.arrivals().notified());
            news.as_mut().enable();
            // Lasts until the piece is sent, or is the serving threads' to bound.
            let turn = self.turn().await?;
            let Self { wish, position, unsent, connection, .. } = self;
            let opening = || {
                let Connection { socket, open, seat, .. } = connection.take()?;
                let socket = socket.into_std().ok()?.into();
                Some(Opening {
                    socket: Client::new(socket, open, seat),
                    bytes: unsent.split().freeze(),
                    ping: wish.ping,
                })
            };
            match stage.hub.join(&wish.key, position, PIECE, opening) {
                Ok(Join::Entered) => return Ok(()),
                Ok(Join::Tweets(tweets)) => {
                    unsent.extend_from_slice(&tweets);
                    // What is little goes out together with what follows.
                    if unsent.len() >= PIECE {
                        self.write().await?;
                    }
                }
                Ok(Join::Kafka(until)) => {
                    self.write().await?;
                    self.replay(&until).await?;
                }
                Ok(Join::Ahead) => {
                    drop(turn);
                    self.write().await?;
                    self.meanwhile(news).await?;
                }
                Err(_) => return Err(End::Farewell(refusal())),
            }
        }
    }

    /// Waits until it may hold a piece, where it has to catch up.
    async fn turn(&mut self) -> Result<Option<OwnedSemaphorePermit>, End> {
        let head = self.stage.hub.position();
        if self.position == head {
            return Ok(None);
        }
        if self.position.distance_to(&head) > self.stage.config.max_resume.saturating_mul(2) {
            // It takes less than what comes, and gets nowhere. When it returns it is told so.
            return Err(End::Farewell(self.stage.config.farewell()));
        }
        let pieces = Arc::clone(&self.stage.pieces);
        if let Ok(turn) = Arc::clone(&pieces).try_acquire_owned() {
            return Ok(Some(turn));
        }
        self.write().await?;
        Ok(Some(self.meanwhile(pieces.acquire_owned()).await?.expect("the semaphore is never closed")))
    }

    /// Sends the next piece of old tweets.
    async fn replay(&mut self, until: &Position) -> Result<(), End> {
        let stage = Arc::clone(&self.stage);
        let (key, position) = (self.wish.key.clone(), self.position.clone());
        match self.meanwhile(stage.replay.step(&key, position, until, PIECE)).await? {
            Ok((tweets, position)) => {
                self.position = position;
                self.unsent.extend_from_slice(&tweets);
                self.write().await
            }
            Err(ReplayError::Expired) => {
                self.start_anew(EXPIRED);
                Ok(())
            }
            Err(ReplayError::Unavailable(error)) => {
                tracing::warn!("a viewer cannot resume now: {error}");
                Err(End::Farewell(stage.config.farewell()))
            }
        }
    }

    /// The first block, and what the id is worth.
    async fn begin(&mut self) -> Result<(), End> {
        let stage = Arc::clone(&self.stage);
        let asked = self.wish.last_event_id.take().map(|id| stage.hub.ids.read(&id));
        if let Some(Ok(position)) = &asked {
            self.position = position.clone();
        }
        // At once, with the id that the viewer has: whether it holds may take a question to the broker.
        let first = first_block(stage.config.retry(), &stage.hub.ids.write(&self.position));
        self.unsent.extend_from_slice(&first);
        let reset = match asked {
            None => None,
            Some(Ok(_)) => self.verdict().await?,
            Some(Err(BadId::Malformed)) => Some(("malformed", "this is no id of this stream")),
            Some(Err(BadId::Foreign)) => Some(("foreign", "this id is of another cluster, topic or partition count")),
        };
        if let Some(reset) = reset {
            self.start_anew(reset);
        }
        Ok(())
    }

    /// Why the stream cannot go on at the position, where it cannot.
    async fn verdict(&mut self) -> Result<Option<(&'static str, &'static str)>, End> {
        let stage = Arc::clone(&self.stage);
        if !self.position.covers(&stage.hub.start()) {
            return Ok(Some(EXPIRED));
        }
        let head = stage.hub.position();
        if !head.covers(&self.position) {
            // Another replica is ahead of this one, or the id is of a log that is no more: the broker knows.
            self.write().await?;
            let Ok((_, end)) = self.meanwhile(stage.replay.bounds()).await? else {
                return Err(End::Farewell(stage.config.farewell()));
            };
            if !end.covers(&self.position) {
                return Ok(Some(("beyond-end", "the log ends before this id")));
            }
        }
        let too_far = self.position.distance_to(&head) > stage.config.max_resume;
        Ok(too_far.then_some(("too-far-back", "more was missed than can be sent again")))
    }

    fn start_anew(&mut self, (reason, detail): (&'static str, &str)) {
        metrics::counter!("tweet_listener_resets_total", "reason" => reason).increment(1);
        self.position = self.stage.hub.position();
        let id = self.stage.hub.ids.write(&self.position);
        self.unsent.extend_from_slice(&reset(&id, reason, detail, self.wish.key.html));
    }

    /// Waits for `what`, with heartbeats meanwhile, unless the viewer goes.
    async fn meanwhile<T>(&mut self, what: impl Future<Output = T>) -> Result<T, End> {
        let mut what = pin!(what);
        loop {
            let Some(connection) = &mut self.connection else { return Err(End::Gone) };
            tokio::select! {
                biased;
                done = &mut what => return Ok(done),
                heard = connection.heard() => match heard {
                    Heard::Noise => {}
                    // One that is wholly gone answers this by breaking the connection.
                    Heard::HalfClose => self.beat().await?,
                    Heard::Gone => return Err(End::Gone),
                },
                () = sleep_until(self.next_heartbeat) => self.beat().await?,
            }
        }
    }

    async fn beat(&mut self) -> Result<(), End> {
        self.unsent.extend_from_slice(&heartbeat(&self.stage.hub.ids.write(&self.position)));
        if self.wish.ping {
            self.unsent.extend_from_slice(&ping());
        }
        self.write().await
    }

    /// Sends what is unsent, all of it within the time that a viewer may take nothing: a trickle is no reading.
    async fn write(&mut self) -> Result<(), End> {
        let config = &self.stage.config;
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if self.unsent.is_empty() {
            return Ok(());
        }
        match timeout(config.write_timeout, connection.socket.write_all_buf(&mut self.unsent)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err(End::Gone),
        }
        self.next_heartbeat = Instant::now() + config.heartbeat.mul_f64(fastrand::f64().mul_add(0.4, 0.8));
        Ok(())
    }
}

impl Connection {
    async fn heard(&mut self) -> Heard {
        if self.half_closed {
            let _ = self.socket.ready(Interest::ERROR).await;
            return Heard::Gone;
        }
        let mut scrap = [0; 256];
        match self.socket.read(&mut scrap).await {
            Ok(0) => {
                self.half_closed = true;
                Heard::HalfClose
            }
            Ok(_) => Heard::Noise,
            Err(_) => Heard::Gone,
        }
    }
}
