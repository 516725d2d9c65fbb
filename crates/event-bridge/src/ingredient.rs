//! What an IFTTT ingredient says.

/// The plain text of an ingredient: its `<<<` and `>>>` taken off, its HTML entities decoded once.
///
/// IFTTT removes the marks when it escapes what they enclose, so they only arrive where nobody did. They cannot be part
/// of a tweet, in which `<` arrives as `&lt;`; that is why they go before the entities are decoded. Decoding twice would
/// turn the tweet `write &amp;lt; for <` into nonsense.
pub(crate) fn plain(value: &str) -> String {
    html_escape::decode_html_entities(&without_marks(value)).trim().to_owned()
}

fn without_marks(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, inner, after)) = next_marked(rest) {
        plain.push_str(before);
        plain.push_str(inner);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Splits `text` around its first `<<<…>>>`: what stands before it, in it and behind it.
pub(crate) fn next_marked(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("<<<")?;
    let mut end = rest.find(">>>")?;
    // Of `>>>>` the last three are the mark: the enclosed text ended in `>`.
    while rest[end + 3..].starts_with('>') {
        end += 1;
    }
    Some((before, &rest[..end], &rest[end + 3..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entities_are_decoded_once() {
        assert_eq!(plain("Tom &amp; Jerry &lt;3 &#39;cheese&#x27; caf&eacute;"), "Tom & Jerry <3 'cheese' café");
        assert_eq!(plain("&amp;lt; stays &lt;"), "&lt; stays <");
        assert_eq!(plain("AT&T &nosuch; & &"), "AT&T &nosuch; & &");
    }

    #[test]
    fn marks_are_taken_off_and_what_they_enclose_stays() {
        assert_eq!(plain("<<<say \"hi\">>>"), "say \"hi\"");
        assert_eq!(plain(" <<<a>>> by <<<b>>> "), "a by b");
        assert_eq!(plain("<<<a -->>>>"), "a -->");
        assert_eq!(plain("<<<&lt;&lt;&lt;x&gt;&gt;&gt;>>>"), "<<<x>>>");
        assert_eq!(plain("<<< open"), "<<< open");
        assert_eq!(plain("closed >>>"), "closed >>>");
    }

    proptest! {
        #[test]
        fn a_text_without_marks_and_entities_stays_as_it_is(text in "[^&<>\\s]{0,40}") {
            prop_assert_eq!(plain(&text), text);
        }

        #[test]
        fn no_text_panics(text in "[<>&#a;x0é]{0,40}") {
            let _ = plain(&text);
        }
    }
}
