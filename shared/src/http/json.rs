//! Strict JSON bodies: unknown fields are refused by name, because a mistyped restriction that is silently dropped
//! leaves things more open than their author believes.

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Reads a JSON body into `T`, which must `deny_unknown_fields`.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        // serde_json appends the position; the sentence before it is ours or serde's and never quotes a value of
        // a string type other than field and variant names.
        let sentence = text.split(" at line ").next().unwrap_or(&text);
        if error.is_data() {
            Error::invalid(public(sentence))
        } else {
            Error::invalid("the request body is not valid JSON")
        }
    })
}

/// serde's sentences, without the values that they quote: a token in the wrong field must not be echoed.
fn public(sentence: &str) -> String {
    if let Some(rest) = sentence.strip_prefix("unknown field `") {
        return format!("unknown field \"{}\"", rest.split('`').next().unwrap_or(rest));
    }
    if let Some(rest) = sentence.strip_prefix("missing field `") {
        return format!("{} is required", rest.split('`').next().unwrap_or(rest));
    }
    if let Some((_, expected)) = sentence.split_once(", expected ") {
        let what = if sentence.starts_with("unknown variant") { "unknown value" } else { "wrong type" };
        return format!("{what}: expected {}", expected.replace('`', "\""));
    }
    sentence.replace('`', "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[allow(dead_code)]
    struct Sample {
        name: String,
        server_token: Option<String>,
        mode: Option<Mode>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        None,
    }

    fn refusal(body: &str) -> String {
        parse::<Sample>(body.as_bytes()).unwrap_err().message.into_owned()
    }

    #[test]
    fn every_refusal_names_what_is_wrong_and_echoes_no_value() {
        assert_eq!(refusal(r#"{"name":"a","serverTokn":"canary"}"#), "unknown field \"serverTokn\"");
        assert_eq!(refusal(r#"{"serverToken":"canary"}"#), "name is required");
        assert_eq!(refusal(r#"{"name":"a","mode":"canary"}"#), "unknown value: expected \"none\"");
        assert_eq!(refusal(r#"{"name":{"canary":1}}"#), "wrong type: expected a string");
        assert_eq!(refusal("\"canary\""), "wrong type: expected struct Sample");
        for broken in ["", "{", "{\"name\":\"a\"} trailing", "\u{0}"] {
            assert_eq!(refusal(broken), "the request body is not valid JSON");
        }
    }
}
