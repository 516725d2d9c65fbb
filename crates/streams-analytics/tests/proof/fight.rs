//! Two processes, a log that goes on, and what happens to them.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    logs::{self, Line},
    oracle,
    plan::{Plan, Random},
    service::Service,
    tally::Tally,
    truth,
    wall::Wall,
};

/// Entries of a list on the topic, with the default configuration.
const LISTED: usize = 30;
/// Sent in each step.
const LINES: usize = 25;
/// Between steps.
const STEP: Duration = Duration::from_millis(60);
/// Longer than a session (6 s, see [`Service`]), shorter than a transaction may be open (10 s).
const FREEZE: Duration = Duration::from_millis(8_500);

pub(crate) struct Fight {
    random: Random,
    pub(crate) wall: Wall,
    lines: std::vec::IntoIter<Line>,
    sent: Vec<Line>,
    fighters: Vec<Fighter>,
    variables: Vec<(&'static str, String)>,
    choose: fn(&mut Random) -> Plan,
    tally: Tally,
}

struct Fighter {
    instance: &'static str,
    plan: Plan,
    service: Option<Service>,
    /// Stopped, by itself or by us, and when to go on.
    frozen: Option<Instant>,
}

impl Fight {
    /// Every third one is among members without instance ids, whose partitions wait for their sessions to end.
    pub(crate) fn new(mut random: Random, variables: &[(&'static str, String)]) -> Self {
        let instances = if random.below(3) == 0 { ["", ""] } else { ["a", "b"] };
        let fighter = |instance| Fighter { instance, plan: Plan::Nothing, service: None, frozen: None };
        Self {
            random,
            wall: Wall::new(),
            lines: logs::large_log(60_000).lines.into_iter(),
            sent: Vec::new(),
            fighters: instances.map(fighter).into(),
            variables: variables.to_vec(),
            choose: Plan::next,
            tally: Tally::default(),
        }
    }

    /// With other plans than any.
    pub(crate) fn planned_by(mut self, choose: fn(&mut Random) -> Plan) -> Self {
        self.choose = choose;
        self
    }

    pub(crate) fn go_on_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        let broker = std::env::var("PROOF_KAFKA").ok().filter(|name| !name.is_empty() && self.random.below(3) == 0);
        let mut broker_dies = broker.map(|name| (name, Instant::now() + time / 2));
        while Instant::now() < until {
            self.send();
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

    fn send(&mut self) {
        let part: Vec<Line> = self.lines.by_ref().take(LINES).collect();
        self.wall.send(&part);
        self.sent.extend(part);
    }

    fn step(&mut self, at: usize) {
        let fighter = &mut self.fighters[at];
        if let Some(service) = &mut fighter.service
            && service.has_ended()
        {
            self.tally.ended(&fighter.plan, true, &service.log());
            fighter.service = None;
        }
        let Some(service) = &fighter.service else {
            fighter.plan = (self.choose)(&mut self.random);
            fighter.frozen = None;
            let failpoints = fighter.plan.failpoints();
            let mut variables: Vec<(&str, &str)> =
                self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
            variables.push(("FAILPOINTS", &failpoints));
            fighter.service = Some(Service::start_with(&self.wall, fighter.instance, &variables));
            return;
        };
        match fighter.frozen {
            Some(until) if Instant::now() >= until => {
                service.thaw();
                fighter.frozen = None;
            }
            Some(_) => {}
            None if service.is_stopped() => {
                self.tally.note("frozen in a transaction", 1);
                fighter.frozen = Some(Instant::now() + FREEZE);
            }
            None => match self.random.below(100) {
                0 => {
                    self.tally.note("killed", 1);
                    self.tally.ended(&fighter.plan, false, &service.log());
                    fighter.service.take().unwrap().kill();
                }
                1 => {
                    self.tally.note("frozen at any time", 1);
                    service.freeze();
                    let millis = 300 + self.random.below(2_000);
                    fighter.frozen = Some(Instant::now() + Duration::from_millis(millis));
                }
                _ => {}
            },
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
