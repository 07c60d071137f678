//! The pattern language of personas: path globs.
//!
//! `*` = any run of characters but `/`, `?` = one character but `/`, `[abc]`, `[a-z]`, `[^a-z]` = one of a class,
//! `\x` = `x` itself. Case-sensitive. A malformed pattern is an error when the setting is read, because a deny pattern
//! that never matches would allow what it should deny.
//!
//! On a mismatch only the last `*` is tried again, one character further. The work is therefore at most the length of
//! the pattern times that of the text, which are both short, and no input makes it exponential.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Any,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// A checked pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    tokens: Vec<Token>,
}

impl Glob {
    /// Reads a pattern. The error says what is wrong with the pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        const LONGEST: usize = 256;
        if text.is_empty() || text.chars().count() > LONGEST {
            return Err(format!("pattern must have 1 to {LONGEST} characters"));
        }
        let mut tokens = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            let token = match c {
                '*' if tokens.last() == Some(&Token::Any) => continue,
                '*' => Token::Any,
                '?' => Token::One,
                '[' => class(&mut rest).ok_or_else(|| format!("pattern \"{text}\" has a malformed class"))?,
                '\\' => Token::Literal(
                    rest.next().ok_or_else(|| format!("pattern \"{text}\" ends with a backslash"))?,
                ),
                c => Token::Literal(c),
            };
            tokens.push(token);
        }
        Ok(Self { text: text.to_owned(), tokens })
    }

    /// Returns the pattern's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns `true` if the pattern matches the whole of `text`.
    pub fn matches(&self, text: &str) -> bool {
        let mut pattern = self.tokens.as_slice();
        let mut rest = text.chars();
        // Where matching resumes if a later token does not match: after the last `*`, one character further in the
        // text.
        let mut retry: Option<(&[Token], std::str::Chars<'_>)> = None;
        loop {
            if let Some((Token::Any, after)) = pattern.split_first() {
                pattern = after;
                retry = Some((after, rest.clone()));
                continue;
            }
            let here = rest.clone().next();
            match (pattern.split_first(), here) {
                (None, None) => return true,
                (Some((token, after)), Some(c)) if token.fits(c) => {
                    pattern = after;
                    rest.next();
                }
                _ => {
                    let Some((after, start)) = retry.as_mut() else {
                        return false;
                    };
                    match start.next() {
                        None | Some('/') => return false,
                        Some(_) => {
                            pattern = after;
                            rest = start.clone();
                        }
                    }
                }
            }
        }
    }
}

impl Token {
    fn fits(&self, c: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == c,
            Self::One => c != '/',
            Self::Any => false,
            Self::Class { negated, ranges } => {
                c != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// Reads the rest of a class `[…]`, after its opening bracket; `None` if the class is malformed.
fn class(rest: &mut std::str::Chars<'_>) -> Option<Token> {
    let mut ranges = Vec::new();
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    loop {
        let low = match rest.next()? {
            ']' if ranges.is_empty() => return None,
            ']' => return Some(Token::Class { negated, ranges }),
            '-' | '[' => return None,
            '\\' => rest.next()?,
            c => c,
        };
        let high = if rest.as_str().starts_with('-') {
            rest.next();
            match rest.next()? {
                ']' | '-' | '[' => return None,
                '\\' => rest.next()?,
                c => c,
            }
        } else {
            low
        };
        if high < low {
            return None;
        }
        ranges.push((low, high));
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_the_language_says() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "github__get_me", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("github__*", "github__get_me", true),
            ("github__*", "gitlab__get_me", false),
            ("*__delete_*", "vendor__delete_row", true),
            ("*__delete_*", "vendor__undelete", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[^a-c]x", "dx", true),
            ("[^a-c]x", "/x", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[\\]]", "]", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("Case", "case", false),
            ("é*", "état", true),
        ] {
            assert_eq!(Glob::parse(pattern).unwrap().matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["", "[", "[]", "[a", "[z-a]", "[-a]", "[a-]", "a\\", "[[a]"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
        assert!(Glob::parse(&"a".repeat(257)).is_err());
    }

    #[test]
    fn a_pattern_with_many_stars_is_matched_in_short_time() {
        // A matcher that needs exponential time would not finish this match.
        let pattern = Glob::parse(&"a*".repeat(100)).unwrap();
        assert!(!pattern.matches(&format!("{}b/", "a".repeat(5000))));
    }
}
