//! What may stand in a text: everything but control characters, which show nothing and break terminals and logs.

use std::borrow::Cow;

/// `text` with line breaks as `\n`, and without control characters other than `\n` and tab.
///
/// They are taken out rather than refused: they carry nothing, and a webhook has nobody who could correct them.
pub(crate) fn lines(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return text;
    }
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    Cow::Owned(unified.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect())
}

/// As [`lines`], and on one line: a line break or tab becomes a space.
pub(crate) fn line(text: Cow<'_, str>) -> Cow<'_, str> {
    let text = lines(text);
    if text.contains(['\n', '\t']) { Cow::Owned(text.replace(['\n', '\t'], " ")) } else { text }
}

/// Whether `text` has more than `max` characters (Unicode scalar values).
pub(crate) fn is_longer_than(text: &str, max: usize) -> bool {
    // A character has at least one byte, so most texts need no counting.
    text.len() > max && text.chars().nth(max).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn line_breaks_become_one_kind_and_other_control_characters_go() {
        assert_eq!(lines("a\r\nb\rc\td\0\u{7}\u{9b}e".into()), "a\nb\nc\tde");
        assert_eq!(line("Ferris\r\nthe\tCrab\0".into()), "Ferris the Crab");
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(!is_longer_than("🦀🦀🦀", 3));
        assert!(is_longer_than("🦀🦀🦀🦀", 3));
    }

    proptest! {
        #[test]
        fn a_text_without_control_characters_stays_as_it_is(text in "[^\\p{Cc}]{0,60}") {
            prop_assert_eq!(&line(text.as_str().into()), &text);
        }

        #[test]
        fn no_control_character_survives(text in proptest::collection::vec(any::<char>(), 0..60)) {
            let text: String = text.into_iter().collect();
            prop_assert!(!line(text.as_str().into()).chars().any(char::is_control));
        }
    }
}
