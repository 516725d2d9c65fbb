//! What people talk about.

use serde::Deserialize;

/// Two invented conferences, who posts there, and how.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalogue {
    pub(super) conferences: Vec<Programme>,
    pub(super) authors: Vec<String>,
    pub(super) phrases: Vec<Phrase>,
}

/// One conference.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Programme {
    /// As it stands in `tagFilter`.
    pub(super) tag: String,
    /// As people write it, without `#`.
    pub(super) hashtag: String,
    pub(super) sessions: Vec<Session>,
}

/// One talk.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    pub(super) title: String,
    pub(super) speaker: String,
    /// A hashtag, without `#`.
    pub(super) topic: String,
}

/// A sentence with `{title}` and `{speaker}` to fill in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phrase {
    pub(super) text: String,
    #[serde(default = "english")]
    pub(super) language: String,
}

fn english() -> String {
    "en".to_owned()
}

impl Catalogue {
    /// The one that comes with the program.
    pub(crate) fn built_in() -> Self {
        serde_json::from_str(include_str!("../../samples/sessions.json")).expect("a test reads it")
    }

    /// Of all conferences.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.conferences.iter().map(|conference| conference.tag.as_str())
    }
}

#[cfg(test)]
mod tests {
    use contracts::Conference;

    use super::*;

    #[test]
    fn the_built_in_catalogue_is_whole() {
        let catalogue = Catalogue::built_in();
        let sessions: usize = catalogue.conferences.iter().map(|conference| conference.sessions.len()).sum();
        assert_eq!((catalogue.conferences.len(), sessions), (2, 30));
        for Programme { tag, hashtag, .. } in &catalogue.conferences {
            assert_eq!(Conference::parse(hashtag).expect("a conference").as_str(), tag);
        }
        assert!(catalogue.phrases.iter().all(|phrase| phrase.text.contains('{')), "each is about a session");
        assert!(catalogue.authors.iter().all(|author| author.starts_with('@')));
    }
}
