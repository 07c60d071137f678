//! The values of a credential: what its envelope holds, once opened.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::field::check_token;
use super::{Kind, MOST, TOKEN};
use kernel::secret::Secret;
use kernel::{Error, Result};

/// Longest key of a value.
pub(super) const LONGEST_KEY: usize = 64;

/// The values of an opened credential.
pub struct Values(BTreeMap<String, Secret<String>>);

impl Values {
    /// Makes a credential of a single token.
    pub fn token(token: String) -> Self {
        Self(BTreeMap::from([(TOKEN.to_owned(), Secret::new(token))]))
    }

    /// Checks the values that a client sent: 1 to 16 keys, each with a token as its value.
    pub fn check(given: BTreeMap<String, Secret<String>>) -> Result<Self> {
        if given.is_empty() || given.len() > MOST {
            return Err(Error::invalid(format!("credentials must have 1 to {MOST} keys")));
        }
        for (key, value) in &given {
            if !is_key(key) {
                return Err(Error::invalid(
                    "a credential key must consist of 1 to 64 of A-Z, a-z, 0-9, _ and -",
                ));
            }
            check_token("a credential", value.expose())?;
        }
        Ok(Self(given))
    }

    /// Reads the opened text of a credential; `None` if the text is not of this `kind`.
    pub fn read(kind: Kind, text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct TokenSet {
            access_token: String,
        }
        match kind {
            Kind::Token => Some(Self::token(text.to_owned())),
            Kind::Values => serde_json::from_str(text).ok().map(Self),
            Kind::Oauth => {
                serde_json::from_str::<TokenSet>(text).ok().map(|set| Self::token(set.access_token))
            }
        }
    }

    /// Returns the text to seal, and its kind.
    pub fn to_text(&self) -> Result<(Kind, Zeroizing<String>)> {
        if let (Some(token), 1) = (self.0.get(TOKEN), self.0.len()) {
            return Ok((Kind::Token, Zeroizing::new(token.expose().clone())));
        }
        let values: BTreeMap<&str, &str> =
            self.0.iter().map(|(key, value)| (key.as_str(), value.expose().as_str())).collect();
        let text = serde_json::to_string(&values).map_err(|error| Error::internal(error.to_string()))?;
        Ok((Kind::Values, Zeroizing::new(text)))
    }

    /// Returns the keys of the values.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds the values of `other`. Where both have a key, the value of `other` wins.
    #[must_use]
    pub fn merged(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Returns the value of `key`. If the templates want one key only, the value of `token` may stand for that key.
    pub(super) fn get(&self, key: &str, wanted: &BTreeSet<&str>) -> Option<&Secret<String>> {
        self.0.get(key).or_else(|| if wanted.len() == 1 { self.0.get(TOKEN) } else { None })
    }
}

/// Returns `true` for a text that may be the key of a value.
pub(super) fn is_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(key: &str, value: &str) -> Values {
        Values::check(BTreeMap::from([(key.to_owned(), Secret::new(value.to_owned()))])).unwrap()
    }

    #[test]
    fn credentials_are_bounded_and_keep_their_keys_when_stored() {
        let check = |key: &str, value: &str| {
            Values::check(BTreeMap::from([(key.to_owned(), Secret::new(value.to_owned()))]))
        };
        for (key, value) in [("", "v"), ("a b", "v"), ("a", ""), ("a", "b c"), (&"k".repeat(65), "v")] {
            assert!(check(key, value).is_err(), "{key:?}");
        }
        assert!(Values::check(BTreeMap::new()).is_err());
        for (given, kind) in [(values("token", "{\""), Kind::Token), (values("K", "v"), Kind::Values)] {
            let (found, text) = given.to_text().unwrap();
            assert_eq!(found, kind);
            let back = Values::read(kind, &text).unwrap();
            assert_eq!(back.keys().collect::<Vec<_>>(), given.keys().collect::<Vec<_>>());
        }
        let set = Values::read(Kind::Oauth, r#"{"access_token":"t","refresh_token":"r"}"#).unwrap();
        assert_eq!(set.keys().collect::<Vec<_>>(), [TOKEN]);
    }
}
