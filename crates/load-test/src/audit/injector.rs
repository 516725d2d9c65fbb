//! Does the faults, undoes them, and starts again what has ended, as an orchestrator would.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::time::sleep;

use crate::{
    audit::{
        account::{Account, Done},
        fault::{Fault, Kind},
        silence::Span,
    },
    stage::{Clock, Disk, Process, Proxy, Stage, Way},
};

/// How often it looks after processes that have ended by themselves.
const LOOK: Duration = Duration::from_millis(200);
/// How long a broker without room may take to notice.
const FULL: Duration = Duration::from_secs(8);

/// A process of a stage: its service's place in [`super::SERVICES`], and its index.
pub(super) type Seat = (usize, usize);

/// Everything that can be made to misbehave.
pub(super) struct Injector {
    pub(super) stage: Stage,
    pub(super) seats: Vec<Seat>,
    /// Between each process and the broker, in the order of `seats`.
    pub(super) kafka: Vec<Proxy>,
    /// Between viewers and each tweet-listener.
    pub(super) viewers: Vec<Proxy>,
    /// Of the processes that see one of their own.
    pub(super) clocks: Vec<(Seat, Clock)>,
    pub(super) disk: Option<Disk>,
    pub(super) began: Instant,
    pub(super) done: Vec<Done>,
    /// The same, for silences.
    pub(super) spans: Vec<Span>,
    pub(super) restarted: Vec<String>,
    /// What did not end or come when it had to.
    pub(super) stuck: Account,
    /// When a process that ended by itself was last started again, so that one that cannot start does not spin.
    pub(super) last_starts: HashMap<Seat, Instant>,
}

impl Injector {
    /// One fault, from the calm before it to its end.
    pub(super) async fn meet(&mut self, fault: Fault) -> anyhow::Result<()> {
        self.hold(fault.after).await?;
        let began = Instant::now();
        let mut target = self.target(fault);
        let at = began.duration_since(self.began).as_secs_f64();
        eprintln!("{at:7.1} s  {}: {target}", fault.kind);
        let more = self.happen(fault).await.with_context(|| format!("{}: {target}", fault.kind))?;
        if let Some(more) = more {
            eprintln!("           {more}");
            target = format!("{target}; {more}");
        }
        self.spans.push(Span { kind: fault.kind, began, ended: Instant::now() });
        self.done.push(Done { at, kind: fault.kind.name(), target, lasted: began.elapsed().as_secs_f64() });
        Ok(())
    }

    /// Does a fault and undoes it; what else there is to tell.
    async fn happen(&mut self, fault: Fault) -> anyhow::Result<Option<String>> {
        let seat = self.seats[fault.target % self.seats.len()];
        let mut more = None;
        match fault.kind {
            Kind::ServiceKilled => {
                self.process(seat).kill();
                self.hold(fault.lasts).await?;
                self.start(seat)?;
            }
            Kind::ServiceEnded => self.end(seat).await?,
            Kind::ServiceStopped => {
                self.process(seat).pause().await?;
                self.hold(fault.lasts).await?;
                self.process(seat).resume();
            }
            Kind::BrokerKilled => {
                self.stage.broker.kill().await?;
                more = self.last(fault).await?;
                self.stage.broker.start().await?;
            }
            Kind::BrokerPaused => {
                self.stage.broker.pause().await?;
                more = self.last(fault).await?;
                self.stage.broker.resume().await?;
            }
            Kind::BrokerRestarted => {
                self.stage.broker.stop().await?;
                self.stage.broker.start().await?;
            }
            Kind::KafkaCut | Kind::KafkaStalled | Kind::KafkaSlow | Kind::KafkaHalfOpen => {
                let proxy = fault.target % self.kafka.len();
                self.kafka[proxy].set(way(fault.kind));
                more = self.last(fault).await?;
                self.kafka[proxy].set(Way::Open);
            }
            Kind::ViewersCut | Kind::ViewersStalled | Kind::ViewersSlow | Kind::ViewersHalfOpen => {
                let proxy = fault.target % self.viewers.len();
                self.viewers[proxy].set(way(fault.kind));
                more = self.last(fault).await?;
                self.viewers[proxy].set(Way::Open);
            }
            Kind::DiskFull => more = Some(self.fill().await?),
            Kind::ClockJumps => {
                let clock = fault.target % self.clocks.len();
                self.clocks[clock].1.move_by(fault.jump)?;
                self.hold(fault.lasts).await?;
                self.clocks[clock].1.move_by(0)?;
            }
        }
        Ok(more)
    }

