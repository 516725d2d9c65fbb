//! People who post and like, insist on it under the same ids, and write down what was acknowledged.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use contracts::{Timestamp, Tweet};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    Connection, Place, Poster, Request, Response, Series,
    audit::answers::{Answers, Verdict},
    stage::WAIT,
};

/// Visitors of each conference.
const VISITORS: usize = 3;
/// From one round of posting and liking to the next.
const PACE: Duration = Duration::from_millis(250);
/// Who gets no answer for so long asks again, at another door.
const PATIENCE: Duration = Duration::from_secs(6);
/// Before anything is sent again.
const AGAIN: Duration = Duration::from_millis(100);
/// How far back a post may lie that is liked.
const BACK: u64 = 30;
const HASHTAGS: [&str; 6] = ["Rust", "rust", "kafka", "Livewall", "", "été"];

/// Where to write to.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    pub(super) tweets: Vec<SocketAddr>,
    pub(super) likes: Vec<SocketAddr>,
    pub(super) token: String,
}

/// A like, or that it was taken back, as it was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Liking {
    /// Who, as an index over all conferences.
    pub(super) visitor: usize,
    pub(super) conference: String,
    pub(super) tweet_id: String,
    pub(super) liked: bool,
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Conference and id.
    pub(super) posts: Vec<(String, String)>,
    pub(super) likings: Vec<Liking>,
    /// The post that a visitor liked first, and nobody else does: the log tells there who it is.
    pub(super) introductions: Vec<(usize, String)>,
    /// What was never acknowledged, although there was calm.
    pub(super) given_up: Vec<String>,
    /// Requests, repeated ones included.
    pub(super) attempts: u64,
}

/// All who write.
pub(super) struct Writers {
    stop: Arc<AtomicBool>,
    book: Arc<Mutex<Book>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    /// One writer for each conference of `series`, at the doors that `doors` gives it by index. Returns when all visitors
    /// have introduced themselves.
    pub(super) async fn start(
        series: &Series,
        seed: u64,
        doors: impl Fn(usize) -> Doors,
        answers: &Arc<Answers>,
    ) -> anyhow::Result<Self> {
        let (stop, book) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Book>>::default());
        let mut tasks = Vec::new();
        for conference in 0..series.conferences() {
            let doors = doors(conference);
            let mut writer = Writer {
                posts: Caller::new(doors.tweets),
                likes: Caller::new(doors.likes),
                poster: Poster::new(SocketAddr::from(([127, 0, 0, 1], 0)), &doors.token),
                cookies: Vec::new(),
                random: fastrand::Rng::with_seed(seed.wrapping_add(conference as u64)),
                series: series.clone(),
                conference,
                next: 0,
                given: Vec::new(),
                stop: Arc::clone(&stop),
                book: Arc::clone(&book),
                answers: Arc::clone(answers),
            };
            writer.introduce().await?;
            tasks.push(tokio::spawn(writer.go_on()));
        }
        Ok(Self { stop, book, tasks })
    }

    /// Acknowledged posts so far.
    pub(super) fn posts(&self) -> usize {
        lock(&self.book).posts.len()
    }

    /// Ends, once what is on its way is acknowledged, or there was calm for longer than anything may take.
    pub(super) async fn stop(self) -> anyhow::Result<Book> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await?;
        }
        Ok(std::mem::take(&mut lock(&self.book)))
    }
}

struct Writer {
    posts: Caller,
    likes: Caller,
    /// Makes the requests.
    poster: Poster,
    cookies: Vec<String>,
    random: fastrand::Rng,
    series: Series,
    conference: usize,
    next: u64,
    /// Likes that were given, and may be taken back: visitor and post.
    given: Vec<(usize, String)>,
    stop: Arc<AtomicBool>,
    book: Arc<Mutex<Book>>,
    answers: Arc<Answers>,
}

