//! tweet-listener restarts under its viewers.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::{BYTES, served::Served};
use crate::bench::{
    Options,
    report::{Aim, Report, Row, medians},
};

const RATE: u64 = 5;
/// Posts go on for this long after the restart began.
const SPAN: Duration = Duration::from_secs(40);
/// Over which tweet-listener sends its viewers away: four fifths of `http.drain`, the rest is for the last bytes.
const DRAIN: Duration = Duration::from_secs(20);
const CLOSING: Duration = Duration::from_secs(16);
/// `stream.retry_ms`: how long viewers are asked to wait, give or take a fifth.
const RETRY: Duration = Duration::from_secs(3);
/// How many times as many as in the mean may go, or come again, within a tenth of the time.
const AIM: f64 = 1.5;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let viewers = options.stream.many();
    let posts = RATE * SPAN.as_secs();
    let mut rounds = Vec::new();
    let (drain, retry) = (format!("{}s", DRAIN.as_secs()), RETRY.as_millis().to_string());
    for _ in 0..options.rounds {
        let env = [("LIVEWALL_HTTP__DRAIN", drain.as_str()), ("LIVEWALL_STREAM__RETRY_MS", retry.as_str())];
        let mut served = Served::wall(options, 1, posts, &env).await?;
        let mut probe = served.probe()?;
        probe.resumes = true;
        probe.gather(viewers)?;
        probe.openings_at.clear();
        let began = Instant::now();
        let pid = served.pid()?;
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(i32::try_from(pid)?).context("a process id")?,
            rustix::process::Signal::TERM,
        )?;
        let mut restarted = None;
        for post in 0..posts {
            probe.until_moment(began + Duration::from_nanos(post * 1_000_000_000 / RATE))?;
            served.post(post..post + 1)?;
            if restarted.is_none() && served.restart_where_ended()? {
                restarted = Some(began.elapsed());
            }
        }
        probe.until("every viewer to be back", |probe| probe.open == viewers)?;
        probe.settle(posts)?;
        let restarted = restarted.context("tweet-listener has not ended")?.as_secs_f64();
        anyhow::ensure!(probe.ends.len() == viewers, "{} streams of {viewers} viewers ended", probe.ends.len());
        let [gone, back] = [&probe.ends, &probe.openings_at].map(|moments| {
            let mut moments: Vec<f64> = moments.iter().map(|moment| (*moment - began).as_secs_f64()).collect();
            moments.sort_by(f64::total_cmp);
            moments
        });
        rounds.push(vec![
            Row::new("closed", [gone[0], gone[viewers - 1], crest(&gone, CLOSING), 0.0]),
            // The first comes when the new process has read the topic; from then on as the waits that were asked for end.
            Row::new("back", [back[0], back[viewers - 1], crest(&back, RETRY), probe.refused as f64]),
            Row::new("started again", [restarted, restarted, 0.0, 0.0]),
        ]);
    }
    let rows = medians(&rounds);
    let spread = |what: &str, crest: f64, time: Duration| Aim {
        wanted: format!("in no tenth of {time:?} {what} more than {AIM} × as many as in the mean"),
        found: format!("{crest:.2} ×"),
        met: crest <= AIM,
    };
    Ok(Report {
        bench: "stream restart",
        measured: format!(
            "tweet-listener is told to end, and started again, under {viewers} viewers with {RATE} posts/s of {BYTES} \
             bytes; it closes them over {CLOSING:?}, and asks them to wait for {RETRY:?} ± 20 %, which they do, as \
             browsers, as often as they are refused; seconds since SIGTERM; {} rounds of {SPAN:?}",
            options.rounds
        ),
        path: Served::path(options),
        columns: vec!["first", "last", "most in a tenth ×", "connections refused meanwhile"],
        aims: vec![
            Aim {
                wanted: "all resume by id, nothing lost or repeated".into(),
                found: format!("all {viewers} back {:.1} s after the start", rows[1].values[1] - rows[2].values[0]),
                // Otherwise there is no report.
                met: true,
            },
            spread("closes", rows[0].values[2], CLOSING),
            spread("come again", rows[1].values[2], RETRY),
        ],
        rows,
        checked: format!("every viewer resumed by its id and had all {posts} posts once, in order, byte for byte"),
    })
}

/// How many times as many `moments`, in order, lie within any tenth of `time` as would if they were spread over it evenly.
fn crest(moments: &[f64], time: Duration) -> f64 {
    let tenth = time.as_secs_f64() / 10.0;
    let within = |from: usize| moments[from..].partition_point(|moment| *moment < moments[from] + tenth);
    let most = (0..moments.len()).map(within).max().unwrap_or(0);
    10.0 * most as f64 / moments.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crest_is_what_comes_at_once_beside_what_would_evenly() {
        let even: Vec<f64> = (0..1000).map(|at| f64::from(at) * 0.016).collect();
        assert!((crest(&even, CLOSING) - 1.0).abs() < 0.02, "{}", crest(&even, CLOSING));
        assert!((crest(&[5.0; 1000], CLOSING) - 10.0).abs() < 1e-9, "all at once");
    }
}
