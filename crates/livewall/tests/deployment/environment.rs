use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use service_shell::{BadConfig, ServiceConfig, load};

use crate::repository::{file, texts, under};

/// Name by name, whether it is an option of the service.
type Takes = fn(&str) -> Result<(), BadConfig>;

fn services() -> [(&'static str, Takes); 4] {
    [
        (event_bridge::INFO.name, takes::<event_bridge::Config>),
        (likes::INFO.name, takes::<likes::Config>),
        (streams_analytics::INFO.name, takes::<streams_analytics::Config>),
        (tweet_listener::INFO.name, takes::<tweet_listener::Config>),
    ]
}

/// Variables of other services' sections are passed over when a service starts, so that a misspelt one would be as well:
/// here the section has to be one of `C`, and the option one of the section.
fn takes<C: ServiceConfig + Serialize>(variable: &str) -> Result<(), BadConfig> {
    let refused = |why: &str| Err(BadConfig::new(format!("{variable}: {why}")));
    let lower = variable.trim_end_matches("_FILE").to_ascii_lowercase();
    let mut parts = lower.strip_prefix("livewall_").unwrap_or_default().split("__");
    let options = serde_json::to_value(C::default()).unwrap();
    match (parts.next(), parts.next(), parts.next()) {
        (Some("kafka"), Some("properties"), Some(property)) => {
            let variable = format!("LIVEWALL_KAFKA__PROPERTIES__{property}");
            load::<C>("of-no-file", None, [(variable, "1".to_owned())]).map(drop)
        }
        (Some(section), Some(option), None) => match options.get(section) {
            Some(section) if section.get(option).is_some() => Ok(()),
            Some(_) => refused("no such option"),
            None => refused("no such section"),
        },
        _ => refused("not a name of an option"),
    }
}

/// Every `LIVEWALL_SECTION__OPTION` in `text`.
fn variables(text: &str) -> BTreeSet<&str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices("LIVEWALL_")
        .map(|(at, _)| &text[at..])
        .map(|rest| rest.split(|c| !is_of_name(c)).next().unwrap_or_default())
        .filter(|name| name.contains("__") && !name.ends_with("__"))
        .collect()
}

#[test]
fn every_variable_that_compose_gives_a_service_is_an_option_of_it() {
    let compose = file("docker/compose.yaml");
    let shared = under(&compose, "x-environment: &environment").join("\n");
    for (service, takes) in services() {
        let block = under(&compose, &format!("  {service}:")).join("\n");
        assert!(block.contains("<<: *environment"), "{service}");
        let given: BTreeSet<_> = variables(&block).union(&variables(&shared)).copied().collect();
        assert!(given.contains("LIVEWALL_KAFKA__BROKERS") && given.contains("LIVEWALL_HTTP__LISTEN"), "{given:?}");
        for variable in given {
            assert_eq!(takes(variable), Ok(()), "{service}");
        }
    }
}

#[test]
fn every_variable_that_the_cluster_gives_a_service_is_an_option_of_it() {
    let kustomization = file("deploy/base/kustomization.yaml");
    let shared = under(&kustomization, "    literals:").join("\n");
    assert!(shared.contains("LIVEWALL_KAFKA__BROKERS"));
    for (service, takes) in services() {
        let deployment = file(&format!("deploy/base/{service}.yaml"));
        let given: BTreeSet<_> = variables(&deployment).union(&variables(&shared)).copied().collect();
        assert!(given.contains("LIVEWALL_HTTP__LISTEN"), "{given:?}");
        for variable in given {
            assert_eq!(takes(variable), Ok(()), "{service}");
        }
    }
}

#[test]
fn every_variable_that_is_written_about_is_an_option_of_some_service() {
    for name in texts() {
        for variable in variables(&file(&name)) {
            let taken = services().iter().any(|(_, takes)| takes(variable).is_ok());
            assert!(taken, "{name}: {variable}");
        }
    }
}

#[test]
fn services_listen_where_their_neighbours_look_for_them() {
    let compose = file("docker/compose.yaml");
    let ports = [event_bridge::INFO, likes::INFO, streams_analytics::INFO, tweet_listener::INFO]
        .map(|info| (info.name, info.default_port));
    for (service, port) in ports {
        let listen = format!("      LIVEWALL_HTTP__LISTEN: 0.0.0.0:{port}");
        assert!(under(&compose, &format!("  {service}:")).contains(&listen.as_str()), "{service}");
        assert!(compose.contains(&format!("server {service}:{port} resolve")), "{service}");
        let deployment = file(&format!("deploy/base/{service}.yaml"));
        assert!(deployment.contains(&format!("value: 0.0.0.0:{port}")), "{service}");
        assert!(deployment.contains(&format!("containerPort: {port}")), "{service}");
    }
}

#[test]
fn the_command_for_docker_comes_with_everything_that_compose_insists_on() {
    let compose = file("docker/compose.yaml");
    let insisted: BTreeSet<_> =
        compose.match_indices(":?").map(|(at, _)| compose[..at].rsplit("${").next().unwrap_or_default()).collect();
    assert!(insisted.contains("LIVEWALL_VISITOR__KEY"), "{insisted:?}");
    let readme = file("README.md");
    let (_, command) = readme.split_once("With Docker").expect("a part on Docker");
    let (command, _) = command.split_once("docker compose -f docker/compose.yaml up").expect("the command");
    for variable in insisted {
        assert!(command.contains(&format!("{variable}=")), "{variable} is not exported in {command}");
    }
}

#[test]
fn the_librdkafka_properties_that_the_readme_sets_are_taken_by_the_build_that_it_is_about() {
    let readme = file("README.md");
    let examples: BTreeMap<_, _> = readme
        .match_indices("LIVEWALL_KAFKA__PROPERTIES__")
        .filter_map(|(at, _)| readme[at..].split(['`', ' ', '\n']).next()?.split_once('='))
        .collect();
    assert!(!examples.is_empty());
    for (variable, value) in examples {
        let set = [(variable.to_owned(), value.to_owned())];
        load::<event_bridge::Config>("of-no-file", None, set).unwrap_or_else(|bad| panic!("{variable}={value}: {bad}"));
    }
}
