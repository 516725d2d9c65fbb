//! `livewall topics`.

use kafka_client::{KafkaConfig, admin};

use crate::command::{brokers, prefix, run, run_with};

#[test]
fn topics_are_created_once_and_are_then_as_they_should_be() {
    let (brokers, prefix) = (brokers(), prefix());
    let place = ["--brokers", &brokers, "--topic-prefix", &prefix];
    let missing = run(&[&["topics", "verify"], &place[..]].concat());
    assert_eq!((missing.code, missing.errors.as_str()), (Some(1), ""));
    assert_eq!(missing.out.lines().count(), 10, "one line for each topic: {}", missing.out);
    assert!(missing.out.contains(&format!("{prefix}tweet-likes: is missing\n")), "{}", missing.out);

    let created = run(&[&["topics", "create"], &place[..]].concat());
    assert_eq!((created.code, created.errors.as_str()), (Some(0), ""));
    assert_eq!(created.out.lines().filter(|line| line.ends_with(": created")).count(), 10, "{}", created.out);

    let again = run(&[&["topics", "create"], &place[..]].concat());
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(again.out.lines().filter(|line| line.ends_with(": was there")).count(), 10, "{}", again.out);

    for more in [&[][..], &["--partitions", "4"]] {
        let verified = run(&[&["topics", "verify"], &place[..], more].concat());
        assert_eq!((verified.code, verified.out.as_str()), (Some(0), "all topics are as they should be\n"));
    }
}

#[test]
fn another_partition_count_is_a_difference_of_every_topic() {
    let (brokers, prefix) = (brokers(), prefix());
    let variables = [("LIVEWALL_KAFKA__BROKERS", brokers.as_str()), ("LIVEWALL_TOPICS__PREFIX", prefix.as_str())];
    let created = run_with(&["topics", "create", "--partitions", "2"], &variables);
    assert_eq!(created.code, Some(0), "the place may stand in the environment: {created:?}");
    assert_eq!(run_with(&["topics", "verify"], &variables).code, Some(0), "all have the same number");
    for action in [&["topics", "verify", "--partitions", "3"][..], &["topics", "create", "--partitions", "3"]] {
        let differing = run_with(action, &variables);
        assert_eq!(differing.code, Some(1), "{differing:?}");
        let lines: Vec<&str> = differing.out.lines().filter(|line| line.contains("has 2 partitions")).collect();
        assert_eq!(lines.len(), 10, "{}", differing.out);
        assert!(lines.iter().all(|line| line.starts_with(&prefix)), "{}", differing.out);
    }
}

#[test]
fn a_refusal_of_the_cluster_is_one_line() {
    let (brokers, prefix) = (brokers(), prefix());
    let place = ["--brokers", &brokers, "--topic-prefix", &prefix];
    let refused = run(&[&["topics", "create", "--replication-factor", "3"], &place[..]].concat());
    assert_eq!(refused.code, Some(1));
    assert!(refused.errors.starts_with(&format!("livewall: kafka: cannot create topic {prefix}")), "{refused:?}");
    assert_eq!(refused.errors.trim().lines().count(), 1, "{refused:?}");
}

#[test]
fn what_cannot_be_used_ends_with_64() {
    for (arguments, said) in [
        (&["topics", "create"][..], "--brokers"),
        (&["topics", "create", "--brokers", "b:1", "--partitions", "0"], "--partitions"),
        (&["topics", "create", "--brokers", "b:1", "--replication-factor", "many"], "--replication-factor"),
        (&["topics", "delete", "--brokers", "b:1"], "delete"),
        (&["topics", "verify", "--brokers", ""], "kafka.brokers"),
        (&["--listen", "nowhere"], "--listen"),
        (&["--no-such-option"], "--no-such-option"),
        (&["samples"], "--to"),
        (&["samples", "--to", "https://wall.example"], "https is not built in"),
        (&["samples", "--to", "http://wall.example", "--rate", "0"], "--rate"),
        (&["samples", "--to", "http://wall.example", "--for", "ever"], "--for"),
        (&["--no-samples", "samples", "--to", "http://wall.example"], "samples"),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(64), "{arguments:?}: {ended:?}");
        assert!(ended.errors.contains(said) && ended.out.is_empty(), "{arguments:?}: {ended:?}");
    }
    let refused = run_with(&["topics", "verify", "--brokers", "b:1"], &[("LIVEWALL_KAFKA__PROPERTIES__ACKS", "1")]);
    assert_eq!(refused.code, Some(64));
    assert!(refused.errors.contains("kafka.properties.acks"), "{refused:?}");
}

#[test]
fn help_tells_every_command_and_no_secret() {
    let help = run_with(&["--help"], &[("LIVEWALL_WEBHOOK__TOKEN", "hunter2")]);
    assert_eq!(help.code, Some(0));
    for said in ["topics", "samples", "--brokers", "--listen", "--topic-prefix", "--no-samples"] {
        assert!(help.out.contains(said), "{}", help.out);
    }
    let help = run_with(&["samples", "--help"], &[("LIVEWALL_WEBHOOK__TOKEN", "hunter2")]);
    assert!(help.out.contains("--rate") && !help.out.contains("hunter2"), "{}", help.out);
}

#[test]
fn retention_is_what_was_asked_for_up_to_unlimited() {
    let (brokers, prefix) = (brokers(), prefix());
    let place = ["--brokers", &brokers, "--topic-prefix", &prefix];
    let asked = ["topics", "create", "--retention", "tweets=unlimited", "--retention", "tweet-windows=90d"];
    let created = run(&[&asked[..], &place[..]].concat());
    assert_eq!((created.code, created.errors.as_str()), (Some(0), ""), "{created:?}");
    // Retention is the operator's choice, and no difference.
    assert_eq!(run(&[&["topics", "verify"], &place[..]].concat()).code, Some(0));
    let kafka = KafkaConfig { brokers: brokers.clone(), ..KafkaConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let setting = |topic: &str| {
        let settings = runtime.block_on(admin::topic_settings(&kafka, &format!("{prefix}{topic}")));
        settings.unwrap().unwrap()["retention.ms"].clone()
    };
    assert_eq!(setting("tweets"), "-1");
    assert_eq!(setting("tweet-windows"), (90_i64 * 24 * 60 * 60 * 1000).to_string());
    assert_eq!(setting("tweet-likes"), (7_i64 * 24 * 60 * 60 * 1000).to_string());
    for (retention, said) in [
        ("tweets", "TOPIC=TIME"),
        ("tweetz=1d", "is no topic"),
        ("tweets=soon", "such as 30d"),
        ("tweet-like-counts=1d", "is not cleaned by age"),
        ("streams-analytics-changelog=1d", "is not cleaned by age"),
    ] {
        let refused = run(&[&["topics", "create", "--retention", retention], &place[..]].concat());
        assert_eq!(refused.code, Some(64), "{refused:?}");
        assert!(refused.errors.contains(said), "{retention}: {refused:?}");
    }
}
