//! The broker of `scripts/kafka` that may be treated badly.

use std::{
    process::{Command, Output},
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// How often it is waited for, a minute each.
const STARTS: usize = 5;

static TURN: RwLock<()> = RwLock::new(());

/// Its name, where PROOF_KAFKA tells one.
#[derive(Debug, Clone)]
pub(crate) struct Broker(String);

impl Broker {
    pub(crate) fn of_proof() -> Option<Self> {
        std::env::var("PROOF_KAFKA").ok().filter(|name| !name.is_empty()).map(Self)
    }

    /// The right to treat it badly, for one fight at a time: others wait for it.
    pub(crate) fn alone(&self) -> Alone<'_> {
        Alone { broker: self, _turn: TURN.write().unwrap_or_else(PoisonError::into_inner) }
    }

    /// As long as this is held, nobody does: for those who must know what stands on the topics.
    pub(crate) fn calm() -> RwLockReadGuard<'static, ()> {
        TURN.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, action: &str) {
        let ended = self.output(action);
        assert!(ended.status.success(), "{ended:?}");
    }

    fn output(&self, action: &str) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kafka");
        Command::new(script).args([action, "--name", &self.0]).output().unwrap()
    }
}

/// See [`Broker::alone`].
pub(crate) struct Alone<'a> {
    broker: &'a Broker,
    _turn: RwLockWriteGuard<'static, ()>,
}

impl Alone<'_> {
    /// SIGKILL.
    pub(crate) fn kill(&self) {
        self.broker.call("kill");
    }

    /// Starts it; returns when it answers. After a crash it reads the logs of all rounds, which may take it long.
    pub(crate) fn up(&self) {
        let again = (0..STARTS).find(|_| self.broker.output("up").status.success());
        assert!(again.is_some(), "the broker does not come back; see scripts/kafka logs --name {}", self.broker.0);
    }

    /// SIGSTOP.
    pub(crate) fn pause(&self) {
        self.broker.call("pause");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.broker.call("resume");
    }
}
