//! A viewer on its way: from its id to the live stream, where a serving thread takes over.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use service_shell::{
    Shutdown,
    takeover::{OpenConnection, Taken},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::futures::Notified,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    admission::Seat,
    channels::ChannelKey,
    config::StreamConfig,
    frame::{first_block, heartbeat, ping, reset},
    hub::{EXPIRED, Hub},
    join::{Join, Opening},
    position::{BadId, Position},
    replay::{Replay, ReplayError},
    serving::Client,
};

/// What a viewer that is behind gets in one piece.
const PIECE: usize = 64 * 1024;

/// What all viewers of a process share.
pub struct Stage {
    /// The wall.
    pub hub: Arc<Hub>,
    /// Old tweets.
    pub replay: Replay,
    /// Bounds and times.
    pub config: StreamConfig,
    /// When to send everybody away, and within which time.
    pub shutdown: Shutdown,
    /// Streams are closed spread over this time.
    pub drain: Duration,
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
}

/// The viewer is served no further from here.
enum End {
    /// It gets what is still unsent.
    Farewell,
    /// Its connection is closed, or it takes nothing.
    Gone,
}

/// Serves a viewer whose connection was taken over, until it is on the live stream or has gone.
pub async fn arrive(stage: Arc<Stage>, wish: Wish, seat: Seat, taken: Taken) {
    let Taken { socket, head, open } = taken;
    let (shutdown, drain) = (stage.shutdown.clone(), stage.drain);
    let mut arrival = Arrival {
        position: stage.hub.position(),
        wish,
        unsent: BytesMut::from(head),
        connection: Some(Connection { socket, open, seat }),
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
        () = leaving => Err(End::Farewell),
    };
    if let Err(End::Farewell) = end {
        let farewell = arrival.stage.config.farewell();
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
            let Self { wish, position, unsent, connection, .. } = self;
            let opening = || {
                let Connection { socket, open, seat } = connection.take()?;
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
                Ok(Join::Kafka(until)) => match stage.replay.page(&stage.hub, &wish.key, position, &until).await {
                    Ok(page) => {
                        unsent.extend_from_slice(&page);
                        self.write().await?;
                    }
                    Err(ReplayError::Expired) => {
                        *position = stage.hub.position();
                        let reset = self.reset(EXPIRED.0, EXPIRED.1);
                        self.unsent.extend_from_slice(&reset);
                    }
                    Err(ReplayError::Unavailable(error)) => {
                        tracing::warn!("a viewer cannot resume now: {error}");
                        return Err(End::Farewell);
                    }
                },
                Ok(Join::Ahead) => {
                    self.write().await?;
                    self.wait(news).await?;
                }
                Err(_) => return Err(End::Farewell),
            }
        }
    }

    /// The first block, and what the id is worth.
    async fn begin(&mut self) -> Result<(), End> {
        let reset = match self.wish.last_event_id.take() {
            None => None,
            Some(id) => match self.resume(&id).await {
                Ok(position) => {
                    self.position = position;
                    None
                }
                Err(Refusal::Reset(reason, detail)) => Some((reason, detail)),
                Err(Refusal::Later) => return Err(End::Farewell),
            },
        };
        if reset.is_some() {
            self.position = self.stage.hub.position();
        }
        let first = first_block(self.stage.config.retry_ms, &self.stage.hub.ids.write(&self.position));
        self.unsent.extend_from_slice(&first);
        if let Some((reason, detail)) = reset {
            let reset = self.reset(reason, detail);
            self.unsent.extend_from_slice(&reset);
        }
        Ok(())
    }

    fn reset(&self, reason: &'static str, detail: &str) -> Bytes {
        metrics::counter!("tweet_listener_resets_total", "reason" => reason).increment(1);
        reset(&self.stage.hub.ids.write(&self.position), reason, detail, self.wish.key.html)
    }

    /// Whether the stream can go on at `id`.
    async fn resume(&self, id: &str) -> Result<Position, Refusal> {
        let Stage { hub, replay, config, .. } = &*self.stage;
        let position = hub.ids.read(id).map_err(|bad| match bad {
            BadId::Malformed => Refusal::Reset("malformed", "this is no id of this stream"),
            BadId::Foreign => Refusal::Reset("foreign", "this id is of another cluster, topic or partition count"),
        })?;
        if !position.covers(&hub.start()) {
            return Err(Refusal::Reset(EXPIRED.0, EXPIRED.1));
        }
        let head = hub.position();
        if !head.covers(&position) {
            // Another replica is ahead of this one, or the id is of a log that is no more: the broker knows.
            let Ok((_, end)) = replay.bounds().await else { return Err(Refusal::Later) };
            if !end.covers(&position) {
                return Err(Refusal::Reset("beyond-end", "the log ends before this id"));
            }
        }
        if position.distance_to(&head) > config.max_resume {
            return Err(Refusal::Reset("too-far-back", "more was missed than can be sent again"));
        }
        Ok(position)
    }

    /// Until there is news, with heartbeats meanwhile.
    async fn wait(&mut self, mut news: Pin<&mut Notified<'_>>) -> Result<(), End> {
        loop {
            let Some(connection) = &mut self.connection else { return Err(End::Gone) };
            let mut scrap = [0; 256];
            tokio::select! {
                () = news.as_mut() => return Ok(()),
                () = sleep_until(self.next_heartbeat) => {
                    self.unsent.extend_from_slice(&heartbeat(&self.stage.hub.ids.write(&self.position)));
                    if self.wish.ping {
                        self.unsent.extend_from_slice(&ping());
                    }
                    self.write().await?;
                }
                // Nothing is expected from a viewer but its end.
                read = connection.socket.read(&mut scrap) => if !read.is_ok_and(|read| read > 0) {
                    return Err(End::Gone);
                }
            }
        }
    }

    /// Sends what is unsent.
    async fn write(&mut self) -> Result<(), End> {
        let config = &self.stage.config;
        let Some(connection) = &mut self.connection else { return Ok(()) };
        while !self.unsent.is_empty() {
            let written = timeout(config.write_timeout, connection.socket.write_buf(&mut self.unsent)).await;
            if !matches!(written, Ok(Ok(1..))) {
                return Err(End::Gone);
            }
        }
        self.next_heartbeat = Instant::now() + config.heartbeat.mul_f64(fastrand::f64().mul_add(0.4, 0.8));
        Ok(())
    }
}

enum Refusal {
    Reset(&'static str, &'static str),
    Later,
}