impl Writer {
    async fn introduce(&mut self) -> anyhow::Result<()> {
        for visitor in 0..VISITORS {
            let response = self.likes.send(&Request::get("/likes/visitor").to_bytes()).await?;
            let cookie = response.head.header("set-cookie").and_then(|cookie| cookie.split(';').next());
            let cookie = cookie.ok_or_else(|| anyhow::anyhow!("{}: no cookie", response.head.status))?;
            self.cookies.push(cookie.to_owned());
            let id = self.post().await;
            self.like(visitor, &id, true).await;
            lock(&self.book).introductions.push((self.global(visitor), id));
        }
        Ok(())
    }

    async fn go_on(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            self.post().await;
            let visitor = self.random.usize(..VISITORS);
            let taken_back = !self.given.is_empty() && self.random.u8(..4) == 0;
            if taken_back {
                let (visitor, id) = self.given.swap_remove(self.random.usize(..self.given.len()));
                self.like(visitor, &id, false).await;
            } else {
                let number = self.next - 1 - self.random.u64(..BACK.min(self.next));
                // Those of introductions are left alone.
                if number >= VISITORS as u64 {
                    let id = self.series.tweet_id(Place { conference: self.conference, number });
                    self.like(visitor, &id, true).await;
                    if !self.given.contains(&(visitor, id.clone())) {
                        self.given.push((visitor, id));
                    }
                }
            }
            sleep(PACE).await;
        }
    }

    /// Posts the next one; its id.
    async fn post(&mut self) -> String {
        let mut tweet: Tweet = self.series.tweet(Place { conference: self.conference, number: self.next });
        self.next += 1;
        tweet.hashtag = HASHTAGS[self.random.usize(..HASHTAGS.len())].into();
        tweet.created_at = Some(now());
        let request = self.poster.request(&tweet).to_bytes();
        let taken = insist(&mut self.posts, "post", &request, &self.stop, &self.answers, &self.book).await;
        let mut book = lock(&self.book);
        if taken {
            book.posts.push((tweet.tag_filter, tweet.tweet_id.clone()));
        } else {
            book.given_up.push(format!("post {}", tweet.tweet_id));
        }
        tweet.tweet_id
    }

    async fn like(&mut self, visitor: usize, id: &str, liked: bool) {
        let method = if liked { "PUT" } else { "DELETE" };
        let conference = self.series.conference(self.conference);
        let target = format!("/likes/{id}?conference={conference}");
        let request = Request::new(method, &target).header("Cookie", &self.cookies[visitor]).to_bytes();
        let taken = insist(&mut self.likes, "like", &request, &self.stop, &self.answers, &self.book).await;
        let visitor = self.global(visitor);
        let mut book = lock(&self.book);
        if taken {
            book.likings.push(Liking { visitor, conference, tweet_id: id.to_owned(), liked });
        } else {
            book.given_up.push(format!("{method} {target}"));
        }
    }

    fn global(&self, visitor: usize) -> usize {
        self.conference * VISITORS + visitor
    }
}

/// Sends a request until it is acknowledged; false where it was not in all the time after the stop.
async fn insist(
    caller: &mut Caller,
    what: &str,
    request: &[u8],
    stop: &AtomicBool,
    answers: &Answers,
    book: &Mutex<Book>,
) -> bool {
    let mut calm: Option<Instant> = None;
    loop {
        lock(book).attempts += 1;
        if answers.enter(what, &caller.send(request).await) == Verdict::Acknowledged {
            return true;
        }
        caller.next_door();
        if stop.load(Ordering::Relaxed) && calm.get_or_insert_with(Instant::now).elapsed() > WAIT {
            return false;
        }
        sleep(AGAIN).await;
    }
}

/// Sends requests to the first of several addresses, and on demand to the next.
#[derive(Debug)]
pub(super) struct Caller {
    doors: Vec<SocketAddr>,
    at: usize,
    connection: Connection,
}

impl Caller {
    pub(super) fn new(doors: Vec<SocketAddr>) -> Self {
        let connection = Connection::new(doors[0]);
        Self { doors, at: 0, connection }
    }

    pub(super) async fn send(&mut self, request: &[u8]) -> io::Result<Response> {
        match timeout(PATIENCE, self.connection.send(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    pub(super) fn next_door(&mut self) {
        self.at = (self.at + 1) % self.doors.len();
        self.connection = Connection::new(self.doors[self.at]);
    }
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

fn lock(book: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
