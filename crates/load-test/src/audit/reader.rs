//! Somebody who asks for pages and results all the time.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::sleep};

use crate::{
    Request, Series,
    audit::{
        answers::{Answers, Verdict},
        writer::Caller,
    },
};

const PACE: Duration = Duration::from_millis(200);

/// Asks from a task of its own until it is dropped.
pub(super) struct Reader(JoinHandle<()>);

impl Reader {
    /// At the origin.
    pub(super) fn start(origin: SocketAddr, series: &Series, answers: Arc<Answers>) -> Self {
        let targets: Vec<String> = (0..series.conferences())
            .map(|index| series.conference(index))
            .flat_map(|name| {
                [
                    format!("/tweets?conference={name}&limit=5"),
                    format!("/analytics/{name}"),
                    format!("/analytics/{name}/top?window=10s&n=3"),
                    "/likes/visitor".to_owned(),
                ]
            })
            .collect();
        Self(tokio::spawn(async move {
            let mut caller = Caller::new(vec![origin]);
            for target in targets.iter().cycle() {
                let answer = caller.send(&Request::get(target).to_bytes()).await;
                if answers.enter(target, &answer) == Verdict::Again {
                    caller.next_door();
                }
                sleep(PACE).await;
            }
        }))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}
