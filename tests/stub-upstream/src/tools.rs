//! What a call of a tool does: plain answers, streams of progress, and ways to misbehave.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    body::{self, Body, BreakOff},
    endpoint::{CallMode, Endpoint, Era, HugeShape},
    helper,
    message::{self, RpcError},
    misbehave, modern,
    state::State,
};

/// The stub's name and version.
pub(crate) fn server_info() -> Value {
    json!({"name": "stub-upstream", "title": "Stub upstream", "version": env!("CARGO_PKG_VERSION")})
}

/// Answers `tools/call`.
pub(crate) async fn call(
    state: &State,
    endpoint: &Endpoint,
    era: Era,
    id: &Value,
    params: &Value,
) -> Response<Body> {
    match endpoint.calls {
        CallMode::Normal => {}
        CallMode::Hang => return std::future::pending().await,
        CallMode::BadJson => return misbehave::bad_json(),
        CallMode::Huge { bytes, shape } => return huge(id, bytes, shape),
        CallMode::DieMidStream { clean } => return die_mid_stream(params, clean),
        CallMode::Asks { requests } => {
            return ask(requests, &message::result(id, &outcome(era, "done", false)));
        }
    }
    let name = params.get("name").and_then(Value::as_str).unwrap_or_default();
    if let Some((steps, pace)) = progress_wanted(state, name, params) {
        return progress(state, params, steps, pace, message::result(id, &outcome(era, "done", false)));
    }
    let message = match run(state, name, params) {
        Ok(Outcome::Done(text)) => message::result(id, &outcome(era, &text, false)),
        Ok(Outcome::Failed(text)) => message::result(id, &outcome(era, text, true)),
        Err(error) => error.answer(id),
    };
    endpoint.reply(StatusCode::OK, &message)
}

