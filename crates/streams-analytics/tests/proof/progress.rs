//! What operation sees of a state that is being read back.

use std::time::Duration;

use crate::{input::Input, judge, plan::Random, service::Service, wall::Wall};

#[test]
fn a_state_that_is_being_read_back_tells_how_far_it_is_and_lags_meanwhile() {
    let wall = Wall::new();
    let mut input = Input::new(Random::new(1, 0));
    let mut service = Service::start(&wall, "only").ready();
    for _ in 0..40 {
        input.send(&wall, 25);
    }
    judge::settle(&wall, std::slice::from_mut(&mut service)).unwrap_or_else(|wrong| panic!("{wrong}"));
    service.kill();
    input.send(&wall, 200);
    // So slow that it is seen, and that it says so.
    let slow = [("FAILPOINTS", "restoring=sleep(100)")];
    let service = Service::start_with(&wall, "only", &slow);
    let some = |service: &Service, name| service.metric_of_some(name).is_some_and(|value| value > 0.0);
    service.wait_for("progress in metrics, and lag", |service| {
        some(service, "analytics_restore_records")
            && some(service, "analytics_restore_records_per_second")
            && some(service, "analytics_restore_remaining_records")
            && some(service, "analytics_lag_records")
    });
    service.wait_within(Duration::from_mins(1), "progress in the log", |service| {
        let log = service.log();
        let line = log.lines().find(|line| line.contains("\"restoring\""));
        line.is_some_and(|line| line.contains("\"remaining\"") && line.contains("\"records_per_second\""))
    });
    service.kill();
    let service = Service::start(&wall, "only").ready();
    service.wait_for("nothing more to read back", |service| {
        service.metric_of_some("analytics_restore_remaining_records").is_some_and(|left| left < 0.5)
    });
}
