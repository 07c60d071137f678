//! JSON-RPC 2.0 messages as MCP uses them. Parameters, results and errors stay raw text and are parsed only where
//! Postern has to read them.

mod raw;

use std::borrow::Cow;

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use self::raw::Text;
pub use self::raw::{MOST_MEMBERS, PARAMS_RULE, RawArray, RawObject, raw};

/// JSON-RPC and MCP error codes.
pub mod code {
    /// The body is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The JSON is not a request, notification or response.
    pub const INVALID_REQUEST: i64 = -32600;
    /// The method does not exist.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters have the wrong form, or name an unknown tool or an invalid cursor.
    pub const INVALID_PARAMS: i64 = -32602;
    /// A defect of the server.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// A header contradicts the body (2026-07-28).
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The server does not support the revision (2026-07-28).
    pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
}

/// One message, whose `jsonrpc` member has been checked.
#[derive(Debug)]
pub struct Message<'a> {
    /// The id, a string or an integer; `None` for notifications.
    pub id: Option<&'a RawValue>,
    /// The method; `None` for responses.
    pub method: Option<Cow<'a, str>>,
    /// The parameters, if there are any.
    pub params: Option<&'a RawValue>,
    /// The result of a successful response.
    pub result: Option<&'a RawValue>,
    /// The error of a failed response.
    pub error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Reads a member so that `null` counts as a value, not as absence.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Message<'a> {
    /// Reads one message. The error is the answer, with the message's id if that could be read.
    pub fn parse(json: &'a str) -> Result<Self, RpcError> {
        let wire: Wire<'a> = serde_json::from_str(json).map_err(|error| {
            if error.is_data() {
                RpcError::invalid_request("not a JSON-RPC message")
            } else {
                RpcError::new(StatusCode::BAD_REQUEST, code::PARSE_ERROR, "the body is not valid JSON")
            }
        })?;
        let id_fits = wire.id.is_none_or(is_id);
        let id = wire.id.filter(|id| is_id(id));
        let refuse = |message| Err(RpcError::invalid_request(message).with_id(id));
        if wire.jsonrpc.as_deref() != Some("2.0") {
            return refuse("jsonrpc must be \"2.0\"");
        }
        if !id_fits {
            return refuse("id must be a string or an integer");
        }
        if wire.method.is_none() && (id.is_none() || wire.result.is_some() == wire.error.is_some()) {
            return refuse("not a request, notification or response");
        }
        let method = wire.method.map(|text| text.0);
        Ok(Self { id, method, params: wire.params, result: wire.result, error: wire.error })
    }

    /// Returns `true` if the message is a response.
    pub fn is_response(&self) -> bool {
        self.method.is_none()
    }
}

/// Returns `true` for an id that MCP allows: a string or an integer. JSON-RPC also allows null and fractions.
fn is_id(raw: &RawValue) -> bool {
    let text = raw.get();
    text.starts_with('"')
        || (!text.contains(['.', 'e', 'E']) && text.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
}

/// An error answer to a message, with the HTTP status that carries it.
#[derive(Debug)]
pub struct RpcError {
    /// The HTTP status; 200 for errors that a method's handler returned.
    pub status: StatusCode,
    /// The JSON-RPC error code.
    pub code: i64,
    /// The public text.
    pub message: Cow<'static, str>,
    /// The error's `data`.
    pub data: Option<Box<RawValue>>,
    /// The id of the request; `None` (sent as null) if the id is unknown.
    pub id: Option<Box<RawValue>>,
}

impl RpcError {
    /// Creates an error without data and id.
    pub fn new(status: StatusCode, code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), data: None, id: None }
    }

    /// Creates the error for a body that is no valid message: HTTP 400, code -32600.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message)
    }

    /// Creates the error for parameters that a handler does not accept: HTTP 200, code -32602.
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::OK, code::INVALID_PARAMS, message)
    }

    /// Creates the error for a header that contradicts the body: HTTP 400, code -32020.
    pub fn header_mismatch(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code::HEADER_MISMATCH, message)
    }

    /// Sets the request's id, unless the error already has one.
    #[must_use]
    pub fn with_id(mut self, id: Option<&RawValue>) -> Self {
        self.id = self.id.or_else(|| id.map(ToOwned::to_owned));
        self
    }

    /// Adds `data`.
    #[must_use]
    pub fn with_data(mut self, data: &impl Serialize) -> Self {
        self.data = Some(raw(data));
        self
    }

    /// Returns the error as the text of a response message.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            code: i64,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a RawValue>,
        }
        let error = raw(&Body { code: self.code, message: &self.message, data: self.data.as_deref() });
        response(self.id.as_deref().unwrap_or(RawValue::NULL), "error", &error)
    }
}

/// Returns the text of a response message; `outcome` is the member's name, `result` or `error`.
pub fn response(id: &RawValue, outcome: &str, content: &RawValue) -> String {
    let (id, content) = (id.get(), content.get());
    let mut text = String::with_capacity(id.len() + content.len() + 40);
    text.push_str(r#"{"jsonrpc":"2.0","id":"#);
    text.push_str(id);
    text.push_str(",\"");
    text.push_str(outcome);
    text.push_str("\":");
    text.push_str(content);
    text.push('}');
    text
}

/// Returns the text of a request message.
pub fn request(id: &RawValue, method: &str, params: &RawValue) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},"method":"{method}","params":{}}}"#, id.get(), params.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_type_and_text() {
        for id in ["1", "-7", "\"a\\u0062\"", "9007199254740993", "\"\""] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(Message::parse(&text).unwrap().id.unwrap().get(), id);
        }
        for id in ["null", "1.5", "1e3", "true", "{}", "[1]"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(Message::parse(&text).unwrap_err().code, code::INVALID_REQUEST, "{id}");
        }
    }

    #[test]
    fn texts_that_are_no_messages_are_refused_with_a_fitting_code() {
        for (text, expected) in [
            ("", code::PARSE_ERROR),
            ("{", code::PARSE_ERROR),
            ("[]", code::INVALID_REQUEST),
            ("{}", code::INVALID_REQUEST),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, code::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1}"#, code::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, code::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, code::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, code::INVALID_REQUEST),
        ] {
            assert_eq!(Message::parse(text).unwrap_err().code, expected, "{text}");
        }
        assert!(Message::parse(r#"{"jsonrpc":"2.0","id":1,"result":null}"#).unwrap().is_response());
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{deep}}}"#);
        assert!(Message::parse(&text).is_ok());
    }
}
