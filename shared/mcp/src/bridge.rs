//! Translates an upstream's messages into the agent's era.
//!
//! Results keep their content byte for byte; only the envelope changes. A modern agent gets `resultType` and Postern as
//! `serverInfo`; a legacy agent gets neither. Upstream errors keep code, message and data, except errors about the
//! headers or the revision, since Postern itself chose those.

use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

use super::message::{Message, RawObject, code, raw, response};
use super::{Era, implementation, meta};

/// One exchange between an agent and an upstream.
pub struct Bridge {
    /// The agent's era.
    pub agent: Era,
    /// The id of the agent's request.
    pub agent_id: Box<RawValue>,
    /// The id of Postern's request to the upstream.
    pub upstream_id: Box<RawValue>,
    /// Whether the agent gets the upstream's log messages.
    pub logs: bool,
    /// The integration's slug, which names the upstream in texts.
    pub slug: String,
}

/// What the gateway does with an upstream's message.
pub enum Relay {
    /// Sends this text to the agent.
    Forward(String),
    /// Sends this response to the agent and ends the exchange.
    Final(Final),
    /// Answers the upstream's request with this id with an error.
    Decline(Box<RawValue>),
    /// Sends nothing to the agent.
    Drop,
}

/// The response to the agent.
#[derive(Debug)]
pub struct Final {
    /// The JSON-RPC message.
    pub json: String,
    /// The HTTP status, if the response is sent as JSON.
    pub status: u16,
    /// Whether the tool succeeded.
    pub success: bool,
    /// Why the tool failed, for the audit row; never a text of the upstream.
    pub error: Option<String>,
    /// The number of content blocks in the result.
    pub content_blocks: u64,
}

impl Bridge {
    /// Translates one message of the upstream. A text that is no message, or none for this exchange, is dropped.
    pub fn relay(&self, text: &str) -> Relay {
        let Ok(message) = Message::parse(text) else {
            return Relay::Drop;
        };
        match (message.method.as_deref(), message.id) {
            (Some(_), Some(id)) => Relay::Decline(id.to_owned()),
            (Some("notifications/progress"), None) => Relay::Forward(text.to_owned()),
            (Some("notifications/message"), None) if self.logs => Relay::Forward(text.to_owned()),
            (None, id) if id.is_some_and(|id| id.get() == self.upstream_id.get()) => {
                Relay::Final(self.outcome(&message))
            }
            _ => Relay::Drop,
        }
    }

    /// Translates a JSON body, which must be the response; any other body becomes a failed result.
    pub fn json(&self, text: &str) -> Final {
        match self.relay(text) {
            Relay::Final(outcome) => outcome,
            // A server that could not read the request answers without the request's id.
            _ => match RawObject::parse(text).as_ref().and_then(|message| message.get("error")) {
                Some(error) => self.error(error),
                None => self.failed("the upstream's answer is not a JSON-RPC response"),
            },
        }
    }

    /// Returns the response for an exchange without a usable answer of the upstream: a tool result with `isError`, so
    /// that the agent's model can react.
    pub fn failed(&self, reason: &str) -> Final {
        let text = format!("upstream:{}: {reason}", self.slug);
        let result = raw(&json!({ "content": [{ "type": "text", "text": text }], "isError": true }));
        let mut outcome = self.result(&result);
        outcome.error = Some(reason.to_owned());
        outcome
    }

    /// Returns the successful response to a call that Postern answers by itself with `text`.
    pub fn told(&self, text: &str) -> Final {
        self.result(&raw(&json!({ "content": [{ "type": "text", "text": text }] })))
    }

    fn outcome(&self, message: &Message<'_>) -> Final {
        match (message.result, message.error) {
            (Some(result), _) => self.result(result),
            (None, Some(error)) => self.error(error),
            (None, None) => self.failed("the upstream's answer has neither result nor error"),
        }
    }

