//! Which parts of a call's arguments may be stored.
//!
//! The arguments are read as a text and not as a value, because a value would lose what `serde_json` cannot represent: a
//! number such as `1e999`, or very deep nesting. Such arguments are stored as a JSON string that has their text.

use kernel::text::cut;
use serde_json::Value;

/// Words of a key that make its value secret, also as the end of a longer word (`accesstoken`).
const SECRET_WORDS: [&str; 17] = [
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "secrets",
    "token",
    "tokens",
    "authorization",
    "credential",
    "credentials",
    "cookie",
    "bearer",
    "jwt",
    "apikey",
    "privatekey",
];
/// Words that make the value secret if the word `key` follows (`api_key`, `privateKey`).
const KEY_WORDS: [&str; 9] =
    ["api", "private", "access", "secret", "signing", "encryption", "ssh", "master", "auth"];
/// Longest string value that is stored, in bytes.
const LONGEST_VALUE: usize = 16 * 1024;
/// Longest text, in characters, of arguments that can only be stored as text.
const LONGEST_TEXT: usize = 16 * 1024;

/// Returns the arguments as they may be stored, always as JSON: secret values and long strings are replaced by a note.
pub fn redact(arguments: &str) -> String {
    let mut redacted = Redacted { from: arguments, at: 0, to: String::with_capacity(arguments.len()) };
    redacted.all();
    let text = redacted.to;
    match serde_json::from_str::<Value>(&text) {
        Ok(_) => text,
        Err(_) => Value::from(cut(&text, LONGEST_TEXT)).to_string(),
    }
}

/// A JSON text on its way into its redacted form.
struct Redacted<'a> {
    from: &'a str,
    at: usize,
    to: String,
}

