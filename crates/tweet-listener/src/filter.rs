//! Which conferences a viewer wants to see.

use contracts::{Conference, InvalidField};

/// The most conferences that one filter may name: longer ones belong to a stream of everything.
pub const MAX_CONFERENCES: usize = 16;

/// Conferences in order and each once, so that equal wishes are equal filters; empty: all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter(Vec<Conference>);

impl Filter {
    /// Reads `a,b`; blanks around names do not count, and an empty text means all.
    ///
    /// # Errors
    /// Names `conference` where one is malformed or there are more than [`MAX_CONFERENCES`].
    pub fn parse(text: &str) -> Result<Self, InvalidField> {
        let mut conferences = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            conferences.push(Conference::parse(name)?);
            if conferences.len() > 4 * MAX_CONFERENCES {
                break;
            }
        }
        conferences.sort_unstable();
        conferences.dedup();
        if conferences.len() > MAX_CONFERENCES {
            return Err(InvalidField::new(
                "conference",
                format!("names more than {MAX_CONFERENCES}; leave it out to see all"),
            ));
        }
        Ok(Self(conferences))
    }

    /// Whether `conference` is wanted.
    pub fn matches(&self, conference: &Conference) -> bool {
        self.0.is_empty() || self.0.binary_search(conference).is_ok()
    }

    /// The conferences by name; empty: all.
    pub fn conferences(&self) -> &[Conference] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_repeats_and_spelling_make_no_other_filter() {
        assert_eq!(Filter::parse("b,#A, a"), Filter::parse("a,b"));
        assert_eq!(Filter::parse(" , "), Ok(Filter::default()));
    }

    #[test]
    fn seventeen_conferences_are_too_many() {
        let names: Vec<String> = (0..17).map(|n| format!("c{n}")).collect();
        assert_eq!(Filter::parse(&names.join(",")).expect_err("17").field, "conference");
        assert!(Filter::parse(&names[..16].join(",")).is_ok());
    }

    proptest! {
        #[test]
        fn a_filter_matches_what_it_names_and_nothing_else(names in proptest::collection::btree_set("[a-z]{1,3}", 1..8), other in "[a-z]{4}") {
            let filter = Filter::parse(&names.iter().cloned().collect::<Vec<_>>().join(",")).expect("valid names");
            for name in &names {
                prop_assert!(filter.matches(&Conference::parse(name).expect("valid")));
            }
            prop_assert!(!filter.matches(&Conference::parse(&other).expect("valid")));
        }
    }
}
