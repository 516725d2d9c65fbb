//! `livewall` without a command: the whole wall.

use std::net::TcpListener;

use serde_json::Value;

use crate::command::{Ended, PATIENCE, Running, SOON, brokers, eventually, prefix, run};

/// `--listen` for a port that the system chooses.
const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// Where a wall that was just started says it is.
pub(crate) fn origin(wall: &mut Running) -> String {
    let line = wall.line();
    let origin = line.strip_prefix("Livewall is at ").and_then(|url| url.strip_suffix('/'));
    origin.unwrap_or_else(|| panic!("not the address: {line}")).to_owned()
}

/// The words of the command that the wall proposes for a post.
fn proposed_post(wall: &mut Running) -> Vec<String> {
    let line = loop {
        let line = wall.line();
        assert!(!line.is_empty(), "a command is proposed");
        if line.starts_with("curl ") {
            break line;
        }
    };
    // Words in single quotes, as a shell reads them.
    line.split('\'')
        .enumerate()
        .flat_map(|(at, part)| {
            let words: Vec<&str> = if at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() };
            words.into_iter().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

pub(crate) fn get(url: &str) -> Result<Value, String> {
    let mut response = ureq::get(url).call().map_err(|error| error.to_string())?;
    let text = response.body_mut().read_to_string().map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

fn assert_clean(ended: &Ended) {
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{ended:?}");
}

#[test]
fn a_first_look_shows_posts_and_likes_and_ends_soon() {
    let mut wall = Running::start(&ANY_PORT, &[]);
    let origin = origin(&mut wall);
    assert!(wall.line().contains("nothing is kept"));
    eventually("the sample posts are there and some are liked", || {
        get(&format!("{origin}/tweets")).is_ok_and(|page| {
            let posts = page["tweets"].as_array().map_or(0, Vec::len);
            let counts = page["counts"].as_array().cloned().unwrap_or_default();
            posts >= 12 && counts.iter().any(|count| count["count"].as_u64() > Some(0))
        })
    });
    eventually("everything is ready", || get(&format!("{origin}/health/ready")).is_ok());
    // A page that is open does not hold it up.
    let stream = ureq::get(format!("{origin}/updates")).call().unwrap();
    wall.signal("-INT");
    assert_clean(&wall.ends_within(SOON));
    drop(stream);
}

#[test]
fn the_proposed_command_posts_and_nothing_else_does() {
    let mut wall = Running::start(&[&ANY_PORT[..], &["--no-samples"]].concat(), &[]);
    let origin = origin(&mut wall);
    let words = proposed_post(&mut wall);
    eventually("everything is ready", || get(&format!("{origin}/health/ready")).is_ok());
    let posted = std::process::Command::new(&words[0]).arg("-fsS").args(&words[1..]).output().unwrap();
    assert!(posted.status.success(), "{words:?}: {}", String::from_utf8_lossy(&posted.stderr));
    eventually("it is on the wall", || {
        get(&format!("{origin}/tweets?conference=rustconf"))
            .is_ok_and(|page| page["tweets"][0]["text"] == "Hello, wall!")
    });
    let page = get(&format!("{origin}/tweets")).unwrap();
    assert_eq!(page["tweets"].as_array().map(Vec::len), Some(1), "no samples: {page}");
    let strange = ureq::post(format!("{origin}/eventBridge/tweets")).content_type("application/json").send("{}");
    assert!(matches!(strange, Err(ureq::Error::StatusCode(401))), "{strange:?}");
    wall.signal("-TERM");
    assert_clean(&wall.ends_within(SOON));
}

#[test]
fn a_real_kafka_keeps_the_posts() {
    let (brokers, prefix) = (brokers(), prefix());
    let place = ["--brokers", brokers.as_str(), "--topic-prefix", prefix.as_str()];
    assert_eq!(run(&[&["topics", "create"], &place[..]].concat()).code, Some(0));
    let arguments = [&place[..], &ANY_PORT, &["--no-samples"]].concat();
    let mut wall = Running::start(&arguments, &[]);
    let first = origin(&mut wall);
    let words = proposed_post(&mut wall);
    eventually("everything is ready", || get(&format!("{first}/health/ready")).is_ok());
    assert!(std::process::Command::new(&words[0]).arg("-fsS").args(&words[1..]).output().unwrap().status.success());
    wall.signal("-INT");
    assert_clean(&wall.ends_within(PATIENCE));

    let mut wall = Running::start(&arguments, &[]);
    let second = origin(&mut wall);
    eventually("it is still on the wall", || {
        get(&format!("{second}/tweets")).is_ok_and(|page| page["tweets"][0]["text"] == "Hello, wall!")
    });
    wall.signal("-INT");
    assert_clean(&wall.ends_within(PATIENCE));
}

#[test]
fn missing_topics_of_a_real_kafka_are_one_line_with_the_command_that_creates_them() {
    let (brokers, prefix) = (brokers(), prefix());
    let arguments = [&["--brokers", &brokers, "--topic-prefix", &prefix], &ANY_PORT[..]].concat();
    let ended = Running::start(&arguments, &[]).ends_within(PATIENCE);
    assert_eq!(ended.code, Some(1));
    let command = format!("livewall topics create --brokers {brokers} --topic-prefix {prefix}");
    let line = ended.errors.lines().find(|line| line.starts_with("livewall: ")).unwrap();
    assert!(line.contains(&format!("{prefix}tweets: is missing")) && line.contains(&command), "{}", ended.errors);
}

#[test]
fn a_port_in_use_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&["--listen", &address]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.starts_with(&format!("livewall: cannot listen on {address}")), "{}", ended.errors);
    assert_eq!(ended.errors.trim().lines().count(), 1, "{}", ended.errors);
}
