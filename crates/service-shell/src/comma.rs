//! Lists that may be written as one text.

use std::fmt;

use serde::{Deserializer, de};

/// For `#[serde(deserialize_with = "…")]` on a `Vec<String>`: takes a list, or a text with commas as environment
/// variables have it. Blanks around entries and empty entries are dropped.
///
/// # Errors
/// The deserializer's, for anything else.
pub fn comma_separated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct ListOrText;
    impl<'de> de::Visitor<'de> for ListOrText {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list, or a text with commas")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect())
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(entry) = entries.next_element()? {
                list.push(entry);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_any(ListOrText)
}
