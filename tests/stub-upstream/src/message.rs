//! JSON-RPC messages: reading what was posted, building what is answered.

use serde_json::{Value, json};

/// The message in a POST.
pub(crate) enum Message {
    Request { id: Value, method: String, params: Value },
    Notification,
    Response,
}

/// Why a body is no message.
pub(crate) enum Malformed {
    NotJson,
    NotAMessage,
}

/// A JSON-RPC error object.
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn with_data(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }

    /// The message that answers the request `id` with this error.
    pub(crate) fn answer(&self, id: &Value) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let (Some(data), Some(object)) = (&self.data, error.as_object_mut()) {
            object.insert("data".into(), data.clone());
        }
        json!({"jsonrpc": "2.0", "id": id, "error": error})
    }
}

impl From<Malformed> for RpcError {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::NotJson => Self::new(-32700, "Parse error"),
            Malformed::NotAMessage => Self::new(-32600, "Invalid request: not a single JSON-RPC message"),
        }
    }
}

/// Reads a posted body.
pub(crate) fn read(body: &[u8]) -> Result<Message, Malformed> {
    let value: Value = serde_json::from_slice(body).map_err(|_| Malformed::NotJson)?;
    let Value::Object(mut object) = value else {
        return Err(Malformed::NotAMessage);
    };
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(Malformed::NotAMessage);
    }
    let id = object.remove("id");
    match (object.remove("method"), id) {
        (Some(Value::String(method)), Some(id)) if id.is_string() || id.is_i64() || id.is_u64() => {
            Ok(Message::Request { id, method, params: object.remove("params").unwrap_or_default() })
        }
        (Some(Value::String(_)), None) => Ok(Message::Notification),
        (None, Some(_)) if object.contains_key("result") || object.contains_key("error") => {
            Ok(Message::Response)
        }
        _ => Err(Malformed::NotAMessage),
    }
}

/// The message that answers the request `id` with this result.
pub(crate) fn result(id: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}
