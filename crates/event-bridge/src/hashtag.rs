//! Hashtags in a text.

use std::collections::HashMap;

use contracts::Conference;

/// The hashtags that name a conference, in the order of the configuration: an earlier one wins over a later one.
#[derive(Debug, Default)]
pub(crate) struct ConferenceTags {
    tags: Vec<Conference>,
    rank: HashMap<Box<str>, usize>,
}

impl ConferenceTags {
    pub(crate) fn new(tags: Vec<Conference>) -> Self {
        let mut rank = HashMap::new();
        for (at, tag) in tags.iter().enumerate() {
            rank.entry(tag.as_str().into()).or_insert(at);
        }
        Self { tags, rank }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Conference> {
        self.tags.iter()
    }

    /// The first of these tags that stands in `text`, in whatever case, and how it is written there (without `#`).
    pub(crate) fn find<'t>(&self, text: &'t str) -> Option<(&Conference, &'t str)> {
        let found = starts(text).filter_map(|at| self.at(&text[at..])).min_by_key(|(rank, _)| *rank);
        found.map(|(rank, written)| (&self.tags[rank], written))
    }

    /// The longest of these tags that `text` begins with.
    ///
    /// A conference may contain `.`, `~` and `-`, at which other hashtags end: `#rust-conf.` is tried as `rust-conf.`,
    /// `rust-conf` and `rust`.
    fn at<'t>(&self, text: &'t str) -> Option<(usize, &'t str)> {
        let is_joint = |c: char| matches!(c, '.' | '~' | '-');
        let mut end =
            text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || is_joint(c))).unwrap_or(text.len());
        // `#rustconfé` is another word, of which only `rustconf` is ASCII.
        if text[end..].chars().next().is_some_and(is_word) {
            end = text[..end].rfind(is_joint)?;
        }
        loop {
            let candidate = &text[..end];
            if let Some(rank) = self.rank.get(candidate.to_ascii_lowercase().as_str()) {
                return Some((*rank, candidate));
            }
            end = candidate.rfind(is_joint)?;
        }
    }
}

/// The first hashtag in `text`, without `#`: a word that is not only digits.
pub(crate) fn first(text: &str) -> Option<&str> {
    starts(text).find_map(|at| {
        let word = &text[at..];
        let word = &word[..word.find(|c: char| !is_word(c)).unwrap_or(word.len())];
        word.chars().any(|c| !c.is_numeric()).then_some(word)
    })
}

/// Where a hashtag may begin: behind each `#` that does not itself continue a word, an entity or a URL.
fn starts(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices(['#', '＃']).filter_map(|(at, hash)| {
        let before = text[..at].chars().next_back();
        (!before.is_some_and(|c| is_word(c) || matches!(c, '&' | '/' | '#' | '＃'))).then_some(at + hash.len())
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(names: &[&str]) -> ConferenceTags {
        ConferenceTags::new(names.iter().map(|name| Conference::parse(name).expect("a conference")).collect())
    }

    fn found<'t>(names: &[&str], text: &'t str) -> Option<(String, &'t str)> {
        tags(names).find(text).map(|(tag, written)| (tag.to_string(), written))
    }

    #[test]
    fn a_configured_tag_is_found_in_any_case_and_only_as_a_whole_word() {
        assert_eq!(found(&["rustconf"], "at #RustConf!"), Some(("rustconf".into(), "RustConf")));
        for text in ["at rustconf", "#rustconf2026", "#rustconfé", "https://example.org/#rustconf", "x#rustconf", ""] {
            assert_eq!(found(&["rustconf"], text), None, "{text}");
        }
    }

    #[test]
    fn the_earlier_one_in_the_configuration_wins() {
        assert_eq!(found(&["rustconf", "rust"], "#rust at #rustconf"), Some(("rustconf".into(), "rustconf")));
    }

    #[test]
    fn a_tag_with_a_hyphen_is_found_before_a_full_stop() {
        assert_eq!(found(&["rust", "rust-conf"], "so #Rust-Conf."), Some(("rust-conf".into(), "Rust-Conf")));
        assert_eq!(found(&["rust"], "so #rust-conf."), Some(("rust".into(), "rust")));
    }

    #[test]
    fn the_first_hashtag_is_a_word_in_any_script() {
        assert_eq!(first("we are #1 in ＃日本_2026 and #rust"), Some("日本_2026"));
        assert_eq!(first("no tag, a#b, &#39;, ##"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_found_stands_in_the_text(text in "[#＃a-c.é &/_1-]{0,40}") {
            if let Some(word) = first(&text) {
                prop_assert!(text.contains(word));
            }
            if let Some((tag, written)) = tags(&["a", "a-b", "b.c"]).find(&text) {
                prop_assert!(written.eq_ignore_ascii_case(tag.as_str()));
            }
        }
    }
}
