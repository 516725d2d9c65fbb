//! Two processes, a log that goes on, and what happens to them.

use std::time::{Duration, Instant};

use crate::{
    broker::Broker,
    fighter::Fighter,
    frozen::LONGEST,
    input::Input,
    judge::{self, Wrong},
    plan::{Means, Plan, Random},
    service::{COOPERATIVE, Service},
    tally::Tally,
    wall::{PARTITIONS, Wall},
};

/// Sent in each step.
const LINES: usize = 12;
/// Between steps.
const STEP: Duration = Duration::from_millis(60);

pub(crate) struct Fight {
    random: Random,
    wall: Wall,
    input: Input,
    fighters: Vec<Fighter>,
    variables: Vec<(&'static str, String)>,
    means: Means,
    broker: Option<Broker>,
    choose: Choose,
    /// Whether there is trouble beside the plans.
    calm: bool,
    tally: Tally,
}

/// A plan for this one of the processes.
pub(crate) type Choose = fn(usize, &mut Random, Means) -> Plan;

impl Fight {
    /// Some are in cooperative groups (KIP-848), some among members without instance ids, whose partitions wait for their
    /// sessions to end; not where the broker dies, too: when it loses the end of a transaction whose process has died, only
    /// the next one with its instance id can end it (docs/analytics.md).
    pub(crate) fn new(seed: u64, round: u64, variables: &[(&'static str, String)], broker: Option<Broker>) -> Self {
        let mut random = Random::new(seed, round);
        let is_static = random.below(3) > 0 || broker.is_some();
        let is_cooperative = random.below(3) == 0;
        let cooperative = is_cooperative.then(|| (COOPERATIVE.0, COOPERATIVE.1.to_owned()));
        Self {
            wall: {
                let _calm = Broker::calm();
                Wall::new()
            },
            // Its own numbers, so that what is sent does not depend on when what happened.
            input: Input::new(Random::new(!seed, round)),
            fighters: if is_static { ["a", "b"] } else { ["", ""] }.map(Fighter::new).into(),
            variables: variables.iter().cloned().chain(cooperative).collect(),
            means: Means { is_static, is_cooperative, has_broker: broker.is_some() },
            broker,
            random,
            choose: |_, random, means| Plan::next(random, means),
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
    pub(crate) fn go_on_for(&mut self, time: Duration) -> Result<(), Wrong> {
        let until = Instant::now() + time;
        let dies = !self.calm && self.random.below(3) == 0;
        let mut broker_dies = self.broker.clone().filter(|_| dies).map(|broker| (broker, Instant::now() + time / 2));
        let is_awaited = |fight: &Self| fight.fighters.iter().any(Fighter::is_awaited);
        while Instant::now() < until || (Instant::now() < until + LONGEST && is_awaited(self)) {
            if !self.fighters.iter().any(Fighter::is_waking) {
                let _calm = Broker::calm();
                self.input.send(&self.wall, LINES);
            }
            for at in 0..self.fighters.len() {
                self.step(at)?;
            }
            if let Some((broker, _)) = broker_dies.take_if(|(_, at)| Instant::now() >= *at) {
                let broker = broker.alone();
                broker.kill();
                broker.up();
                self.tally.note("broker killed", 1);
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    fn step(&mut self, at: usize) -> Result<(), Wrong> {
        self.fighters[at].bury(&mut self.tally)?;
        if self.fighters[at].service.is_none() {
            let plan = (self.choose)(at, &mut self.random, self.means);
            let service = self.start(at, &plan);
            self.fighters[at].begin(plan, service);
        } else if let Some(frozen) = &self.fighters[at].frozen {
            let commits = if frozen.is_planned() { self.commits_of_one_with_all(at) } else { None };
            self.fighters[at].thaw(commits, &mut self.tally);
        } else {
            self.trouble(at);
        }
        Ok(())
    }

    fn start(&self, at: usize, plan: &Plan) -> Service {
        let planned = plan.variables();
        let variables: Vec<(&str, &str)> =
            planned.iter().chain(&self.variables).map(|(name, value)| (*name, value.as_str())).collect();
        Service::start_with(&self.wall, self.fighters[at].instance, &variables)
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

    /// What nobody planned, and what has stopped by its plan.
    fn trouble(&mut self, at: usize) {
        if self.fighters[at].service.as_ref().is_some_and(Service::is_stopped) {
            let rival = matches!(self.fighters[at].plan, Plan::Supersede(_)).then(|| self.start(at, &Plan::Nothing));
            self.fighters[at].stopped(rival, self.broker.as_ref(), &mut self.random, &mut self.tally);
            return;
        }
        let fighter = &mut self.fighters[at];
        match self.random.below(100) {
            _ if self.calm || fighter.plan.wants_calm() => {}
            0 => {
                self.tally.note("killed", 1);
                fighter.kill(&mut self.tally);
            }
            1 => {
                self.tally.note("frozen at any time", 1);
                fighter.freeze(Duration::from_millis(300 + self.random.below(2_000)));
            }
            _ => {}
        }
    }

    /// After calm returns: what is committed is what the oracle says, and so it is after another restart from the
    /// changelog, when everything is said again.
    pub(crate) fn balance(mut self, tally: &mut Tally) -> Result<(), Wrong> {
        for fighter in &mut self.fighters {
            fighter.kill(&mut self.tally);
        }
        // Under the names of those that are gone, whose sessions would have to end first otherwise.
        let everyone = |fight: &Self| (0..fight.fighters.len()).map(|at| fight.start(at, &Plan::Nothing)).collect();
        let mut services: Vec<Service> = everyone(&self);
        judge::settle(&self.wall, &mut services)?;
        judge::compare(&self.wall)?;
        services.into_iter().for_each(Service::kill);
        {
            let _calm = Broker::calm();
            self.input.repeat(&self.wall);
        }
        let mut services: Vec<Service> = everyone(&self);
        judge::settle(&self.wall, &mut services)?;
        let results = judge::compare_all(&self.wall)?;
        services.into_iter().for_each(Service::kill);
        tally.add(&self.tally);
        tally.note("rounds", 1);
        tally.note("results, each compared with the oracle's", results as u64);
        Ok(())
    }
}
