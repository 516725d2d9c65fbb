//! The files of the repository.

use std::{fs, path::PathBuf};

/// Where `path` is.
pub fn path(path: &str) -> PathBuf {
    load_test::stage::root().join(path)
}

/// The text of a file.
pub fn file(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The lines of `block` that follow the line `head` and are indented more deeply.
pub fn under<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|line| *line != head);
    let head = lines.next().unwrap_or_else(|| panic!("no line {head:?}"));
    lines.take_while(|line| line.trim().is_empty() || depth(line) > depth(head)).collect()
}

/// The Markdown and YAML files in which options are named.
pub fn texts() -> Vec<String> {
    let mut found = vec!["README.md".to_owned(), "docker/compose.yaml".to_owned()];
    let mut folders = vec!["docs".to_owned(), "deploy".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(path(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{folder}/{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                folders.push(name);
            } else if [Some("md"), Some("yaml")].contains(&name.rsplit_once('.').map(|(_, kind)| kind)) {
                found.push(name);
            }
        }
    }
    found
}
