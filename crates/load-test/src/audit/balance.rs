//! The end of the day: calm returns, and everything is compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::spawn_blocking;

use crate::{
    Request, Series,
    audit::{
        Options,
        account::{Account, Balance},
        answers::Answers,
        effects,
        injector::Injector,
        missing,
        published::Topics,
        reader::Reader,
        replay, rules, silence,
        watcher::{Departures, Watcher},
        writer::Writers,
    },
    stage::{PARTITIONS, Process, Replicas, WAIT, until, until_within},
};

/// How long writers go on in calm.
const CALM: Duration = Duration::from_secs(3);

#[allow(clippy::too_many_arguments, reason = "everything that the day was made of ends here, once")]
pub(super) async fn draw_up(
    options: Options,
    left_out: Vec<String>,
    mut injector: Injector,
    series: &Series,
    watchers: &[Watcher],
    writers: Writers,
    reader: Reader,
    answers: &Arc<Answers>,
) -> anyhow::Result<Balance> {
    let mut stuck = come_back(&mut injector).await?;
    let before = writers.posts();
    injector.hold(CALM).await?;
    let moved_on = until("writers to go on", async || {
        if writers.posts() >= before + series.conferences() { Ok(()) } else { Err("they do not") }
    });
    if let Err(timed_out) = moved_on.await {
        stuck.note(timed_out.to_string());
    }
    let book = writers.stop().await?;
    drop(reader);

    let topics = Topics { kafka: injector.stage.broker.config(), prefix: injector.stage.prefix().to_owned() };
    let log = Arc::new(blocking(&topics, Topics::log).await?);
    let shown = log.shown();
    see_all(watchers, &shown).await;
    let end = Instant::now();
    let right = {
        let log = Arc::clone(&log);
        Arc::new(spawn_blocking(move || replay::results(&log, &rules())).await?)
    };
    let effects = settle(async || effects::differ(&topics, &injector, watchers, &log, &right).await).await?;
    let open = settle(async || blocking(&topics, Topics::open_transactions).await).await?;
    stuck.add(settle(async || Ok(tasks(&injector).await)).await?);

    let mut sequences = Account::default();
    let mut jumps = Account::default();
    let (mut resets, mut connections) = (0, 0);
    for watcher in watchers {
        let notes = watcher.notes();
        resets += notes.resets.len() as u64;
        connections += notes.connections;
        notes.odd.iter().for_each(|odd| sequences.note(format!("{}: {odd}", watcher.name)));
        notes.resets.iter().for_each(|reset| eprintln!("viewer {}: {reset}", watcher.name));
        for (conference, departures) in notes.departures(&shown) {
            if watcher.wants(&conference) && departures != Departures::default() {
                sequences.note(format!("{}, {conference}: {departures:?}", watcher.name));
                jumps.count += departures.jumped;
            }
        }
    }
    stuck.add(std::mem::take(&mut injector.stuck));
    let accounts = vec![
        ("acknowledged posts missing on the topic", missing::posts(&book, &log)),
        ("acknowledged likes missing on the topic", missing::likes(&book, &log)),
        ("effects counted twice or never", effects),
        ("viewer sequences with a gap, a repeat or a wrong order", sequences),
        ("posts missing at a viewer without a reset", jumps),
        ("processes that did not come back, tasks stuck", stuck),
        ("transactions left open", open),
        ("5xx other than 503 with Retry-After", answers.wrong()),
        ("valid requests refused", answers.refused()),
        ("writes never acknowledged although calm returned", book.given_up.iter().cloned().collect()),
        ("dead letters", blocking(&topics, Topics::dead_letters).await?),
    ];
    let repeats = log.tweets.len() - shown.values().map(Vec::len).sum::<usize>();
    let stated = BTreeMap::from([
        ("posts acknowledged", book.posts.len() as u64),
        ("likes and unlikes acknowledged", book.likings.len() as u64),
        ("requests for them", book.attempts),
        ("posts written again", repeats as u64),
        ("viewer connections", connections),
        ("resets", resets),
        ("windows compared", right.windows.len() as u64),
    ]);
    let times: Vec<Vec<Instant>> =
        watchers.iter().map(|watcher| watcher.notes().posts().map(|(_, _, at)| at).chain([end]).collect()).collect();
    let balance = Balance {
        seed: options.seed,
        seconds: options.time.as_secs(),
        left_out,
        faults: std::mem::take(&mut injector.done),
        accounts,
        stated,
        answers: answers.by_status(),
        restarted: std::mem::take(&mut injector.restarted),
        silences: silence::longest(&times, &injector.spans),
    };
    if !balance.is_even() {
        eprintln!("{}", injector.stage.state().await);
    }
    Ok(balance)
}

