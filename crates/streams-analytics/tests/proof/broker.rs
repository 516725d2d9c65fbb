//! The broker of `scripts/kafka` that may be treated badly.

use std::process::Command;

/// Its name, where PROOF_KAFKA tells one.
#[derive(Debug, Clone)]
pub(crate) struct Broker(String);

impl Broker {
    pub(crate) fn of_proof() -> Option<Self> {
        std::env::var("PROOF_KAFKA").ok().filter(|name| !name.is_empty()).map(Self)
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        self.call("kill");
    }

    /// Starts it; returns when it answers.
    pub(crate) fn up(&self) {
        self.call("up");
    }

    /// SIGSTOP.
    pub(crate) fn pause(&self) {
        self.call("pause");
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.call("resume");
    }

    fn call(&self, action: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kafka");
        let ended = Command::new(script).args([action, "--name", &self.0]).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    }
}
