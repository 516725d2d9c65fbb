//! One open stream: from its id to the live channel, and along it.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use contracts::Reset;
use futures_util::{Stream, stream};
use service_shell::Shutdown;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    admission::Seat,
    channels::{ChannelId, ChannelKey},
    config::StreamConfig,
    frame::{Event, farewell, first_block, heartbeat},
    hub::{Hub, Join, Pending},
    position::{BadId, Position},
    replay::{Replay, ReplayError},
};

/// The most that is handed to a socket in one piece.
const PIECE: usize = 64 * 1024;

/// What all viewers of a process share.
pub struct Stage {
    /// The wall.
    pub hub: Hub,
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

enum Phase {
    /// Nothing sent yet.
    New,
    /// Catching up.
    Behind,
    /// On a channel.
    Live { channel: ChannelId, cursor: u64, arrivals: Arc<Notify> },
    /// Nothing more to send.
    Done,
}

/// A viewer; dropped with its connection.
struct Viewer {
    stage: Arc<Stage>,
    wish: Wish,
    phase: Phase,
    /// It has everything before this.
    position: Position,
    next_heartbeat: Instant,
    leave_at: Option<Instant>,
    _seat: Seat,
}

/// The body of a stream.
pub fn stream(stage: Arc<Stage>, wish: Wish, seat: Seat) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let position = stage.hub.position();
    let next_heartbeat = Instant::now() + jittered(stage.config.heartbeat);
    let viewer = Viewer { stage, wish, phase: Phase::New, position, next_heartbeat, leave_at: None, _seat: seat };
    stream::unfold(viewer, async |mut viewer| {
        let piece = viewer.next().await?;
        viewer.next_heartbeat = Instant::now() + jittered(viewer.stage.config.heartbeat);
        Some((Ok(piece), viewer))
    })
}

/// `span` give or take 20 %, so that many viewers do not move in step.
fn jittered(span: Duration) -> Duration {
    span.mul_f64(fastrand::f64().mul_add(0.4, 0.8))
}

impl Viewer {
    async fn next(&mut self) -> Option<Bytes> {
        let stage = Arc::clone(&self.stage);
        loop {
            // Also where there is always something to send.
            if self.leave_at.is_some_and(|at| at <= Instant::now()) && !matches!(self.phase, Phase::Done) {
                return Some(self.farewell());
            }
            // Registered before the look, so that what comes between look and wait is not missed.
            let arrivals = match &self.phase {
                Phase::Live { arrivals, .. } => Arc::clone(arrivals),
                _ => Arc::new(Notify::new()),
            };
            let on_channel = matches!(self.phase, Phase::Live { .. });
            let mut arrival = pin!(if on_channel { arrivals.notified() } else { stage.hub.arrivals().notified() });
            arrival.as_mut().enable();
            if let Some(piece) = self.step().await {
                return Some(piece);
            }
            match self.phase {
                Phase::Done => return None,
                Phase::Live { .. } if !on_channel => continue,
                _ => {}
            }
            let leave_at = self.leave_at;
            let leaving = async {
                match leave_at {
                    Some(at) => sleep_until(at).await,
                    None => stage.shutdown.begun().await,
                }
            };
            tokio::select! {
                () = arrival => {}
                () = sleep_until(self.next_heartbeat) => return Some(self.heartbeat()),
                // Spread, so that the replicas that stay are not stormed; a fifth of the time is for the last bytes.
                () = leaving => {
                    let spread = || Instant::now() + stage.drain.mul_f64(fastrand::f64() * 0.8);
                    self.leave_at.get_or_insert_with(spread);
                }
            }
        }
    }

    /// What can be sent now without waiting for news; `None` where there is nothing.
    async fn step(&mut self) -> Option<Bytes> {
        match &mut self.phase {
            Phase::New => Some(self.begin().await),
            Phase::Behind => self.approach().await,
            Phase::Live { channel, cursor, .. } => match self.stage.hub.read(*channel, cursor, PIECE) {
                Ok(Pending::Frames(frames)) => Some(frames),
                Ok(Pending::None(position)) => {
                    self.position = position;
                    None
                }
                // Too slow for this ring: it comes again with its id, and gets what it missed from there.
                Err(_) => {
                    metrics::counter!("tweet_listener_lapped_total").increment(1);
                    Some(self.farewell())
                }
            },
            Phase::Done => None,
        }
    }

