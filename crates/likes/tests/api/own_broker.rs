//! A Kafka of one test's own, which may go away.

use std::{path::PathBuf, process::Command};

use uuid::Uuid;

pub(crate) struct OwnBroker {
    name: String,
    pub(crate) address: String,
}

impl OwnBroker {
    pub(crate) fn up() -> Self {
        let name = format!("likes-test-{}", Uuid::new_v4().simple());
        let address = kafka(&["up", "--name", &name, "--port", "0"]);
        Self { name, address }
    }

    /// `up` after `down`, `pause` and others, as `scripts/kafka` names them.
    pub(crate) fn tell(&self, command: &str) {
        kafka(&[command, "--name", &self.name]);
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let _ = Command::new(script()).args(["down", "--wipe", "--name", &self.name]).output();
    }
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kafka")
}

fn kafka(arguments: &[&str]) -> String {
    let output = Command::new(script()).args(arguments).output().unwrap();
    assert!(output.status.success(), "scripts/kafka {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
