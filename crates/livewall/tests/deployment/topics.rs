use std::collections::BTreeMap;

use contracts::Topic;

use crate::repository::file;

/// What follows `key:` on a line of its own.
fn value<'a>(document: &'a str, key: &str) -> Option<&'a str> {
    document.lines().find_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix(": "))
}

#[test]
fn the_topics_of_strimzi_are_those_that_the_topics_command_creates() {
    let text = file("deploy/kafka/topics.yaml");
    let mut resources = BTreeMap::new();
    for document in text.split("\n---\n") {
        assert_eq!(value(document, "kind"), Some("KafkaTopic"));
        assert_eq!(value(document, "strimzi.io/cluster"), Some("livewall"));
        let (_, config) = document.split_once("  config:\n").expect("a config");
        let settings: BTreeMap<_, _> = config.lines().filter_map(|line| line.trim().split_once(": ")).collect();
        let name = value(document, "name").expect("a name").to_owned();
        assert!(resources.insert(name, (value(document, "partitions"), settings)).is_none());
    }
    assert_eq!(resources.len(), Topic::ALL.len(), "{:?}", resources.keys());
    for topic in Topic::ALL {
        let (partitions, settings) = &resources[topic.name()];
        let wanted = topic.spec().settings();
        let wanted: BTreeMap<_, _> = wanted.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(*settings, wanted, "{}", topic.name());
        assert_eq!(*partitions, Some("4"), "the same for all topics: {}", topic.name());
    }
}
