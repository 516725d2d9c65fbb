//! People who go on posting and liking, whatever happens to the services.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use load_test::{
    Connection, Place, Poster, Request, Series,
    stage::{Stage, WAIT, until},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::wall;

/// Posts one after the other in each conference of a series, and likes every third, through the origin. What is refused
/// with 503, or cut off, is sent again under the same id until it is acknowledged.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<anyhow::Result<Sent>>>,
}

/// What was acknowledged in one conference.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Posts.
    pub posts: u64,
    /// Likes.
    pub likes: u64,
    /// Requests that were not acknowledged at the first attempt.
    pub refusals: u64,
}

impl Traffic {
    /// Begins, with a post in each conference every `pace`.
    pub async fn start(stage: &Stage, series: &Series, pace: Duration) -> anyhow::Result<Self> {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for conference in 0..series.conferences() {
            let person = Person {
                origin: stage.origin(),
                poster: Poster::new(stage.origin(), stage.token()),
                cookie: wall::visitor(stage).await?,
                series: series.clone(),
                conference,
                stop: Arc::clone(&stop),
                acknowledged: Arc::clone(&acknowledged),
            };
            tasks.push(tokio::spawn(person.go_on(pace)));
        }
        Ok(Self { stop, acknowledged, tasks })
    }

    /// Waits until posts are acknowledged again.
    pub async fn moves_on(&self) -> anyhow::Result<()> {
        let before = self.acknowledged.load(Ordering::Relaxed);
        until("further posts to be acknowledged", async || {
            let now = self.acknowledged.load(Ordering::Relaxed);
            let ended = self.tasks.iter().filter(|task| task.is_finished()).count();
            if now >= before + self.tasks.len() as u64 {
                Ok(())
            } else {
                Err(format!("{now} are, {ended} have given up"))
            }
        })
        .await?;
        Ok(())
    }

    /// Ends, once what is on its way is acknowledged; what was sent in each conference.
    pub async fn stop(self) -> anyhow::Result<Vec<Sent>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sent = Vec::new();
        for task in self.tasks {
            sent.push(task.await??);
        }
        Ok(sent)
    }
}

struct Person {
    origin: SocketAddr,
    poster: Poster,
    cookie: String,
    series: Series,
    conference: usize,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
}

impl Person {
    async fn go_on(mut self, pace: Duration) -> anyhow::Result<Sent> {
        let mut sent = Sent::default();
        let mut likes = Connection::new(self.origin);
        while !self.stop.load(Ordering::Relaxed) {
            let tweet = self.series.tweet(Place { conference: self.conference, number: sent.posts });
            sent.refusals += u64::from(self.poster.insist(&tweet).await?);
            sent.posts += 1;
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            if sent.posts % 3 == 1 {
                sent.refusals += self.like(&mut likes, &tweet.tweet_id).await?;
                sent.likes += 1;
            }
            sleep(pace).await;
        }
        Ok(sent)
    }

    /// Insists on a like, and tells how often it was refused.
    async fn like(&self, connection: &mut Connection, tweet_id: &str) -> anyhow::Result<u64> {
        let request = Request::new("PUT", &format!("/likes/{tweet_id}")).header("Cookie", &self.cookie).to_bytes();
        let (began, mut refusals) = (Instant::now(), 0);
        loop {
            match connection.send(&request).await {
                Ok(response) if response.head.status == 200 => return Ok(refusals),
                Ok(response) if response.head.status != 503 || began.elapsed() > WAIT => {
                    anyhow::bail!("like of {tweet_id}: {}: {}", response.head.status, response.text());
                }
                Err(error) if began.elapsed() > WAIT => return Err(error.into()),
                _ => {
                    refusals += 1;
                    sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}