/// How a call of a tool ends.
enum Outcome {
    Done(String),
    Failed(&'static str),
}

/// Runs a tool that answers at once.
fn run(state: &State, name: &str, params: &Value) -> Result<Outcome, RpcError> {
    let argument = |key: &str| params.get("arguments").and_then(|arguments| arguments.get(key));
    let text = |key: &str| argument(key).and_then(Value::as_str);
    let number = |key: &str| argument(key).and_then(Value::as_f64);
    let outcome = match name {
        "echo" => text("message").map(|message| format!("Echo: {message}")).ok_or("echo needs a message"),
        "add" => match (number("a"), number("b")) {
            (Some(a), Some(b)) => Ok((a + b).to_string()),
            _ => Err("add needs the numbers a and b"),
        },
        "mirrored" => {
            text("region").map(|region| format!("Region: {region}")).ok_or("mirrored needs a region")
        }
        "fail" => Err("This tool always fails."),
        "protocol_error" => return Err(RpcError::new(-32603, "This tool breaks the server.")),
        _ if state.tools().has(name) => Ok(format!("{name} found nothing.")),
        _ => return Err(RpcError::new(-32602, format!("Unknown tool: {name}"))),
    };
    Ok(outcome.map_or_else(Outcome::Failed, Outcome::Done))
}

/// The result of a call whose content is one text.
fn outcome(era: Era, text: &str, is_error: bool) -> Value {
    let mut result = json!({"content": [{"type": "text", "text": text}]});
    if let (true, Some(object)) = (is_error, result.as_object_mut()) {
        object.insert("isError".into(), json!(true));
    }
    match era {
        Era::Legacy => result,
        Era::Modern => modern::complete(result),
    }
}

/// What each event of a stream waits for.
enum Pace {
    Delay(Duration),
    Gate(Arc<Semaphore>),
}

/// The number of steps and their pace, if the tool reports progress.
fn progress_wanted(state: &State, name: &str, params: &Value) -> Option<(u64, Pace)> {
    let argument = |key: &str| params.get("arguments").and_then(|arguments| arguments.get(key));
    let count = |key: &str| argument(key).and_then(Value::as_u64);
    let pace = match name {
        "slow_progress" => Pace::Delay(Duration::from_millis(count("delay_ms").unwrap_or(10))),
        "gated_progress" => {
            Pace::Gate(state.gate(argument("gate").and_then(Value::as_str).unwrap_or_default()))
        }
        _ => return None,
    };
    Some((count("steps").unwrap_or(3).min(1000), pace))
}

/// Streams one progress notification per step and then the result. Every event but the first waits for its pace.
fn progress(state: &State, params: &Value, steps: u64, pace: Pace, result: Value) -> Response<Body> {
    let token = params.get("_meta").and_then(|meta| meta.get("progressToken")).cloned();
    let cancelled = state.cancellations();
    let (feed, response) = body::events();
    tokio::spawn(async move {
        for step in 1..=steps + 1 {
            let event = match &token {
                _ if step > steps => body::event(&result),
                Some(token) => body::event(&progress_notification(token, step, steps)),
                None => Bytes::from_static(b": working\n\n"),
            };
            let paced = async {
                match &pace {
                    _ if step == 1 => {}
                    Pace::Delay(delay) => tokio::time::sleep(*delay).await,
                    // The semaphore of a gate is never closed.
                    Pace::Gate(gate) => {
                        if let Ok(permit) = gate.acquire().await {
                            permit.forget();
                        }
                    }
                }
            };
            tokio::select! {
                () = paced => {}
                () = feed.closed() => return cancelled.count(),
            }
            if feed.send(Ok(event)).await.is_err() {
                return cancelled.count();
            }
        }
    });
    response
}

fn progress_notification(token: &Value, step: u64, steps: u64) -> Value {
    json!({
        "jsonrpc": "2.0",
        "method": "notifications/progress",
        "params": {
            "progressToken": token,
            "progress": step,
            "total": steps,
            "message": format!("step {step} of {steps}"),
        },
    })
}

/// A valid answer of about this many bytes, or a stream that never ends.
pub(crate) fn huge(id: &Value, bytes: u64, shape: HugeShape) -> Response<Body> {
    let before = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"resultType\":\"complete\",\"content\":[{{\"type\":\"text\",\"text\":\""
    );
    let after = "\"}]}}";
    let frame = (before.len() + after.len()) as u64;
    let padding = bytes.saturating_sub(frame);
    let (feed, response) = match shape {
        HugeShape::Sized => body::stream("application/json", Some(frame + padding)),
        HugeShape::Chunked => body::stream("application/json", None),
        HugeShape::EndlessEvents | HugeShape::EndlessLine => body::events(),
    };
    tokio::spawn(async move {
        match shape {
            HugeShape::Sized | HugeShape::Chunked => {
                let _ = feed.send(Ok(before.into())).await.is_ok()
                    && helper::fill(&feed, padding).await
                    && feed.send(Ok(Bytes::from_static(after.as_bytes()))).await.is_ok();
            }
            HugeShape::EndlessEvents => {
                let event = body::event(&json!({
                    "jsonrpc": "2.0",
                    "method": "notifications/message",
                    "params": {"level": "info", "data": "x".repeat(16 * 1024)},
                }));
                while feed.send(Ok(event.clone())).await.is_ok() {}
            }
            HugeShape::EndlessLine => {
                let _ = feed.send(Ok(format!("event: message\ndata: {before}").into())).await.is_ok()
                    && helper::fill(&feed, u64::MAX).await;
            }
        }
    });
    response
}

/// One event, after which the stream ends without a response: broken off, or ended in order.
fn die_mid_stream(params: &Value, clean: bool) -> Response<Body> {
    let token = params.get("_meta").and_then(|meta| meta.get("progressToken")).cloned();
    let (feed, response) = body::events();
    tokio::spawn(async move {
        let event = match token {
            Some(token) => body::event(&progress_notification(&token, 1, 2)),
            None => Bytes::from_static(b": working\n\n"),
        };
        let _ = feed.send(Ok(event)).await;
        if !clean {
            // The event is given time to leave: a broken connection may take buffered bytes with it.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let _ = feed.send(Err(BreakOff)).await;
        }
    });
    response
}

/// Requests of the server's, and then the result.
fn ask(requests: u64, result: &Value) -> Response<Body> {
    let ask = |id| body::event(&json!({"jsonrpc": "2.0", "id": id, "method": "roots/list"}));
    let events: Vec<u8> = (0..requests).map(ask).chain([body::event(result)]).flatten().collect();
    body::with_body(StatusCode::OK, Some("text/event-stream"), events.into())
}
