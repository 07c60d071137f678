//! Scopes as OAuth writes them: words separated by spaces, in any order (RFC 6749 §3.3).

use std::collections::BTreeSet;

/// Returns the scopes of a text.
pub(super) fn words(scope: &str) -> BTreeSet<&str> {
    scope.split_ascii_whitespace().collect()
}

/// Returns both sets of scopes as one text, sorted.
pub(super) fn union(one: &str, other: &str) -> String {
    words(one).union(&words(other)).copied().collect::<Vec<_>>().join(" ")
}

/// Returns `true` if `granted` has every scope of `wanted`.
pub(super) fn covers(granted: &str, wanted: &str) -> bool {
    words(wanted).is_subset(&words(granted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_of_scopes_give_the_same_text() {
        assert_eq!(union("b a", "c  a"), "a b c");
        assert_eq!(union("c a b", ""), union("", "b c a"));
        assert_eq!(union("", ""), "");
    }

    #[test]
    fn a_set_covers_its_subsets() {
        assert!(covers("c a b", "b  a") && covers("a", "") && covers("", ""));
        assert!(!covers("a", "a b") && !covers("", "a") && !covers("ab", "a"));
    }
}
