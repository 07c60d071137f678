//! Between eras: what an upstream's message becomes on its way to the agent.
//!
//! Results keep their content byte for byte; only the envelope changes. A modern agent gets `resultType` and Postern as
//! `serverInfo`; a legacy agent gets neither. Upstream errors keep code, message and data, except those that blame the
//! headers or revision that Postern itself chose.

use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

use super::message::{Message, RawObject, code, raw, response};
use super::{Era, implementation, meta};

/// One exchange between an agent and an upstream.
pub struct Bridge {
    /// The agent's era.
    pub agent: Era,
    /// The agent's request id.
    pub agent_id: Box<RawValue>,
    /// The id that the upstream was given.
    pub upstream_id: Box<RawValue>,
    /// Whether log messages may be passed on.
    pub logs: bool,
    /// Slug, to name the upstream in texts.
    pub slug: String,
}

/// What to do with an upstream's message.
pub enum Relay {
    /// Pass this on.
    Forward(String),
    /// The response: pass this on, the exchange is over.
    Final(Final),
    /// A request by the upstream; its id. It has to be refused.
    Refuse(Box<RawValue>),
    /// Nothing for the agent.
    Drop,
}

/// The response to the agent.
#[derive(Debug)]
pub struct Final {
    /// The message.
    pub json: String,
    /// HTTP status when it is sent as JSON.
    pub status: u16,
    /// Whether the tool succeeded.
    pub success: bool,
    /// Why not, for the audit row; Postern's words.
    pub error: Option<String>,
    /// Number of content blocks.
    pub content_blocks: u64,
}

impl Bridge {
    /// Translates one message of the upstream.
    pub fn relay(&self, text: &str) -> Relay {
        let Ok(message) = Message::parse(text) else {
            return Relay::Drop;
        };
        match (message.method.as_deref(), message.id) {
            (Some(_), Some(id)) => Relay::Refuse(id.to_owned()),
            (Some("notifications/progress"), None) => Relay::Forward(text.to_owned()),
            (Some("notifications/message"), None) if self.logs => Relay::Forward(text.to_owned()),
            (None, id) if id.is_some_and(|id| id.get() == self.upstream_id.get()) => {
                Relay::Final(self.outcome(&message))
            }
            _ => Relay::Drop,
        }
    }

    /// Translates a JSON answer, which must be the response.
    pub fn json(&self, text: &str) -> Final {
        match self.relay(text) {
            Relay::Final(outcome) => outcome,
            // A server that could not read our request answers without its id.
            _ => match RawObject::parse(text).as_ref().and_then(|message| message.get("error")) {
                Some(error) => self.error(error),
                None => self.failed("the upstream's answer is not a JSON-RPC response"),
            },
        }
    }

    /// The answer when there is none from the upstream: a tool result with `isError`, so that the model can react.
    pub fn failed(&self, reason: &str) -> Final {
        let text = format!("upstream:{}: {reason}", self.slug);
        let result = raw(&json!({ "content": [{ "type": "text", "text": text }], "isError": true }));
        let mut outcome = self.result(&result);
        outcome.error = Some(reason.to_owned());
        outcome
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
            return self.failed("the upstream's result is not an object");
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
            // MissingRequiredClientCapability is the one handler error with a status of its own.
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
    fn a_modern_agent_sees_postern_and_a_legacy_agent_sees_no_envelope() {
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
    fn errors_keep_their_words_unless_they_blame_our_own_headers() {
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
    fn only_what_concerns_the_agent_is_passed_on() {
        let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
        assert!(matches!(bridge(Era::Modern).relay(progress), Relay::Forward(text) if text == progress));
        let log =
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
        assert!(matches!(bridge(Era::Modern).relay(log), Relay::Drop));
        assert!(matches!(Bridge { logs: true, ..bridge(Era::Legacy) }.relay(log), Relay::Forward(_)));
        let asks = r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{}}"#;
        assert!(matches!(bridge(Era::Legacy).relay(asks), Relay::Refuse(id) if id.get() == "1"));
        let foreign = r#"{"jsonrpc":"2.0","id":8,"result":{}}"#;
        assert!(matches!(bridge(Era::Legacy).relay(foreign), Relay::Drop));
        assert!(bridge(Era::Legacy).json(foreign).json.contains("isError"));
    }

    #[test]
    fn a_legacy_agent_is_told_that_it_cannot_answer() {
        let asks = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","requestState":"s"}}"#;
        assert!(bridge(Era::Legacy).json(asks).json.contains("isError"));
        assert!(bridge(Era::Modern).json(asks).json.contains("input_required"));
    }
}
