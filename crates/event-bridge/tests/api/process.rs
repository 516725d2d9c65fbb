use std::{
    net::TcpListener,
    process::{Command, Output, Stdio},
};

/// Runs the binary with this environment to its end.
fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_event-bridge"))
        .args(args)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn lines(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output).lines().map(str::to_owned).collect()
}

#[test]
fn bad_configuration_is_one_line_and_exit_code_64() {
    for (variable, value, line) in [
        ("LIVEWALL_LIMITS__BATCH", "many", "limits.batch"),
        ("LIVEWALL_IFTTT__ZONE", "Mars/Base", "ifttt.zone"),
        ("LIVEWALL_POSTS__HASHTAG", "rustconf", "hashtag"),
        ("LIVEWALL_KAFKA__PROPERTIES__ENABLE_IDEMPOTENCE", "false", "kafka.properties.enable.idempotence"),
        (
            "LIVEWALL_KAFKA__PROPERTIES__DELIVERY_REPORT_ONLY_ERROR",
            "true",
            "kafka.properties.delivery.report.only.error",
        ),
        ("LIVEWALL_KAFKA__DELIVERY_TIMEOUT_MS", "0", "kafka.delivery_timeout_ms"),
        ("LIVEWALL_HTTP__LISTEN", "0.0.0.0:0", "webhook.token"),
    ] {
        let output = run(&[], &[(variable, value)]);
        let errors = lines(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{errors:?}");
        assert!(errors.len() == 1 && errors[0].contains(line), "{errors:?}");
    }
    assert_eq!(run(&["--no-such-option"], &[]).status.code(), Some(64));
}

#[test]
fn a_port_in_use_is_one_line_and_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = run(&[], &[("LIVEWALL_HTTP__LISTEN", &listen), ("LIVEWALL_LOG__FILTER", "off")]);
    let errors = lines(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors:?}");
    assert!(errors.len() == 1 && errors[0].contains(&listen), "{errors:?}");
}

#[test]
fn the_printed_configuration_masks_the_token() {
    let output = run(&["--print-config"], &[("LIVEWALL_WEBHOOK__TOKEN", "hunter2")]);
    let printed = lines(&output.stdout).join("\n");
    assert_eq!(output.status.code(), Some(0));
    assert!(printed.contains("\"token\": \"***\"") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn the_printed_configuration_tells_where_the_service_listens_when_nothing_says_it() {
    for (args, variables, listen) in [
        (["--print-config"].as_slice(), [("LIVEWALL_WEBHOOK__TOKEN", "hunter2")].as_slice(), "0.0.0.0:8081"),
        (&["--print-config"], &[], "127.0.0.1:8081"),
        (&["--print-config", "--allow-anonymous"], &[], "0.0.0.0:8081"),
        (&["--print-config"], &[("LIVEWALL_HTTP__LISTEN", "127.0.0.1:9")], "127.0.0.1:9"),
    ] {
        let output = run(args, variables);
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(printed["http"]["listen"], listen, "{args:?} {variables:?}");
    }
}
