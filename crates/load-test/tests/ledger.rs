//! A minute of `scripts/ledger`.

use std::time::Duration;

use load_test::audit::{self, Options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_of_faults_loses_nothing_and_counts_nothing_twice() -> anyhow::Result<()> {
    let seed = std::env::var("LEDGER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
    });
    let balance = audit::run(Options { time: Duration::from_mins(1), seed }).await?;
    println!("{balance}");
    assert!(balance.is_even(), "LEDGER_SEED={seed}\n{balance}");
    Ok(())
}