/// Waits until every process is ready; which are not.
async fn come_back(injector: &mut Injector) -> anyhow::Result<Account> {
    let mut stuck = Account::default();
    let began = Instant::now();
    loop {
        injector.hold(Duration::from_millis(200)).await?;
        let mut waiting = Vec::new();
        for process in processes(injector) {
            if let Err(why) = ready(process).await {
                waiting.push(format!("{} {}: {why}", process.name(), process.address()));
            }
        }
        if waiting.is_empty() {
            return Ok(stuck);
        }
        if began.elapsed() > WAIT {
            stuck.add(waiting.into_iter().collect());
            return Ok(stuck);
        }
    }
}

async fn ready(process: &Process) -> Result<(), String> {
    match Request::get("/health/ready").send(process.address()).await {
        Ok(response) if response.head.status == 200 => Ok(()),
        Ok(response) => Err(response.text()),
        Err(error) => Err(error.to_string()),
    }
}

fn processes(injector: &Injector) -> impl Iterator<Item = &Process> {
    let stage = &injector.stage;
    [&stage.event_bridge, &stage.likes, &stage.streams_analytics, &stage.tweet_listener]
        .into_iter()
        .flat_map(Replicas::processes)
}

/// Processes that are not ready, and partitions whose task does not run.
async fn tasks(injector: &Injector) -> Account {
    let mut account = Account::default();
    for process in processes(injector) {
        if let Err(why) = ready(process).await {
            account.note(format!("{} {}: {why}", process.name(), process.address()));
        }
    }
    let mut running = 0.0;
    for address in injector.stage.streams_analytics.addresses() {
        let metrics = Request::get("/metrics").send(address).await.map(|response| response.text()).unwrap_or_default();
        let of = metrics.lines().find_map(|line| line.strip_prefix("analytics_tasks_running "));
        running += of.and_then(|number| number.trim().parse::<f64>().ok()).unwrap_or_default();
    }
    if (running - f64::from(PARTITIONS)).abs() > 0.5 {
        account.note(format!("{running} tasks run, of {PARTITIONS}"));
    }
    account
}

/// Looks until an account is zero; what it is after all the time that anything may take.
async fn settle(mut look: impl AsyncFnMut() -> anyhow::Result<Account>) -> anyhow::Result<Account> {
    let began = Instant::now();
    loop {
        let account = look().await?;
        if account.count == 0 || began.elapsed() > WAIT {
            return Ok(account);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    topics: &Topics,
    work: impl FnOnce(&Topics) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let topics = topics.clone();
    spawn_blocking(move || work(&topics)).await?
}

/// Waits until every viewer has seen as much as there is, as far as it ever will.
async fn see_all(watchers: &[Watcher], shown: &BTreeMap<&str, Vec<&str>>) {
    let waited = until_within(WAIT, "all viewers to see everything", async || {
        let behind = watchers.iter().find(|watcher| {
            let wanted: usize =
                shown.iter().filter(|(name, _)| watcher.wants(name)).map(|(_, posts)| posts.len()).sum();
            let notes = watcher.notes();
            let seen: BTreeSet<_> = notes.posts().map(|(conference, id, _)| (conference, id)).collect();
            seen.len() < wanted
        });
        behind.map_or(Ok(()), |watcher| Err(watcher.name.clone()))
    });
    if let Err(timed_out) = waited.await {
        // Which posts they are is told by the account.
        eprintln!("{timed_out}");
    }
}
