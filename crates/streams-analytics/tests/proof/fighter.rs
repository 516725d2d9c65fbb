//! One of the processes, life after life.

use std::time::{Duration, Instant};

use crate::{
    broker::Broker,
    ends::{End, tail},
    frozen::{Frozen, LONGEST, LULL},
    judge::Wrong,
    plan::{Plan, Random},
    service::Service,
    tally::{MADE_ANEW, Tally, died_at, replaced_at},
};

/// How long the broker is silent: longer than the records of [`Plan::Stall`] may be on their way, with the second in which
/// librdkafka looks for such.
const SILENCE: Duration = Duration::from_secs(4);
/// What one says whose producer is ready.
const SETTLED: &str = "earlier transactions are settled";
/// What one says that was too busy for its group.
const LOST: &str = "the group's assignment was lost";

pub(crate) struct Fighter {
    pub(crate) instance: &'static str,
    pub(crate) plan: Plan,
    pub(crate) service: Option<Service>,
    /// Another process with the same instance id.
    rival: Option<Service>,
    pub(crate) frozen: Option<Frozen>,
    /// When it woke after it was frozen by its plan.
    awoke: Option<Instant>,
    /// Whether what is done from outside by its plan has been done.
    done: bool,
}

impl Fighter {
    pub(crate) fn new(instance: &'static str) -> Self {
        let (plan, service, rival, frozen, awoke) = (Plan::Nothing, None, None, None, None);
        Self { instance, plan, service, rival, frozen, awoke, done: false }
    }

    pub(crate) fn begin(&mut self, plan: Plan, service: Service) {
        *self = Self { plan, service: Some(service), ..Self::new(self.instance) };
    }

    /// Whether its plan has yet to come to its end.
    pub(crate) fn is_awaited(&self) -> bool {
        let Some(service) = &self.service else { return false };
        match self.plan {
            Plan::Freeze(_) => self.awoke.is_none_or(|at| at.elapsed() < LULL),
            Plan::Supersede(_) => true,
            Plan::Interrupt(_) | Plan::Stall(_) => !self.done,
            Plan::Outlast(_) => !service.log().contains(MADE_ANEW),
            Plan::Dawdle(_) => !service.log().contains(LOST),
            _ => false,
        }
    }

    /// Whether it is about to wake, or just woke, so that its commit would be nobody else's.
    pub(crate) fn is_waking(&self) -> bool {
        matches!(self.frozen, Some(Frozen::Outrun(_))) || self.awoke.is_some_and(|at| at.elapsed() < LULL)
    }

    /// Notes what has ended by itself, which must be for a reason that there may be.
    pub(crate) fn bury(&mut self, tally: &mut Tally) -> Result<(), Wrong> {
        if let Some((end, log)) = ended(self.service.as_mut(), &self.plan)? {
            tally.heard(&log);
            self.service = None;
            match (end, &self.plan) {
                (End::AtFailpoint, Plan::Die((name, _))) => tally.note(&died_at(name), 1),
                (End::Superseded, _) if self.rival.is_some() => {
                    tally.note("superseded by a process with its instance id", 1);
                    let rival = self.rival.take();
                    *self = Self { service: rival, ..Self::new(self.instance) };
                }
                (end, plan) => {
                    panic!("an end that nobody planned ({end:?} with {plan:?}); the log ends with:\n{}", tail(&log))
                }
            }
        }
        if let Some((end, log)) = ended(self.rival.as_mut(), &Plan::Nothing)? {
            // Where it took the other long to wake, that one has made a producer anew and is the newer one now.
            assert_eq!(end, End::Superseded, "an end that nobody planned; the log ends with:\n{}", tail(&log));
            tally.heard(&log);
            tally.note("superseded by the one with its instance id that woke", 1);
            (self.rival, self.plan) = (None, Plan::Nothing);
        }
        Ok(())
    }

    /// Ends it, whatever it does.
    pub(crate) fn kill(&mut self, tally: &mut Tally) {
        for service in [self.service.take(), self.rival.take()].into_iter().flatten() {
            let log = service.log();
            tally.heard(&log);
            if matches!(self.plan, Plan::Outlast(_)) && log.contains(MADE_ANEW) {
                tally.note("a transaction outlasted its timeout", 1);
            }
            service.kill();
        }
        *self = Self::new(self.instance);
    }

    /// For a while.
    pub(crate) fn freeze(&mut self, time: Duration) {
        if let Some(service) = &self.service {
            service.freeze();
            self.frozen = Some(Frozen::Until(Instant::now() + time));
        }
    }

    /// Lets go on what was frozen for long enough. `commits` is how often another with all partitions has committed.
    pub(crate) fn thaw(&mut self, commits: Option<f64>, tally: &mut Tally) {
        let (Some(frozen), Some(service)) = (self.frozen.take(), &self.service) else { return };
        let (planned, outrun) = (frozen.is_planned(), matches!(frozen, Frozen::Outrun(_)));
        self.frozen = match frozen {
            Frozen::Superseded if self.rival.as_ref().is_none_or(|rival| rival.log().contains(SETTLED)) => None,
            frozen => frozen.next(commits),
        };
        if self.frozen.is_some() {
            return;
        }
        service.thaw();
        if planned {
            self.awoke = Some(Instant::now());
        }
        if let (true, Plan::Freeze((name, _))) = (planned, &self.plan) {
            tally.note(&if outrun { replaced_at(name) } else { "frozen, and not replaced".to_owned() }, 1);
        }
    }

    /// Does from outside what its plan says of a process that has stopped at its failpoint. `rival` is a new process with
    /// its instance id, where the plan wants one.
    pub(crate) fn stopped(
        &mut self,
        rival: Option<Service>,
        broker: Option<&Broker>,
        random: &mut Random,
        tally: &mut Tally,
    ) {
        let Some(service) = &self.service else { return };
        self.rival = rival;
        match (&self.plan, broker) {
            (Plan::Supersede(_), _) => self.frozen = Some(Frozen::Superseded),
            (Plan::Interrupt((name, _)), Some(broker)) => {
                let broker = broker.alone();
                broker.kill();
                // Sometimes it goes on while there is no broker.
                let early = random.below(2) == 0;
                if early {
                    service.thaw();
                }
                broker.up();
                if !early {
                    service.thaw();
                }
                tally.note("broker killed within a transaction", 1);
                tally.note(&format!("broker killed within a transaction, {name}"), 1);
                self.done = true;
            }
            (Plan::Stall(_), Some(broker)) => {
                let broker = broker.alone();
                broker.pause();
                service.thaw();
                std::thread::sleep(SILENCE);
                broker.resume();
                self.done = true;
            }
            _ => self.frozen = Some(Frozen::Alone(Instant::now() + LONGEST)),
        }
    }
}

/// Why, and its log, if it has ended.
fn ended(service: Option<&mut Service>, plan: &Plan) -> Result<Option<(End, String)>, Wrong> {
    let Some(service) = service else { return Ok(None) };
    let Some(status) = service.ended() else { return Ok(None) };
    let log = service.log();
    match End::of(plan, status, &log) {
        End::Refused => Err(Wrong::Refused(tail(&log))),
        End::Unplanned => panic!("an end that nobody planned ({status}, {plan:?}); the log ends with:\n{}", tail(&log)),
        end => Ok(Some((end, log))),
    }
}
