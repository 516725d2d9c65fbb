//! The replicas of one service.

use std::net::SocketAddr;

use crate::stage::{Process, TimedOut};

/// The processes of one service, each on an address of its own.
#[derive(Debug)]
pub struct Replicas {
    service: String,
    processes: Vec<Process>,
}

impl Replicas {
    /// `count` processes of `service`, each made by `part_of_stage` to belong to its stage.
    pub(super) fn prepare(
        service: &str,
        count: usize,
        part_of_stage: impl Fn(Process) -> Process,
    ) -> anyhow::Result<Self> {
        let processes = (0..count).map(|_| Process::service(service).map(&part_of_stage)).collect::<Result<_, _>>()?;
        Ok(Self { service: service.to_owned(), processes })
    }

    /// With `change` done to each, by index.
    pub(super) fn each(self, change: impl Fn(Process, usize) -> Process) -> Self {
        let changed = self.processes.into_iter().enumerate().map(|(index, process)| change(process, index));
        Self { processes: changed.collect(), ..self }
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The addresses of all.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.processes.iter().map(Process::address).collect()
    }

    /// The processes.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The processes, to be ended and started.
    pub fn processes_mut(&mut self) -> &mut [Process] {
        &mut self.processes
    }

    /// Starts all.
    ///
    /// # Errors
    /// The first that cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.processes.iter_mut().try_for_each(Process::start)
    }

    /// Waits until all are ready.
    ///
    /// # Errors
    /// The first that is not.
    pub async fn ready(&mut self) -> Result<(), TimedOut> {
        for process in &mut self.processes {
            process.ready().await?;
        }
        Ok(())
    }
}
