//! What was counted and is shown, beside the replay.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use contracts::ConferenceAnalytics;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Request,
    audit::{
        account::Account,
        balance::blocking,
        injector::Injector,
        published::{Topics, blank},
        replay::{Log, Results},
        watcher::Watcher,
    },
};

/// Lists and hashtags, as callers get them.
const SHOWN: usize = 10;
/// The newest posts whose counts every viewer has been told.
const TOLD: usize = 100;

/// Whatever differs from the replay: on the topics, at each streams-analytics, on each first page and each open one.
pub(super) async fn differ(
    topics: &Topics,
    injector: &Injector,
    watchers: &[Watcher],
    log: &Log,
    right: &Arc<Results>,
) -> anyhow::Result<Account> {
    let mut account = differences(right, &blocking(topics, Topics::results).await?);
    for address in injector.stage.streams_analytics.addresses() {
        for (name, right) in &right.conferences {
            let found = Request::get(&format!("/analytics/{name}")).send(address).await;
            if let Err(why) =
                found.map_err(|error| error.to_string()).and_then(|found| answers_right(&found.body, right))
            {
                account.note(format!("streams-analytics at {address}, {name}: {why}"));
            }
        }
    }
    for address in injector.stage.tweet_listener.addresses() {
        for (name, posts) in log.shown() {
            let target = format!("/tweets?conference={name}&limit={TOLD}");
            let found = Request::get(&target).send(address).await.map_err(|error| error.to_string());
            if let Err(why) = found.and_then(|found| first_page_right(&found.json(), name, &posts, right)) {
                account.note(format!("tweet-listener at {address}, {target}: {why}"));
            }
        }
    }
    for watcher in watchers {
        for why in on_the_page(watcher, log, right) {
            account.note(format!("{}: {why}", watcher.name));
        }
    }
    Ok(account)
}

fn answers_right(body: &[u8], right: &ConferenceAnalytics) -> Result<(), String> {
    let mut found: ConferenceAnalytics = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut right = right.clone();
    for list in found.top.values_mut().chain(right.top.values_mut()) {
        list.nrs.truncate(SHOWN);
        blank(&mut list.nrs);
    }
    right.hashtags.truncate(SHOWN);
    if found == right { Ok(()) } else { Err(format!("{found:?} is not {right:?}")) }
}

/// The newest posts, newest first, and their counts.
fn first_page_right(page: &Value, conference: &str, posts: &[&str], right: &Results) -> Result<(), String> {
    let list = |name: &str| page[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let found: Vec<_> = list("tweets").iter().map(|tweet| tweet["tweetId"].as_str().unwrap_or_default()).collect();
    let wanted: Vec<_> = posts.iter().rev().take(TOLD).copied().collect();
    if found != wanted {
        return Err(format!("{found:?} is not {wanted:?}"));
    }
    let counts = list("counts").iter().map(|count| (count["tweetId"].as_str(), count["count"].as_u64()));
    let counts: HashMap<_, _> = counts.collect();
    for id in wanted {
        let found = counts.get(&Some(id)).copied().flatten().unwrap_or_default();
        let wanted = right.counts.get(&format!("{conference}/{id}")).map_or(0, |count| u64::from(count.count));
        if found != wanted {
            return Err(format!("{id}: count {found}, {wanted} is right"));
        }
    }
    Ok(())
}

/// What a viewer's page shows otherwise than it is.
fn on_the_page(watcher: &Watcher, log: &Log, right: &Results) -> Vec<String> {
    let (notes, mut wrong) = (watcher.notes(), Vec::new());
    for (name, right) in right.conferences.iter().filter(|(name, _)| watcher.wants(name)) {
        let totals = notes.totals.get(name);
        let found = totals.map(|totals| (totals["tweetCount"].as_u64(), totals["likeCount"].as_u64()));
        let wanted = (Some(u64::from(right.tweet_count)), Some(u64::from(right.like_count)));
        if found != Some(wanted) {
            wrong.push(format!("{name}: totals {found:?}, {wanted:?} are right"));
        }
        let list = notes.top.get(name).and_then(|top| top["nrs"].as_array()).map(Vec::as_slice).unwrap_or_default();
        let found: Vec<_> = list.iter().map(|entry| (entry["tweetId"].as_str(), entry["count"].as_u64())).collect();
        let wanted = right.top.get("all").map(|list| list.nrs.as_slice()).unwrap_or_default();
        let wanted = wanted.iter().map(|entry| (Some(entry.tweet_id.as_str()), Some(u64::from(entry.count))));
        let wanted: Vec<_> = wanted.take(SHOWN).collect();
        if found != wanted {
            wrong.push(format!("{name}: list {found:?}, {wanted:?} is right"));
        }
    }
    for (_, tweet) in log.tweets.iter().rev().filter(|(_, tweet)| watcher.wants(&tweet.tag_filter)).take(TOLD) {
        let key = (tweet.tag_filter.clone(), tweet.tweet_id.clone());
        let found = notes.counts.get(&key).copied().unwrap_or_default();
        let wanted = right.counts.get(&format!("{}/{}", key.0, key.1)).map_or(0, |count| u64::from(count.count));
        if found != wanted {
            wrong.push(format!("{}: count {found}, {wanted} is right", key.1));
        }
    }
    wrong
}

/// Every result that is not what it has to be.
fn differences(right: &Results, found: &Results) -> Account {
    let mut account = Account::default();
    compare("count", &right.counts, &found.counts, &mut account);
    compare("results of", &right.conferences, &found.conferences, &mut account);
    compare("window", &right.windows, &found.windows, &mut account);
    account
}

fn compare<T: PartialEq + Serialize>(
    what: &str,
    right: &BTreeMap<String, T>,
    found: &BTreeMap<String, T>,
    account: &mut Account,
) {
    let keys: BTreeSet<&String> = right.keys().chain(found.keys()).collect();
    for key in keys {
        let (right, found) = (right.get(key), found.get(key));
        if right != found {
            account.note(format!("{what} {key}: {}", difference(&json(found), &json(right))));
        }
    }
}

fn json<T: Serialize>(value: Option<&T>) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The fields that differ, as found and as they should be.
fn difference(found: &Value, right: &Value) -> String {
    let (Some(found_fields), Some(right_fields)) = (found.as_object(), right.as_object()) else {
        return format!("is {found}, {right} is right");
    };
    let differ = right_fields.iter().filter(|(name, value)| found_fields.get(*name) != Some(value));
    let cut = |value: String| value.chars().take(200).collect::<String>();
    let told = differ.map(|(name, value)| {
        let found = found_fields.get(name).unwrap_or(&Value::Null);
        format!("{name} is {}, {} is right", cut(found.to_string()), cut(value.to_string()))
    });
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use contracts::TweetLike;

    use super::*;
    use crate::audit::{replay, rules};

    #[test]
    fn a_count_that_is_wrong_missing_or_too_many_is_told() {
        let (tweet_id, conference, visitor_id) = ("1".into(), "c".into(), "v".into());
        let like = TweetLike { tweet_id, conference, visitor_id, liked: true, at: None };
        let right = replay::results(&Log { tweets: Vec::new(), likes: vec![(100_000, like)] }, &rules());
        assert_eq!(differences(&right, &right.clone()).count, 0);
        let mut found = right.clone();
        for count in found.counts.values_mut() {
            count.count += 1;
        }
        found.conferences.clear();
        found.windows.extend(right.windows.values().map(|window| ("another".to_owned(), window.clone())));
        let told = differences(&right, &found);
        assert_eq!(told.count, 3);
        assert_eq!(told.cases[0], "count c/1: count is 2, 1 is right");
    }
}
