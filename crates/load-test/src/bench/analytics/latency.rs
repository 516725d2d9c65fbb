//! From a like's acknowledgement to its count.

use hdrhistogram::Histogram;

use super::steady::{self, RATE};
use crate::bench::{
    Options,
    report::{Aim, Report, Row},
};

/// `analytics.commit_interval`, by default.
const INTERVAL_MS: f64 = 100.0;
/// What it may take beyond that.
const AIM_MS: f64 = 30.0;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let steady = steady::run(options).await?;
    let percentiles = |histogram: &Histogram<u64>| {
        [0.5, 0.99, 0.999].map(|quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0)
    };
    let counted = percentiles(&steady.counted);
    Ok(Report {
        bench: "analytics latency",
        measured: format!(
            "{RATE} likes/s, each of a visitor and tweet of its own, over 1,000 tweets (Zipf 1.1), for {} s; milliseconds",
            options.seconds
        ),
        path: steady.path,
        columns: vec!["p50", "p99", "p99.9"],
        rows: vec![
            Row::new("like sent → acknowledged", percentiles(&steady.acknowledged)),
            Row::new("like acknowledged → its count on tweet-like-counts", counted),
        ],
        aims: vec![Aim {
            wanted: format!("p99 ≤ commit interval ({INTERVAL_MS} ms) + {AIM_MS} ms"),
            found: format!("{:.1}", counted[1]),
            met: counted[1] <= INTERVAL_MS + AIM_MS,
        }],
        checked:
            "the count of every like came; the last count of every tweet and the totals of every conference were right"
                .into(),
    })
}