    /// Lets a fault last, and kills a process meanwhile where that is drawn.
    async fn last(&mut self, fault: Fault) -> anyhow::Result<Option<String>> {
        let Some(meanwhile) = fault.meanwhile else {
            self.hold(fault.lasts).await?;
            return Ok(None);
        };
        let seat = self.seats[meanwhile % self.seats.len()];
        self.hold(fault.lasts / 3).await?;
        self.process(seat).kill();
        self.hold(fault.lasts / 3).await?;
        self.start(seat)?;
        self.hold(fault.lasts / 3).await?;
        Ok(Some(format!("meanwhile SIGKILL of {}", named(seat))))
    }

    async fn end(&mut self, seat: Seat) -> anyhow::Result<()> {
        let process = self.process(seat);
        match process.terminate().await {
            Ok(ended) if ended.status.success() => {}
            Ok(ended) => {
                let what = format!("{} ended with {}: {}", process.name(), ended.status, last_line(process));
                self.stuck.note(what);
            }
            Err(timed_out) => {
                process.kill();
                self.stuck.note(timed_out.to_string());
            }
        }
        self.start(seat)
    }

    /// The broker's disk is full until the broker has noticed, or for some seconds; then there is room, and where it has
    /// ended it starts again.
    async fn fill(&mut self) -> anyhow::Result<String> {
        let disk = self.disk.as_ref().context("a disk of its own")?;
        disk.fill()?;
        let began = Instant::now();
        while began.elapsed() < FULL && self.stage.broker.runs().await? {
            self.hold(LOOK).await?;
        }
        self.disk.as_ref().context("a disk of its own")?.free()?;
        let ran = self.stage.broker.runs().await?;
        if ran {
            self.stage.broker.stop().await?;
        }
        self.stage.broker.start().await?;
        Ok(format!("the broker {} and was started again", if ran { "went on, was ended" } else { "ended by itself" }))
    }

    /// Waits, and meanwhile starts again what ends by itself.
    pub(super) async fn hold(&mut self, time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            self.look_after()?;
            let Some(left) = time.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else { return Ok(()) };
            sleep(left.min(LOOK)).await;
        }
    }

    fn look_after(&mut self) -> anyhow::Result<()> {
        for seat in self.seats.clone() {
            let recent = self.last_starts.get(&seat).is_some_and(|at| at.elapsed() < Duration::from_secs(1));
            if recent {
                continue;
            }
            let process = self.process(seat);
            let ended = match process.restart_where_ended() {
                Ok(false) => continue,
                Ok(true) => "exit status: 0".to_owned(),
                Err(error) => {
                    process.start()?;
                    error.to_string()
                }
            };
            let line = last_line(process);
            eprintln!("           {ended}: {line}");
            self.restarted.push(format!("{ended}: {line}"));
            self.last_starts.insert(seat, Instant::now());
        }
        Ok(())
    }

    fn start(&mut self, seat: Seat) -> anyhow::Result<()> {
        self.last_starts.insert(seat, Instant::now());
        self.process(seat).start()
    }

    fn process(&mut self, (service, index): Seat) -> &mut Process {
        let [event_bridge, likes, streams_analytics, tweet_listener] = self.stage.services_mut();
        let replicas = [event_bridge, likes, streams_analytics, tweet_listener];
        let replicas = replicas.into_iter().nth(service).expect("one of four services");
        &mut replicas.processes_mut()[index]
    }

    fn target(&self, fault: Fault) -> String {
        match fault.kind {
            Kind::BrokerKilled | Kind::BrokerPaused | Kind::BrokerRestarted | Kind::DiskFull => "Kafka".into(),
            Kind::ViewersCut | Kind::ViewersStalled | Kind::ViewersSlow | Kind::ViewersHalfOpen => {
                format!("tweet-listener {}", fault.target % self.viewers.len())
            }
            Kind::ClockJumps => {
                format!("{} by {} s", named(self.clocks[fault.target % self.clocks.len()].0), fault.jump)
            }
            _ => named(self.seats[fault.target % self.seats.len()]),
        }
    }
}

fn named((service, index): Seat) -> String {
    format!("{} {index}", super::SERVICES[service])
}

fn way(kind: Kind) -> Way {
    match kind {
        Kind::KafkaCut | Kind::ViewersCut => Way::Cut,
        Kind::KafkaStalled | Kind::ViewersStalled => Way::Stalled,
        Kind::KafkaSlow | Kind::ViewersSlow => Way::Slow,
        Kind::KafkaHalfOpen | Kind::ViewersHalfOpen => Way::HalfOpen,
        _ => Way::Open,
    }
}

fn last_line(process: &Process) -> String {
    let log = process.log();
    log.lines().last().unwrap_or_default().to_owned()
}
