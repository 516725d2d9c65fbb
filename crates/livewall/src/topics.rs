//! `livewall topics`: the one place where topics are created.

use std::process::ExitCode;

use contracts::{Topic, TopicSpec};
use kafka_client::admin::{self, Created};

use crate::{
    cli::{NAME, TopicsAction},
    config::Config,
};

/// Does what was asked, and ends with 0, or with 1 where something is not as it should be.
pub(crate) fn run(action: TopicsAction, config: Config) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match action {
                TopicsAction::Create { partitions, replication_factor, retention, .. } => {
                    create(&config, partitions, replication_factor, &retention).await
                }
                TopicsAction::Verify { partitions, .. } => verify(&config, partitions).await,
            }
        })
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{NAME}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn create(
    config: &Config,
    partitions: i32,
    replication_factor: i32,
    retention: &[(Topic, TopicSpec)],
) -> anyhow::Result<ExitCode> {
    let prefix = &config.topics.prefix;
    let spec = |topic: Topic| {
        let asked = retention.iter().rev().find(|(other, _)| *other == topic);
        asked.map_or_else(|| topic.spec(), |(_, spec)| *spec)
    };
    let topics = admin::create_topics(&config.kafka, prefix, partitions, replication_factor, spec).await?;
    let mut existed = Vec::new();
    for (name, created) in topics {
        match created {
            Created::New => println!("{name}: created"),
            Created::Existed => {
                println!("{name}: was there");
                existed.push(name);
            }
        }
    }
    if existed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    // What was there may differ from what was asked for. What was created just now does not, and the broker that is
    // asked may not have heard of it yet.
    let mut differences = admin::verify_topics(&config.kafka, prefix, Some(partitions)).await?;
    differences.retain(|line| existed.iter().any(|name| line.strip_prefix(name.as_str()).is_some_and(of_topic)));
    Ok(report(&differences))
}

/// Whether what follows a topic's name is the rest of a line about it, and not the rest of a longer name.
fn of_topic(rest: &str) -> bool {
    rest.starts_with(':')
}

async fn verify(config: &Config, partitions: Option<i32>) -> anyhow::Result<ExitCode> {
    let differences = admin::verify_topics(&config.kafka, &config.topics.prefix, partitions).await?;
    if differences.is_empty() {
        println!("all topics are as they should be");
    }
    Ok(report(&differences))
}

fn report(differences: &[String]) -> ExitCode {
    for line in differences {
        println!("{line}");
    }
    if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