impl Redacted<'_> {
    fn all(&mut self) {
        // Whether each open container is an object.
        let mut open = Vec::new();
        let mut is_key = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' if is_key => {
                    is_key = false;
                    self.member();
                }
                b'"' => self.text(),
                b'{' | b'[' => {
                    is_key = byte == b'{';
                    open.push(is_key);
                    self.pass(1);
                }
                b'}' | b']' => {
                    open.pop();
                    is_key = false;
                    self.pass(1);
                }
                b',' => {
                    is_key = open.last().copied().unwrap_or_default();
                    self.pass(1);
                }
                _ => self.pass(self.length_while(|byte| !b"\"{}[],".contains(&byte))),
            }
        }
    }

    /// Passes a member's key and the colon; replaces its value if that is secret.
    fn member(&mut self) {
        let length = self.string();
        let key = self.ahead(length).to_owned();
        self.pass(length);
        self.pass(self.length_while(|byte| byte == b':' || byte.is_ascii_whitespace()));
        // A key that cannot be read is taken for a secret one.
        let is_secret = serde_json::from_str::<String>(&key).map_or(true, |key| is_secret(&key, self.peek()));
        if is_secret {
            self.at += self.value();
            self.to.push_str("\"[REDACTED]\"");
        }
    }

    /// Passes a string value, or a note in its place if it is too long.
    fn text(&mut self) {
        let length = self.string();
        if length > LONGEST_VALUE {
            let read = serde_json::from_str::<String>(self.ahead(length));
            let bytes = read.map_or(length, |text| text.len());
            if bytes > LONGEST_VALUE {
                self.at += length;
                self.to.extend(["\"[TRUNCATED: ", &bytes.to_string(), " bytes]\""]);
                return;
            }
        }
        self.pass(length);
    }

    fn peek(&self) -> Option<u8> {
        self.from.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.from.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn ahead(&self, length: usize) -> &str {
        self.from.get(self.at..self.at + length).unwrap_or_default()
    }

    fn pass(&mut self, length: usize) {
        let passed = self.from.get(self.at..self.at + length).unwrap_or_default();
        self.to.push_str(passed);
        self.at += length;
    }

    fn length_while(&self, belongs: impl Fn(u8) -> bool) -> usize {
        self.rest().iter().take_while(|byte| belongs(**byte)).count()
    }

    /// Returns the length of the string that begins here, with its quotes.
    fn string(&self) -> usize {
        string_length(self.rest())
    }

    /// Returns the length of the value that begins here.
    fn value(&self) -> usize {
        let rest = self.rest();
        match rest.first() {
            Some(b'"') => string_length(rest),
            Some(b'{' | b'[') => {
                let (mut depth, mut at) = (0_usize, 0);
                while let Some(byte) = rest.get(at) {
                    match byte {
                        b'"' => {
                            at += string_length(rest.get(at..).unwrap_or_default());
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                    at += 1;
                    if depth == 0 {
                        break;
                    }
                }
                at
            }
            _ => self.length_while(|byte| !b",}]".contains(&byte) && !byte.is_ascii_whitespace()),
        }
    }
}

fn string_length(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let end = text.iter().skip(1).position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

/// Whether the value of `key`, which begins with the byte `value`, is secret: by the words of which the key consists,
/// in camel case, snake case or kebab case. A number of `tokens` (`max_tokens`) is none.
fn is_secret(key: &str, value: Option<u8>) -> bool {
    let words = words(key);
    let is_number = value.is_some_and(|byte| byte.is_ascii_digit() || byte == b'-');
    let is_secret = |word: &String| {
        let is_count = is_number && word == "tokens";
        !is_count && SECRET_WORDS.iter().any(|secret| word.ends_with(secret))
    };
    let is_key = |pair: &[String]| {
        matches!(pair, [first, second]
            if KEY_WORDS.contains(&first.as_str()) && (second == "key" || second == "keys"))
    };
    words.iter().any(is_secret) || words.windows(2).any(is_key)
}

/// Returns the words of an identifier in lower case.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = key.chars().peekable();
    let mut before = ' ';
    while let Some(character) = characters.next() {
        let ends_acronym = before.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase());
        let begins = character.is_uppercase() && (before.is_lowercase() || ends_acronym);
        if !character.is_alphabetic() || begins {
            words.push(String::new());
        }
        if character.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_values_are_redacted_at_any_depth_and_in_any_case() {
        let kept =
            redact(r#"{"q":"x", "Password" : "p\"}","deep":[{"API-Key":"k","ok":1}],"token":{"a":["b"]}}"#);
        assert_eq!(
            kept,
            r#"{"q":"x", "Password" : "[REDACTED]","deep":[{"API-Key":"[REDACTED]","ok":1}],"token":"[REDACTED]"}"#
        );
    }

    #[test]
    fn keys_are_matched_by_their_words() {
        for key in [
            "accessToken",
            "clientSecret",
            "privateKey",
            "x-api-key",
            "X-API-KEY",
            "APIKey",
            "openaiApiKey",
            "client_secret_2",
            "OAuthToken",
            "accesstoken",
            "dbPassword",
            "aws_secret_access_key",
            "AuthorizationHeader",
            "refresh-token",
            "Set-Cookie",
            "secret\\u0054oken",
        ] {
            let kept = redact(&format!(r#"{{"a":{{"{key}":"canary"}}}}"#));
            assert_eq!(kept, format!(r#"{{"a":{{"{key}":"[REDACTED]"}}}}"#));
        }
        for (key, value) in [
            ("keyboard", "1"),
            ("secretary", "1"),
            ("primaryKey", "\"k\""),
            ("tokenizer", "1"),
            ("maxTokens", "9"),
        ] {
            let text = format!(r#"{{"{key}":{value}}}"#);
            assert_eq!(redact(&text), text);
        }
    }

    #[test]
    fn long_values_are_replaced_by_their_length() {
        let long = "x".repeat(LONGEST_VALUE + 1);
        assert_eq!(redact(&format!(r#"{{"a":"{long}"}}"#)), r#"{"a":"[TRUNCATED: 16385 bytes]"}"#);
    }

    #[test]
    fn arguments_that_no_value_can_hold_are_kept_as_text() {
        let kept = redact(r#"{"n":1e999,"accessToken":-1e999,"b":"x"}"#);
        let text: String = serde_json::from_str(&kept).unwrap();
        assert_eq!(text, r#"{"n":1e999,"accessToken":"[REDACTED]","b":"x"}"#);

        let deep = format!(r#"{{"q":"here","a":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
        let text: String = serde_json::from_str(&redact(&deep)).unwrap();
        assert!(text.starts_with(r#"{"q":"here","a":[[[["#) && text.contains("[CUT: "), "{}", text.len());
    }

    #[test]
    fn what_is_no_json_does_no_harm() {
        for text in ["", "{", r#"{"a"#, r#"{"token""#, r#"{"token":"#, r#"{"token":[{"#, "\"", "]}", "ü\"ü\\"]
        {
            let kept = redact(text);
            assert!(serde_json::from_str::<Value>(&kept).is_ok(), "{text}: {kept}");
        }
    }
}
