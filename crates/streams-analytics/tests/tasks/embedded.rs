//! On the in-memory broker of `cargo run`, inside this process. It forgets the group's offsets, isolates no transactions
//! and deletes no records; the results must be right all the same.

use std::{
    net::TcpListener,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use kafka_client::{EmbeddedBroker, TopicsConfig};
use service_shell::Shutdown;
use streams_analytics::Config;

use crate::{
    LISTED, answer, lines, logs,
    service::windows,
    wall::{PARTITIONS, PATIENCE, Wall},
};

const PREFIX: &str = "embedded-";

fn start(wall: &Wall) -> (Shutdown, JoinHandle<anyhow::Result<()>>) {
    let mut config =
        Config { kafka: wall.kafka().clone(), topics: TopicsConfig { prefix: PREFIX.into() }, ..Config::default() };
    // Those of the log that is sent.
    let setting = logs::large_log(0).setting;
    config.analytics.windows = windows(&setting).iter().map(|window| window.parse().unwrap()).collect();
    config.analytics.grace = Duration::from_millis(setting.grace.unsigned_abs());
    config.analytics.like_period = Duration::from_millis(setting.like_period.unsigned_abs());
    let shutdown = Shutdown::new();
    let ending = shutdown.clone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(streams_analytics::run(config, listener, ending))
    });
    (shutdown, service)
}

fn expect_results(wall: &Wall, sent: &[crate::Line]) {
    let expected = answer(sent, LISTED);
    let deadline = Instant::now() + PATIENCE;
    while wall.published(sent) != expected {
        assert!(Instant::now() < deadline, "the results are not the oracle's in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_embedded_broker_gives_the_same_results_over_several_lives() {
    let broker = EmbeddedBroker::start(PREFIX, PARTITIONS).unwrap();
    let wall = Wall::on(broker.config(), PREFIX);
    let sent = lines(900);
    for life in 1..=3 {
        let (shutdown, service) = start(&wall);
        wall.send(&sent[(life - 1) * 300..life * 300]);
        expect_results(&wall, &sent[..life * 300]);
        shutdown.begin();
        service.join().unwrap().unwrap();
        assert_eq!(shutdown.failure(), None);
    }
}
