//! Who likes: visitors without accounts, told apart by a signed cookie.
//!
//! A cookie's value is `1.ID.TAG`: a version, 128 random bits, and their HMAC-SHA256 cut to 128 bits, both in base64url.
//! So nobody can make up visitors without asking for each, or pretend to be one whose cookie they have not seen. On the
//! topic a visitor has another keyed hash of the same bits: whoever reads the topic cannot make the cookie of it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contracts::VisitorId;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Of a cookie's random part, of its tag and of a visitor id.
const BYTES: usize = 16;
/// The first part of the value and what the tag begins with: another form of cookie will have another one.
const VERSION: &str = "1";

/// The random part of a cookie.
pub(crate) type CookieId = [u8; BYTES];

type Keyed = Hmac<Sha256>;

/// The keys that cookies are signed with.
pub(crate) struct VisitorKeys {
    current: Key,
    previous: Vec<Key>,
}

/// A visitor with the cookie to hand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewVisitor {
    /// As it stands on the topic.
    pub(crate) id: VisitorId,
    /// The value of the cookie.
    pub(crate) cookie: String,
}

/// What one secret is used for: each purpose has a key of its own, so that no result for one can serve for the other.
struct Key {
    tag: Keyed,
    visitor: Keyed,
}

impl Key {
    fn derived_from(secret: &[u8]) -> Self {
        let derived = |purpose: &[u8]| {
            let mut derivation = keyed(secret);
            derivation.update(purpose);
            keyed(&derivation.finalize().into_bytes())
        };
        Self { tag: derived(b"livewall likes cookie tag"), visitor: derived(b"livewall likes visitor id") }
    }

    fn tag_of(&self, signed: &str) -> Keyed {
        let mut tag = self.tag.clone();
        tag.update(signed.as_bytes());
        tag
    }

    fn visitor(&self, id: CookieId) -> VisitorId {
        let mut hash = self.visitor.clone();
        hash.update(&id);
        let text = URL_SAFE_NO_PAD.encode(&hash.finalize().into_bytes()[..BYTES]);
        VisitorId::parse(&text).expect("base64url keeps the rule of ids")
    }
}

fn keyed(key: &[u8]) -> Keyed {
    Keyed::new_from_slice(key).expect("HMAC takes keys of any length")
}

impl VisitorKeys {
    /// New cookies are signed with `current`; those of `previous` are still taken.
    pub(crate) fn new<'a>(current: &str, previous: impl Iterator<Item = &'a str>) -> Self {
        let key = |secret: &str| Key::derived_from(secret.as_bytes());
        Self { current: key(current), previous: previous.map(key).collect() }
    }

    /// For a service without its secret: visitors are told apart, also by other replicas and after a restart, but
    /// anybody can pretend to be any of them.
    pub(crate) fn known_to_everybody() -> Self {
        Self::new("", std::iter::empty())
    }

    /// The visitor whose cookie's random part is `id`.
    pub(crate) fn issue(&self, id: CookieId) -> NewVisitor {
        let signed = format!("{VERSION}.{}", URL_SAFE_NO_PAD.encode(id));
        let tag = self.current.tag_of(&signed).finalize().into_bytes();
        let cookie = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&tag[..BYTES]));
        NewVisitor { id: self.current.visitor(id), cookie }
    }

    /// The visitor whose cookie has this value; `None` where it was not signed with one of these keys.
    ///
    /// The visitor comes from the key of its cookie, so that changing keys makes no second visitor of anybody.
    pub(crate) fn visitor(&self, cookie: &str) -> Option<VisitorId> {
        let (signed, tag) = cookie.rsplit_once('.')?;
        let id = signed.strip_prefix(VERSION)?.strip_prefix('.')?;
        let (id, tag) = (bytes(id)?, bytes(tag)?);
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        // Compared in constant time, and always in full length: a shorter tag would be easier to guess.
        let key = keys.find(|key| key.tag_of(signed).verify_truncated_left(&tag).is_ok())?;
        Some(key.visitor(id))
    }
}

fn bytes(text: &str) -> Option<[u8; BYTES]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OLD: &str = "the key of last year, 32 bytes or more";
    const NEW: &str = "the key of this year, 32 bytes or more";

    fn keys(current: &str, previous: &[&str]) -> VisitorKeys {
        VisitorKeys::new(current, previous.iter().copied())
    }

    #[test]
    fn the_form_of_a_cookie_is_fixed() {
        // Cookies live for a year: another result here would make new visitors of all of them. Computed with Python's
        // hmac module.
        let visitor = keys(OLD, &[]).issue([7; BYTES]);
        assert_eq!(visitor.cookie, "1.BwcHBwcHBwcHBwcHBwcHBw.vzZw049vhWHSOg_n0if1GA");
        assert_eq!(visitor.id.as_str(), "RMMc77wv_1upHp6sSQTyBQ");
    }

    #[test]
    fn a_visitor_stays_the_same_when_the_key_moves_to_the_previous_ones() {
        let before = keys(OLD, &[]).issue([1; BYTES]);
        let rotated = keys(NEW, &[OLD]);
        assert_eq!(rotated.visitor(&before.cookie), Some(before.id.clone()));
        assert_ne!(rotated.issue([1; BYTES]), before, "new cookies are signed with the new key");
        assert_eq!(keys(NEW, &[]).visitor(&before.cookie), None, "a key that is no longer listed counts no more");
    }

    #[test]
    fn the_topic_does_not_tell_the_cookie() {
        let visitor = keys(NEW, &[]).issue([1; BYTES]);
        let parts: Vec<&str> = visitor.cookie.split('.').collect();
        assert!(!parts.contains(&visitor.id.as_str()));
    }

    #[test]
    fn a_tag_of_another_length_is_refused() {
        let cookie = keys(NEW, &[]).issue([1; BYTES]).cookie;
        for forged in [&cookie[..cookie.len() - 1], &cookie[..cookie.len() - 2], &format!("{cookie}AA"), "1.."] {
            assert_eq!(keys(NEW, &[]).visitor(forged), None, "{forged}");
        }
        let (signed, _) = cookie.rsplit_once('.').expect("a tag");
        assert_eq!(keys(NEW, &[]).visitor(&format!("{signed}.")), None);
        assert_eq!(keys(NEW, &[]).visitor(signed), None);
    }

    proptest! {
        #[test]
        fn every_issued_cookie_is_recognized_as_its_visitor(id: CookieId) {
            let keys = keys(NEW, &[OLD]);
            let visitor = keys.issue(id);
            prop_assert_eq!(keys.visitor(&visitor.cookie), Some(visitor.id));
        }

        #[test]
        fn a_cookie_with_any_character_changed_or_cut_off_is_refused(id: CookieId, at in 0_usize..47, other in "[A-Za-z0-9._~-]") {
            let keys = keys(NEW, &[OLD]);
            let cookie = keys.issue(id).cookie;
            let mut forged = cookie.clone();
            forged.replace_range(at..=at, &other);
            prop_assert_eq!(keys.visitor(&forged).is_some(), forged == cookie);
            prop_assert_eq!(keys.visitor(&cookie[..at]), None);
        }

        #[test]
        fn no_text_is_taken_for_a_cookie(text in ".{0,60}") {
            prop_assert_eq!(keys(NEW, &[OLD]).visitor(&text), None);
        }
    }
}