    fn result(&self, result: &RawValue) -> Final {
        let Some(mut members) = RawObject::parse(result.get()) else {
            return self.failed("the upstream's result is not an object that can be read");
        };
        if self.agent == Era::Legacy && members.text("resultType").is_some_and(|kind| kind != "complete") {
            return self.failed("the tool asks for input that this client's protocol version cannot give");
        }
        let failed = members.get("isError").is_some_and(|flag| flag.get() == "true");
        let content_blocks = members.get("content").map_or(0, |content| {
            serde_json::from_str::<Vec<IgnoredAny>>(content.get()).map_or(0, |blocks| blocks.len() as u64)
        });
        let old_meta = members.get("_meta").map(ToOwned::to_owned);
        let mut new_meta =
            old_meta.as_deref().and_then(|meta| RawObject::parse(meta.get())).unwrap_or_default();
        match self.agent {
            Era::Modern => {
                new_meta.set(meta::SERVER_INFO, implementation());
                if members.get("resultType").is_none() {
                    members.set("resultType", raw(&"complete"));
                }
            }
            Era::Legacy => {
                new_meta.retain(|key| !key.starts_with(meta::PREFIX));
                members.retain(|key| !matches!(key, "resultType" | "ttlMs" | "cacheScope"));
            }
        }
        if new_meta.is_empty() {
            members.remove("_meta");
        } else {
            members.set("_meta", new_meta.to_raw());
        }
        Final {
            json: response(&self.agent_id, "result", &members.to_raw()),
            status: 200,
            success: !failed,
            error: failed.then(|| "the tool reported an error".to_owned()),
            content_blocks,
        }
    }

    fn error(&self, error: &RawValue) -> Final {
        #[derive(serde::Deserialize)]
        struct Code {
            code: i64,
        }
        let Ok(Code { code: number }) = serde_json::from_str(error.get()) else {
            return self.failed("the upstream's error has no code");
        };
        if matches!(number, code::HEADER_MISMATCH | code::UNSUPPORTED_PROTOCOL_VERSION) {
            return self.failed("the upstream does not accept this protocol version any more");
        }
        Final {
            json: response(&self.agent_id, "error", error),
            // MissingRequiredClientCapability is the only error of a handler with an HTTP status of its own
            // (2026-07-28).
            status: if self.agent == Era::Modern && number == -32021 { 400 } else { 200 },
            success: false,
            error: Some(format!("the upstream answered JSON-RPC error {number}")),
            content_blocks: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(agent: Era) -> Bridge {
        Bridge { agent, agent_id: raw(&"a"), upstream_id: raw(&7), logs: false, slug: "up".to_owned() }
    }

    const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"h\u0069"}],"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x"},"k":1}}}"#;

    #[test]
    fn a_modern_agent_gets_postern_as_server_info_and_a_legacy_agent_gets_no_envelope() {
        let modern = bridge(Era::Modern).json(RESULT);
        assert!(modern.success);
        assert_eq!(modern.content_blocks, 1);
        assert!(modern.json.starts_with(
            r#"{"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"h\u0069"}]"#
        ));
        assert!(modern.json.contains(r#""name":"postern""#) && !modern.json.contains(r#""name":"x""#));
        let legacy = bridge(Era::Legacy).json(RESULT);
        assert_eq!(
            legacy.json,
            r#"{"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"h\u0069"}],"_meta":{"k":1}}}"#
        );
        let bare = bridge(Era::Modern).json(r#"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#);
        assert!(bare.json.contains(r#""resultType":"complete""#));
    }

    #[test]
    fn errors_keep_their_content_unless_they_are_about_posterns_headers() {
        let error = r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no such tool","data":1}}"#;
        let relayed = bridge(Era::Legacy).json(error);
        assert_eq!(
            relayed.json,
            r#"{"jsonrpc":"2.0","id":"a","error":{"code":-32602,"message":"no such tool","data":1}}"#
        );
        assert!(!relayed.success);
        let ours =
            bridge(Era::Modern).json(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32020,"message":"x"}}"#);
        assert!(ours.json.contains("isError"));
        let capability =
            bridge(Era::Modern).json(r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32021,"message":"x"}}"#);
        assert_eq!(capability.status, 400);
    }

    #[test]
    fn only_progress_requested_logs_and_the_response_reach_the_agent() {
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
        assert!(matches!(bridge(Era::Modern).relay(progress), Relay::Forward(text) if text == progress));
        let log =
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
        assert!(matches!(bridge(Era::Modern).relay(log), Relay::Drop));
        assert!(matches!(Bridge { logs: true, ..bridge(Era::Legacy) }.relay(log), Relay::Forward(_)));
        let asks = r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#;
        assert!(matches!(bridge(Era::Legacy).relay(asks), Relay::Decline(id) if id.get() == "1"));
        let foreign = r#"{"jsonrpc":"2.0","id":8,"result":{}}"#;
        assert!(matches!(bridge(Era::Legacy).relay(foreign), Relay::Drop));
        assert!(bridge(Era::Legacy).json(foreign).json.contains("isError"));
    }

    #[test]
    fn a_legacy_agent_gets_a_failed_result_when_a_tool_asks_for_input() {
        let asks = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","requestState":"s"}}"#;
        assert!(bridge(Era::Legacy).json(asks).json.contains("isError"));
        assert!(bridge(Era::Modern).json(asks).json.contains("input_required"));
    }
}