    /// The first block, and what follows from the id.
    async fn begin(&mut self) -> Bytes {
        self.phase = Phase::Behind;
        let reset = match self.wish.last_event_id.take() {
            None => None,
            Some(id) => match self.resume(&id).await {
                Ok(position) => {
                    self.position = position;
                    None
                }
                Err(Refusal::Reset(reason, detail)) => Some((reason, detail)),
                Err(Refusal::Later) => return self.farewell(),
            },
        };
        let mut block = BytesMut::new();
        if let Some((reason, detail)) = reset {
            self.position = self.stage.hub.position();
            block.extend_from_slice(&self.first_block());
            block.extend_from_slice(&self.reset(reason, detail));
        } else {
            block.extend_from_slice(&self.first_block());
        }
        // Where nothing was missed, the tables go out with the first block.
        if let Some(more) = self.approach().await {
            block.extend_from_slice(&more);
        }
        block.freeze()
    }

    fn first_block(&self) -> Bytes {
        first_block(self.stage.config.retry_ms, &self.stage.hub.ids.write(&self.position))
    }

    fn reset(&self, reason: &'static str, detail: &str) -> Bytes {
        metrics::counter!("tweet_listener_resets_total", "reason" => reason).increment(1);
        let reset = Reset { event_type: "reset".into(), reason: reason.into(), detail: detail.into() };
        let json = serde_json::to_vec(&reset).expect("generated messages serialize");
        let id = self.stage.hub.ids.write(&self.position);
        Event { name: Some("reset"), id: Some(&id), json: &json, trace: None }.frame(self.wish.key.html)
    }

    /// Whether the stream can go on at `id`.
    async fn resume(&self, id: &str) -> Result<Position, Refusal> {
        let Stage { hub, replay, config, .. } = &*self.stage;
        let position = hub.ids.read(id).map_err(|bad| match bad {
            BadId::Malformed => Refusal::Reset("malformed", "this is no id of this stream"),
            BadId::Foreign => Refusal::Reset("foreign", "this id is of another cluster, topic or partition count"),
        })?;
        if !position.covers(&hub.start()) {
            return Err(Refusal::Reset("expired", "tweets after this id are no longer retained"));
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

    /// One step from the viewer's position towards the live stream.
    async fn approach(&mut self) -> Option<Bytes> {
        loop {
            let joined = self.stage.hub.join(&self.wish.key, &mut self.position, PIECE);
            match joined {
                Ok(Join::Live { snapshot, channel, cursor, arrivals }) => {
                    self.phase = Phase::Live { channel, cursor, arrivals };
                    return Some(snapshot).filter(|snapshot| !snapshot.is_empty());
                }
                // Filtered out: on to the next step.
                Ok(Join::Tweets(tweets)) if tweets.is_empty() => {}
                Ok(Join::Tweets(tweets)) => return Some(tweets),
                Ok(Join::Kafka(until)) => {
                    let Stage { hub, replay, .. } = &*self.stage;
                    match replay.page(hub, &self.wish.key, &mut self.position, &until).await {
                        Ok(page) if page.is_empty() => {}
                        Ok(page) => return Some(page),
                        Err(ReplayError::Expired) => {
                            self.position = self.stage.hub.position();
                            return Some(self.reset("expired", "tweets after this id are no longer retained"));
                        }
                        Err(ReplayError::Unavailable(error)) => {
                            tracing::warn!("a viewer cannot resume now: {error}");
                            return Some(self.farewell());
                        }
                    }
                }
                Ok(Join::Ahead) => return None,
                Err(_) => return Some(self.farewell()),
            }
        }
    }

    fn heartbeat(&self) -> Bytes {
        let beat = heartbeat(&self.stage.hub.ids.write(&self.position));
        if !self.wish.ping {
            return beat;
        }
        let ping = Event { name: Some("ping"), id: None, json: br#"{"eventType":"ping"}"#, trace: None };
        [beat, ping.frame(false)].concat().into()
    }

    fn farewell(&mut self) -> Bytes {
        self.leave_channel();
        self.phase = Phase::Done;
        farewell(jittered(Duration::from_millis(self.stage.config.retry_ms)).as_millis().try_into().unwrap_or(u64::MAX))
    }

    fn leave_channel(&mut self) {
        if let Phase::Live { channel, .. } = &self.phase {
            self.stage.hub.leave(*channel);
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.leave_channel();
    }
}

enum Refusal {
    Reset(&'static str, &'static str),
    Later,
}
