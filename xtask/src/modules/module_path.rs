//! The place of a module in its crate.

use std::fmt;

/// Names from the crate's root down to the module; the root itself has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ModulePath(Vec<String>);

impl ModulePath {
    pub(super) fn root() -> Self {
        Self::default()
    }

    pub(super) fn child(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }

    /// Nothing for the root.
    pub(super) fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, above)| Self(above.to_vec()))
    }

    /// The module's own name; nothing for the root.
    pub(super) fn name(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    pub(super) fn segments(&self) -> &[String] {
        &self.0
    }

    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }

    /// Whether this is `other` or a module below `other`.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for ModulePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { formatter.write_str("crate") } else { formatter.write_str(&self.0.join("::")) }
    }
}
