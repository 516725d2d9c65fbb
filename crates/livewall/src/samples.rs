//! Sample posts and likes, as people at two conferences would send them: an HTTP client like any other.

mod audience;
mod catalogue;
mod client;
mod writer;

use std::{
    convert::Infallible,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use contracts::Timestamp;
use service_shell::Shutdown;

use self::{
    audience::Audience,
    client::{Client, Trouble},
    writer::Writer,
};
pub(crate) use self::{catalogue::Catalogue, client::Target};

/// Likes, and likes taken back, for each post.
const LIKES_PER_POST: f64 = 4.0;
/// Posts that are there at once, so that the first look is not at an empty page.
const OPENING: i64 = 12;
/// How far apart they were written.
const OPENING_GAP_MILLIS: i64 = 75_000;
/// The first and the longest wait for a wall that is not ready.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How much is sent, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// On average; the gaps between them differ as those of people do.
    pub(crate) posts_per_second: f64,
    /// For ever where it is `None`.
    pub(crate) duration: Option<Duration>,
}

/// Sends samples to `target` from a thread of its own until the time is up or `shutdown` begins.
///
/// # Errors
/// Where the target refuses posts, such as for a wrong token.
pub(crate) async fn send(target: Target, pace: Pace, shutdown: Shutdown) -> anyhow::Result<()> {
    let (running, stop) = mpsc::channel();
    let (done, ended) = tokio::sync::oneshot::channel();
    let work = move || {
        let _ = done.send(Generator::new(target, pace, stop).run());
    };
    let thread = thread::Builder::new().name("samples".to_owned()).spawn(work)?;
    let outcome = tokio::select! {
        outcome = ended => outcome.unwrap_or(Ok(())),
        () = shutdown.begun() => Ok(()),
    };
    // The generator waits on this channel, and notices its end at once.
    drop(running);
    actix_web::web::block(move || thread.join().ok()).await?;
    outcome
}

struct Generator {
    client: Client,
    writer: Writer,
    audience: Audience,
    rng: fastrand::Rng,
    pace: Pace,
    until: Option<Instant>,
    stop: Receiver<Infallible>,
}

impl Generator {
    fn new(target: Target, pace: Pace, stop: Receiver<Infallible>) -> Self {
        let mut rng = fastrand::Rng::new();
        Self {
            client: Client::new(target),
            writer: Writer::new(Catalogue::built_in(), rng.fork()),
            audience: Audience::new(rng.fork()),
            rng,
            pace,
            until: pace.duration.map(|duration| Instant::now() + duration),
            stop,
        }
    }

    fn run(mut self) -> anyhow::Result<()> {
        let now = Timestamp::from(jiff::Timestamp::now()).millis();
        let opening = (0..OPENING).rev().map(|back| Timestamp::from_millis(now - back * OPENING_GAP_MILLIS)).collect();
        let mut going = self.post(opening)?;
        let events_per_second = self.pace.posts_per_second * (1.0 + LIKES_PER_POST);
        let mut next = Instant::now();
        while going {
            // Gaps between independent events are distributed exponentially; the longest are cut, for nobody waits 10 s.
            let gap = (-(1.0 - self.rng.f64()).ln()).min(5.0) / events_per_second;
            // What cannot be kept up with is not made up for later.
            next = (next + Duration::from_secs_f64(gap)).max(Instant::now());
            going = self.wait(next.saturating_duration_since(Instant::now()))
                && if self.rng.f64() * (1.0 + LIKES_PER_POST) < 1.0 {
                    self.post(vec![jiff::Timestamp::now().into()])?
                } else {
                    self.like()
                };
        }
        Ok(())
    }

    /// Writes posts of these times. `false`: it is time to end.
    fn post(&mut self, times: Vec<Timestamp>) -> anyhow::Result<bool> {
        let posts: Vec<_> = times.into_iter().map(|at| self.writer.post(at)).collect();
        match self.insist(|client| client.post(&posts)) {
            None => Ok(false),
            Some(Ok(())) => {
                for post in &posts {
                    self.audience.sees(post);
                }
                Ok(true)
            }
            Some(Err(refusal)) => anyhow::bail!("posts are refused: {refusal}"),
        }
    }

    /// Lets somebody like something. `false`: it is time to end.
    fn like(&mut self) -> bool {
        let Some(opinion) = self.audience.opinion() else { return true };
        match self.insist(|client| client.like(&opinion)) {
            None => return false,
            Some(Ok(())) => self.audience.keeps(&opinion),
            // Such as of a post that is no longer there.
            Some(Err(refusal)) => {
                tracing::debug!("a like is refused: {refusal}");
                self.audience.forgets(&opinion);
            }
        }
        true
    }

    /// Does it, again and again while the wall cannot be reached or is not ready. `None`: it is time to end.
    fn insist(&mut self, mut attempt: impl FnMut(&mut Client) -> Result<(), Trouble>) -> Option<Result<(), String>> {
        let mut pause = PAUSES.0;
        loop {
            match attempt(&mut self.client) {
                Ok(()) => return Some(Ok(())),
                Err(Trouble::Refused(reason)) => return Some(Err(reason)),
                Err(Trouble::Passing(reason)) => {
                    tracing::debug!("samples wait: {reason}");
                    if pause >= PAUSES.1 {
                        tracing::warn!("samples wait for the wall: {reason}");
                    }
                    if !self.wait(pause) {
                        return None;
                    }
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    /// Waits. `false`: it is time to end.
    fn wait(&self, time: Duration) -> bool {
        let left = self.until.map_or(time, |until| until.saturating_duration_since(Instant::now()).min(time));
        let over = left < time;
        matches!(self.stop.recv_timeout(left), Err(RecvTimeoutError::Timeout)) && !over
    }
}
