//! JSON that was put together from a template without escaping what was filled in.

use std::{borrow::Cow, fmt::Write as _};

use crate::ingredient::next_marked;

/// Escapes control characters inside strings: the raw line breaks and tabs of a post that IFTTT filled in.
///
/// Valid JSON has none there, so it stays as it is.
pub(crate) fn escape_controls(json: &str) -> Cow<'_, str> {
    // A line break between two fields is one too, so this only spares the work for a body on one line.
    if !json.bytes().any(|byte| byte < b' ') {
        return json.into();
    }
    let mut repaired = String::with_capacity(json.len() + 16);
    let mut state = State::Outside;
    for c in json.chars() {
        let is_in_string = state != State::Outside;
        if is_in_string && c < ' ' {
            if state == State::Escaping {
                // A backslash before the line break: the post ended in one, it escapes nothing.
                repaired.push('\\');
            }
            push_escaped(&mut repaired, c);
            state = State::String;
        } else {
            repaired.push(c);
            state = state.after(c);
        }
    }
    repaired.into()
}

/// Takes what stands in `<<<…>>>` inside strings literally: escapes its quotes, backslashes and control characters.
///
/// Only for a body that is no JSON otherwise: in valid JSON the enclosed text is escaped already.
pub(crate) fn escape_marked(json: &str) -> String {
    let mut repaired = String::with_capacity(json.len() + 16);
    let mut state = State::Outside;
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        if state == State::String
            && rest.starts_with("<<<")
            && let Some((_, inner, after)) = next_marked(rest)
        {
            repaired.push_str("<<<");
            inner.chars().for_each(|c| push_escaped(&mut repaired, c));
            repaired.push_str(">>>");
            rest = after;
        } else {
            repaired.push(c);
            state = state.after(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    repaired
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    String,
    /// In a string, behind a backslash.
    Escaping,
}

impl State {
    fn after(self, c: char) -> Self {
        match (self, c) {
            (Self::Outside, '"') | (Self::Escaping, _) => Self::String,
            (Self::String, '"') => Self::Outside,
            (Self::String, '\\') => Self::Escaping,
            (same, _) => same,
        }
    }
}

fn push_escaped(json: &mut String, c: char) {
    match c {
        '\n' => json.push_str("\\n"),
        '\r' => json.push_str("\\r"),
        '\t' => json.push_str("\\t"),
        '"' | '\\' => json.extend(['\\', c]),
        c if c < ' ' => write!(json, "\\u{:04x}", u32::from(c)).expect("a String takes everything"),
        c => json.push(c),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parse(json: &str) -> Value {
        serde_json::from_str(json).expect("JSON")
    }

    #[test]
    fn raw_line_breaks_in_strings_become_escapes_and_those_between_fields_stay() {
        let repaired = escape_controls("{\n\t\"text\": \"one\ntwo\tthree\r\n\u{7}\"\n}");
        assert_eq!(repaired, "{\n\t\"text\": \"one\\ntwo\\tthree\\r\\n\\u0007\"\n}");
        assert_eq!(parse(&repaired), json!({"text": "one\ntwo\tthree\r\n\u{7}"}));
    }

    #[test]
    fn a_backslash_before_a_raw_line_break_stays_a_backslash() {
        assert_eq!(parse(&escape_controls("\"a\\\nb\"")), json!("a\\\nb"));
    }

    #[test]
    fn what_marks_enclose_is_taken_literally() {
        let repaired = escape_marked("{\"text\":\"<<<say \"hi\",\n\\o/>>>\",\"author\":\"<<<F>>>\"}");
        assert_eq!(parse(&repaired), json!({"text": "<<<say \"hi\",\n\\o/>>>", "author": "<<<F>>>"}));
    }

    proptest! {
        #[test]
        fn valid_json_stays_as_it_is(texts in proptest::collection::vec(".*", 0..4), raw in any::<Vec<char>>()) {
            let raw: String = raw.into_iter().collect();
            let value = json!({"texts": texts, raw.as_str(): raw.as_str()});
            for valid in [value.to_string(), format!("{value:#}")] {
                prop_assert_eq!(escape_controls(&valid), valid.as_str());
            }
        }

        #[test]
        fn raw_control_characters_in_a_string_always_become_json(text in "[\\x00-\\x1fa-c\u{e9}\u{1f980}]{0,40}") {
            prop_assert_eq!(parse(&escape_controls(&format!("{{\"text\":\"{text}\"}}"))), json!({"text": text}));
        }

        #[test]
        fn whatever_stands_in_marks_becomes_json(text in "[\\x00-\\x7e&&[^<>]]{0,40}") {
            let json = escape_marked(&format!("[\"<<<{text}>>>\"]"));
            prop_assert_eq!(parse(&json), json!([format!("<<<{text}>>>")]));
        }

        #[test]
        fn no_input_panics(json in "[\\x00\\n\"\\\\<>{}a\u{e9}]{0,60}") {
            let _ = escape_marked(&escape_controls(&json));
        }
    }
}
