//! Two processes, a log that goes on, and what happens to them.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    frozen::{Frozen, LONGEST, LULL},
    logs::{self, Line},
    oracle,
    plan::{Plan, Random},
    service::{COOPERATIVE, Service},
    tally::{self, Tally},
    truth,
    wall::{PARTITIONS, Wall},
};

/// Entries of a list on the topic, with the default configuration.
const LISTED: usize = 30;
/// Sent in each step.
const LINES: usize = 25;
/// Between steps.
const STEP: Duration = Duration::from_millis(60);
pub(crate) struct Fight {
    random: Random,
    pub(crate) wall: Wall,
    lines: std::vec::IntoIter<Line>,
    sent: Vec<Line>,
    fighters: Vec<Fighter>,
    variables: Vec<(&'static str, String)>,
    choose: Choose,
    /// Whether there is trouble beside the plans.
    calm: bool,
    tally: Tally,
}

/// A plan for this one of the processes.
pub(crate) type Choose = fn(usize, &mut Random) -> Plan;

struct Fighter {
    instance: &'static str,
    plan: Plan,
    service: Option<Service>,
    frozen: Option<Frozen>,
    /// When it woke after it was frozen by its plan.
    awoke: Option<Instant>,
}

impl Fighter {
    fn new(instance: &'static str) -> Self {
        Self { instance, plan: Plan::Nothing, service: None, frozen: None, awoke: None }
    }
}

impl Fight {
    /// Some are among members without instance ids, whose partitions wait for their sessions to end, some in cooperative
    /// groups (KIP-848).
    pub(crate) fn new(mut random: Random, variables: &[(&'static str, String)]) -> Self {
        let instances = if random.below(3) == 0 { ["", ""] } else { ["a", "b"] };
        let cooperative = (random.below(3) == 0).then(|| (COOPERATIVE.0, COOPERATIVE.1.to_owned()));
        Self {
            random,
            wall: Wall::new(),
            lines: logs::large_log(60_000).lines.into_iter(),
            sent: Vec::new(),
            fighters: instances.map(Fighter::new).into(),
            variables: variables.iter().cloned().chain(cooperative).collect(),
            choose: Plan::next,
            calm: false,
            tally: Tally::default(),
        }
    }

    /// With other plans than any, and no other trouble.
    pub(crate) fn planned_by(mut self, choose: Choose) -> Self {
        (self.choose, self.calm) = (choose, true);
        self
    }

    /// Until then, and until what was planned to last has come to its end.
    pub(crate) fn go_on_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        let broker = std::env::var("PROOF_KAFKA").ok().filter(|name| !name.is_empty() && self.random.below(3) == 0);
        let mut broker_dies = broker.map(|name| (name, Instant::now() + time / 2));
        while Instant::now() < until || (self.is_awaited() && Instant::now() < until + LONGEST) {
            if !self.is_lull() {
                self.send();
            }
            for at in 0..self.fighters.len() {
                self.step(at);
            }
            if let Some((name, _)) = broker_dies.take_if(|(_, at)| Instant::now() >= *at) {
                restart_broker(&name);
                self.tally.note("broker killed", 1);
            }
            std::thread::sleep(STEP);
        }
    }

    fn is_awaited(&self) -> bool {
        self.fighters.iter().any(|fighter| match (&fighter.service, &fighter.plan) {
            (Some(_), Plan::Freeze(_)) => fighter.awoke.is_none_or(|at| at.elapsed() < LULL),
            (Some(service), Plan::Outlast(_)) => !service.log().contains(tally::MADE_ANEW),
            _ => false,
        })
    }

    /// Whether one is about to wake, or just woke, whose commit would be nobody else's.
    fn is_lull(&self) -> bool {
        self.fighters.iter().any(|fighter| {
            matches!(fighter.frozen, Some(Frozen::Outrun(_))) || fighter.awoke.is_some_and(|at| at.elapsed() < LULL)
        })
    }

    fn send(&mut self) {
        let part: Vec<Line> = self.lines.by_ref().take(LINES).collect();
        self.wall.send(&part);
        self.sent.extend(part);
    }

    fn step(&mut self, at: usize) {
        self.bury(at);
        if self.fighters[at].service.is_none() {
            self.start(at);
        } else if self.fighters[at].frozen.is_some() {
            self.thaw(at);
        } else {
            self.trouble(at);
        }
    }

    /// Notes what has ended.
    fn bury(&mut self, at: usize) {
        let fighter = &mut self.fighters[at];
        if let Some(service) = &mut fighter.service
            && service.has_ended()
        {
            self.tally.ended(&fighter.plan, true, &service.log());
            fighter.service = None;
        }
    }

    fn start(&mut self, at: usize) {
        let plan = (self.choose)(at, &mut self.random);
        let fighter = &mut self.fighters[at];
        let planned = plan.variables();
        let variables: Vec<(&str, &str)> =
            planned.iter().chain(&self.variables).map(|(name, value)| (*name, value.as_str())).collect();
        let service = Service::start_with(&self.wall, fighter.instance, &variables);
        *fighter = Fighter { plan, service: Some(service), ..Fighter::new(fighter.instance) };
    }

    /// Lets go on what was frozen for long enough.
    fn thaw(&mut self, at: usize) {
        let Some(frozen) = self.fighters[at].frozen.take() else { return };
        let planned = frozen.is_planned();
        let outrun = matches!(frozen, Frozen::Outrun(_));
        let commits = if planned { self.commits_of_one_with_all(at) } else { None };
        let fighter = &mut self.fighters[at];
        fighter.frozen = frozen.next(commits);
        if let (None, Some(service)) = (&fighter.frozen, &fighter.service) {
            service.thaw();
            if planned {
                fighter.awoke = Some(Instant::now());
                self.tally.note(if outrun { "frozen until replaced" } else { "frozen, and not replaced" }, 1);
            }
        }
    }

    /// How often a process other than `than` has committed, if all partitions are its.
    fn commits_of_one_with_all(&self, than: usize) -> Option<f64> {
        let others = self.fighters.iter().enumerate().filter(|(at, fighter)| *at != than && fighter.frozen.is_none());
        let mut services = others.filter_map(|(_, fighter)| fighter.service.as_ref());
        services.find_map(|service| {
            let running = service.metric_of_some("analytics_tasks_running")?;
            (running >= f64::from(PARTITIONS)).then(|| service.metric_of_some("analytics_commits_total"))?
        })
    }

    /// What nobody planned, and what has frozen by its plan.
    fn trouble(&mut self, at: usize) {
        let fighter = &mut self.fighters[at];
        let Some(service) = &fighter.service else { return };
        if service.is_stopped() {
            fighter.frozen = Some(Frozen::Alone(Instant::now() + LONGEST));
            return;
        }
        match self.random.below(100) {
            _ if self.calm || fighter.plan.wants_calm() => {}
            0 => {
                self.tally.note("killed", 1);
                self.tally.ended(&fighter.plan, false, &service.log());
                fighter.service.take().unwrap().kill();
            }
            1 => {
                self.tally.note("frozen at any time", 1);
                service.freeze();
                let until = Instant::now() + Duration::from_millis(300 + self.random.below(2_000));
                fighter.frozen = Some(Frozen::Until(until));
            }
            _ => {}
        }
    }

    /// After calm returns: what is committed is what the oracle says, and so it is after another restart from the
    /// changelog and more input.
    pub(crate) fn balance(mut self, patience: Duration, tally: &mut Tally) {
        for fighter in &mut self.fighters {
            if let Some(service) = fighter.service.take() {
                self.tally.ended(&fighter.plan, false, &service.log());
                service.kill();
            }
        }
        for _ in 0..2 {
            let variables: Vec<(&str, &str)> =
                self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            // Under the names of those that are gone, whose sessions would have to end first otherwise.
            let start = |fighter: &Fighter| Service::start_with(&self.wall, fighter.instance, &variables);
            let services: Vec<Service> = self.fighters.iter().map(start).collect();
            let expected = oracle::answer(&logs::large_log(0).setting, &self.sent, LISTED);
            services[0].wait_within(patience, "results equal to the oracle's", |_| {
                self.wall.published(&self.sent) == expected
            });
            services.into_iter().for_each(Service::kill);
            self.send();
        }
        assert!(truth::check(&self.wall) > 0);
        tally.add(&self.tally);
        tally.note("rounds", 1);
    }
}

fn restart_broker(name: &str) {
    for action in ["kill", "up"] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kafka");
        let ended = Command::new(script).args([action, "--name", name]).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    }
}
