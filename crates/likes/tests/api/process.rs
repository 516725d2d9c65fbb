//! The service as a process.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use crate::{service::KEY, topics::brokers};

fn service(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_likes"));
    command.env_clear().envs(variables.iter().copied()).stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn ended(variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = service(variables).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_configuration_that_cannot_be_used_is_one_line_and_exit_64() {
    for (name, value, said) in [
        ("LIVEWALL_VISITOR__KEY", "short", "visitor.key: has 5 bytes, at least 32 are needed"),
        ("LIVEWALL_KAFKA__PROPERTIES__ENABLE_IDEMPOTENCE", "false", "kafka.properties.enable.idempotence"),
        ("LIVEWALL_HTTP__LISTEN", "0.0.0.0:8082", "visitor.key is not set"),
        ("LIVEWALL_TWEETS__PATIENCE", "long", "tweets.patience"),
    ] {
        let (code, _, errors) = ended(&[(name, value)], &[]);
        assert_eq!(code, Some(64), "{errors}");
        assert!(errors.contains(said) && errors.trim().lines().count() == 1, "{errors}");
    }
}

#[test]
fn the_configuration_in_force_is_shown_without_secrets() {
    let (code, shown, errors) = ended(&[("LIVEWALL_VISITOR__KEY", KEY)], &["--print-config"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(shown.contains("\"patience\": \"3s\"") && !shown.contains(KEY), "{shown}");
}

#[test]
fn a_port_in_use_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, errors) = ended(&[("LIVEWALL_HTTP__LISTEN", &address)], &[]);
    assert_eq!(code, Some(1));
    assert!(errors.contains(&format!("cannot listen on {address}")) && errors.trim().lines().count() == 1, "{errors}");
}

#[test]
fn a_signal_ends_it_in_order_with_or_without_a_broker() {
    let brokers = brokers();
    for brokers in [brokers.as_str(), "127.0.0.1:1"] {
        let mut process = service(&[
            ("LIVEWALL_HTTP__LISTEN", "127.0.0.1:0"),
            ("LIVEWALL_KAFKA__BROKERS", brokers),
            ("LIVEWALL_TOPICS__PREFIX", "likes-no-such-topics-"),
            ("LIVEWALL_VISITOR__KEY", KEY),
            ("LIVEWALL_LOG__FORMAT", "json"),
        ])
        .spawn()
        .unwrap();
        // The signal handler is installed when the first line of the started service is out.
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let started = lines.by_ref().map(Result::unwrap).find(|line| line.contains("kafka: "));
        assert!(started.is_some_and(|line| serde_json::from_str::<serde_json::Value>(&line).is_ok()));
        terminate(&process);
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert_eq!(process.wait().unwrap().code(), Some(0), "{rest:?}");
    }
}

fn terminate(process: &Child) {
    let status = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
    assert!(status.success());
}
