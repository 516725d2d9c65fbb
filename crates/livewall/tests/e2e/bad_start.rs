//! Starts that cannot succeed: one line, and an exit code that tells a wrong configuration from bad luck.

use std::net::TcpListener;

use load_test::stage::Process;

const SERVICES: [&str; 5] = ["event-bridge", "likes", "streams-analytics", "tweet-listener", "livewall"];

/// Starts it, and expects it to end with `code` and one line that has `words`.
async fn fails(name: &str, variables: &[(&str, &str)], code: i32, words: &[&str]) -> anyhow::Result<()> {
    let process = Process::service(name)?.env("LIVEWALL_KAFKA__BROKERS", "127.0.0.1:1");
    let mut process = variables.iter().fold(process, |process, (name, value)| process.env(name, value));
    process.start()?;
    let ended = process.ended().await?;
    let log = process.log();
    assert_eq!(ended.status.code(), Some(code), "{name} {variables:?}: {log}");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 1, "{name} {variables:?}: {log}");
    for word in words {
        assert!(lines[0].contains(word), "{name} {variables:?}: {log}");
    }
    assert!(lines[0].starts_with(name), "{name} {variables:?}: {log}");
    Ok(())
}

#[tokio::test]
async fn a_bad_configuration_is_one_line_that_names_the_option_and_exit_64() -> anyhow::Result<()> {
    for name in SERVICES {
        for (variable, value, option) in [
            ("LIVEWALL_HTTP__LISTEN", "nowhere", "http.listen"),
            ("LIVEWALL_HTTP__WORKERS", "many", "http.workers"),
            ("LIVEWALL_HTTP__NO_SUCH_OPTION", "1", "no_such_option"),
            ("LIVEWALL_KAFKA__BROKERS", " ", "kafka.brokers"),
            ("LIVEWALL_LOG__FORMAT", "loud", "log.format"),
        ] {
            fails(name, &[(variable, value)], 64, &[option]).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_kafka_property_that_carries_a_promise_or_is_unknown_is_refused_with_exit_64() -> anyhow::Result<()> {
    for name in SERVICES {
        for (property, value, word) in [
            ("acks", "1", "acks"),
            ("enable_idempotence", "false", "enable.idempotence"),
            ("isolation_level", "read_uncommitted", "isolation.level"),
            ("no_such_property", "1", "no.such.property"),
        ] {
            let variable = format!("LIVEWALL_KAFKA__PROPERTIES__{property}");
            fails(name, &[(&variable, value)], 64, &[word]).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_one_line_that_names_it_and_exit_1() -> anyhow::Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for name in SERVICES {
        fails(name, &[("LIVEWALL_HTTP__LISTEN", &address)], 1, &[&address, "http.listen"]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_its_secret_a_service_does_not_listen_to_the_world() -> anyhow::Result<()> {
    for (name, secret) in [("event-bridge", "webhook.token"), ("likes", "visitor.key")] {
        fails(name, &[("LIVEWALL_HTTP__LISTEN", "0.0.0.0:0")], 64, &[secret]).await?;
    }
    Ok(())
}
