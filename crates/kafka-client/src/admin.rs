//! Creating and verifying topics, and forgetting what a group has committed.

use std::{collections::BTreeMap, time::Duration};

use contracts::{Topic, TopicSpec};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    error::RDKafkaErrorCode,
};

use crate::{KafkaConfig, KafkaError, logging::Logged};

/// How long the cluster may take for one request.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happened to one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It was not there.
    New,
    /// It was there already and was left as it is.
    Existed,
}

/// Creates every topic that is not there yet, with the settings that `spec` gives it, such as [`Topic::spec`].
///
/// # Errors
/// The first topic that the cluster refused, with its reason.
pub async fn create_topics(
    config: &KafkaConfig,
    prefix: &str,
    partitions: i32,
    replication_factor: i32,
    spec: impl Fn(Topic) -> TopicSpec,
) -> Result<Vec<(String, Created)>, KafkaError> {
    let admin: AdminClient<Logged> = config.client().create_with_context(Logged)?;
    let names: Vec<String> = Topic::ALL.iter().map(|topic| topic.with_prefix(prefix)).collect();
    let settings: Vec<_> = Topic::ALL.iter().map(|topic| spec(*topic).settings()).collect();
    let topics: Vec<NewTopic<'_>> = names
        .iter()
        .zip(&settings)
        .map(|(name, settings)| {
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(replication_factor));
            settings.iter().fold(topic, |topic, (setting, value)| topic.set(setting, value))
        })
        .collect();
    let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    let mut created = Vec::new();
    for outcome in admin.create_topics(&topics, &options).await? {
        match outcome {
            Ok(name) => created.push((name, Created::New)),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => created.push((name, Created::Existed)),
            Err((name, code)) => return Err(KafkaError::new(format!("cannot create topic {name}: {code} [{code:?}]"))),
        }
    }
    Ok(created)
}

/// What became of a group's offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// They are gone, or there were none.
    Yes,
    /// The group has members, and keeps them.
    InUse,
}

/// Deletes a consumer group and the offsets that it has committed.
///
/// # Errors
/// Where the cluster cannot or may not.
pub async fn forget_group(config: &KafkaConfig, group: &str) -> Result<Forgotten, KafkaError> {
    let admin: AdminClient<Logged> = config.client().create_with_context(Logged)?;
    let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
    for outcome in admin.delete_groups(&[group], &options).await? {
        match outcome {
            Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound)) => {}
            Err((_, RDKafkaErrorCode::NonEmptyGroup)) => return Ok(Forgotten::InUse),
            Err((name, code)) => return Err(KafkaError::new(format!("cannot delete group {name}: {code} [{code:?}]"))),
        }
    }
    Ok(Forgotten::Yes)
}

/// Compares every topic with [`Topic::spec`] and `partitions`; returns what is wrong, one line each.
///
/// # Errors
/// Where the cluster cannot be asked.
pub async fn verify_topics(
    config: &KafkaConfig,
    prefix: &str,
    partitions: Option<i32>,
) -> Result<Vec<String>, KafkaError> {
    let admin: AdminClient<Logged> = config.client().create_with_context(Logged)?;
    let mut wrong = Vec::new();
    let mut first: Option<(String, i32)> = None;
    for topic in Topic::ALL {
        let name = topic.with_prefix(prefix);
        let metadata = admin.inner().fetch_metadata(Some(&name), PATIENCE)?;
        let count = metadata.topics().iter().find(|t| t.name() == name).map_or(0, |t| t.partitions().len());
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        if count == 0 {
            wrong.push(format!("{name}: is missing"));
            continue;
        }
        let (first_name, expected) = match (partitions, &first) {
            (Some(expected), _) => ("asked for".to_owned(), expected),
            (None, Some((name, count))) => (name.clone(), *count),
            (None, None) => {
                first = Some((name.clone(), count));
                (name.clone(), count)
            }
        };
        if count != expected {
            wrong.push(format!("{name}: has {count} partitions, {first_name} {expected}"));
        }
        wrong.extend(differing_settings(&admin, &name, topic).await?);
    }
    Ok(wrong)
}

/// The settings of a topic (its full name) in Kafka's own names. `None` where they cannot be read.
///
/// # Errors
/// Where the cluster cannot be asked.
pub async fn topic_settings(config: &KafkaConfig, name: &str) -> Result<Option<BTreeMap<String, String>>, KafkaError> {
    let admin: AdminClient<Logged> = config.client().create_with_context(Logged)?;
    settings_of(&admin, name, PATIENCE).await
}

pub(crate) async fn settings_of(
    admin: &AdminClient<Logged>,
    name: &str,
    patience: Duration,
) -> Result<Option<BTreeMap<String, String>>, KafkaError> {
    let options = AdminOptions::new().request_timeout(Some(patience));
    let described = admin.describe_configs(&[ResourceSpecifier::Topic(name)], &options).await?;
    let Some(Ok(resource)) = described.into_iter().next() else { return Ok(None) };
    Ok(Some(resource.entries.into_iter().map(|entry| (entry.name, entry.value.unwrap_or_default())).collect()))
}

async fn differing_settings(admin: &AdminClient<Logged>, name: &str, topic: Topic) -> Result<Vec<String>, KafkaError> {
    let Some(entries) = settings_of(admin, name, PATIENCE).await? else {
        return Ok(vec![format!("{name}: its settings cannot be read")]);
    };
    let differing = topic.spec().settings().into_iter().filter_map(|(setting, expected)| {
        // Retention is the operator's choice; what a topic means is not.
        if setting.starts_with("retention.") {
            return None;
        }
        let found = entries.get(setting).cloned().unwrap_or_default();
        (found != expected).then(|| format!("{name}: {setting} is {found}, not {expected}"))
    });
    Ok(differing.collect())
}
