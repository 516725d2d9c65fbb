//! What a like costs where there is more of everything.

use super::{
    log::{Log, Shape},
    passage,
};
use crate::bench::{
    Options, only,
    report::{Aim, Report, Row, medians},
};

/// Of what it costs with one of everything.
const AIM: f64 = 1.3;

pub(super) async fn measure(options: &Options) -> anyhow::Result<Report> {
    let once = Shape::mixed(options.analytics.likes);
    let shapes = [
        ("1 ×", once),
        ("10 × tweets", Shape { tweets: once.tweets * 10, ..once }),
        ("10 × visitors", Shape { visitors: once.visitors * 10, ..once }),
        ("10 × windows", Shape { span: once.span * 10, ..once }),
    ];
    let (mut rounds, mut path) = (Vec::new(), Vec::new());
    // In turn, so that whatever else the machine does falls on all of them.
    for _ in 0..options.rounds {
        let mut rows = Vec::new();
        for (name, shape) in shapes {
            let log = Log::new(shape, options.analytics.seed);
            let mut stage = passage::loaded(options, &log).await?;
            let passage = passage::through(&mut stage, &log).await?;
            rows.push(Row::new(name, [1e6 * passage.spent.own / shape.likes as f64, 0.0]));
            path = vec![options.broker(), only(&stage.streams_analytics).to_string(), options.broker()];
        }
        rounds.push(rows);
    }
    let mut rows = medians(&rounds);
    let base = rows[0].values[0];
    for row in &mut rows {
        row.values[1] = row.values[0] / base;
    }
    let most = rows.iter().map(|row| row.values[1]).fold(0.0, f64::max);
    Ok(Report {
        bench: "analytics cost",
        measured: format!(
            "processor time per like, of {} likes over {} tweets, {} visitors and {} min of event time, and with ten times \
             as many or as long; from process start to the last commit; {} rounds",
            once.likes,
            once.tweets,
            once.visitors,
            once.span.as_secs() / 60,
            options.rounds
        ),
        path,
        columns: vec!["CPU µs per like", "of 1 ×"],
        rows,
        aims: vec![Aim {
            wanted: format!("each ≤ {AIM} × the cost of 1 ×"),
            found: format!("{most:.2}"),
            met: most <= AIM,
        }],
        checked: "in each round the last count of every tweet and the totals of every conference were right".into(),
    })
}
