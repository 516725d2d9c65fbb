//! tweet-listener restarts under its viewers.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{BYTES, served::Served};
use crate::bench::{
    Options,
    report::{Report, Row, medians},
};

const RATE: u64 = 5;
/// Posts go on for this long after the restart began.
const SPAN: Duration = Duration::from_secs(40);

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.stream.many();
    let posts = RATE * SPAN.as_secs();
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let mut served = Served::wall(options, 1, posts, &[]).await?;
        let mut probe = served.probe()?;
        probe.resumes = true;
        probe.gather(viewers)?;
        let began = Instant::now();
        let pid = served.pid()?;
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(i32::try_from(pid)?).context("a process id")?,
            rustix::process::Signal::TERM,
        )?;
        let (mut first_end, mut last_end, mut back, mut restarted) = (None, None, None, None);
        for post in 0..posts {
            probe.until_moment(began + Duration::from_nanos(post * 1_000_000_000 / RATE))?;
            served.post(post..post + 1)?;
            if probe.ended > 0 {
                first_end.get_or_insert_with(|| began.elapsed());
            }
            if probe.ended >= viewers as u64 {
                last_end.get_or_insert_with(|| began.elapsed());
            }
            if restarted.is_none() && served.restart_where_ended()? {
                restarted = Some(began.elapsed());
            }
            if restarted.is_some() && probe.open == viewers {
                back.get_or_insert_with(|| began.elapsed());
            }
        }
        probe.until("every viewer to be back", |probe| probe.open == viewers)?;
        let back = back.unwrap_or_else(|| began.elapsed());
        probe.settle(posts)?;
        let seconds = |span: Option<Duration>| span.unwrap_or_default().as_secs_f64();
        let values =
            [seconds(first_end), seconds(last_end), seconds(restarted), back.as_secs_f64(), probe.refused as f64];
        rounds.push(vec![Row::new("seconds since SIGTERM", values)]);
    }
    Ok(Report {
        bench: "stream restart",
        measured: format!(
            "tweet-listener is told to end, and started again, under {viewers} viewers with {RATE} posts/s of {BYTES} \
             bytes; viewers come again after `retry`, as browsers do; {} rounds of {SPAN:?}",
            options.rounds
        ),
        path: Served::path(options)[..4].to_vec(),
        columns: vec!["first closed", "last closed", "started again", "all are back", "connections refused meanwhile"],
        rows: medians(&rounds),
        aims: Vec::new(),
        checked: format!("every viewer resumed by its id and had all {posts} posts once, in order, byte for byte"),
    })
}
