//! JSON-RPC errors for requests that fail before their message is read (authentication, size, method). Errors in answer
//! to a message are made by `mcp::message`.
//!
//! The JSON-RPC code of such a failure is its HTTP status: MCP reserves -32768..-32000 and asks implementations to
//! choose their own codes outside of that range.

use http::StatusCode;
use serde::Serialize;

use super::{Dialect, text};
use crate::failure::Failure;
use crate::request::RequestId;

/// JSON-RPC 2.0 errors, for MCP endpoints.
pub struct JsonRpc;

/// A JSON-RPC error response for a request that was refused before its message was answered.
#[derive(Serialize, utoipa::ToSchema)]
pub struct JsonRpcError<'a> {
    /// Always `2.0`.
    #[schema(example = "2.0")]
    jsonrpc: &'a str,
    /// Always null: the message was not read.
    #[schema(value_type = Value)]
    id: (),
    #[schema(inline)]
    error: RpcFailure<'a>,
}

/// What happened.
#[derive(Serialize, utoipa::ToSchema)]
struct RpcFailure<'a> {
    /// The status of the response.
    code: u16,
    /// What is wrong, for people.
    message: &'a str,
    #[schema(inline)]
    data: Data<'a>,
}

/// Facts for programs.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    /// The kind of failure.
    #[schema(example = "authentication_required")]
    code: &'a str,
    /// The request's id, as in the header `X-Request-Id`.
    request_id: &'a str,
}

impl Dialect for JsonRpc {
    fn name(&self) -> &'static str {
        "JsonRpc"
    }

    fn body(&self, status: StatusCode, failure: &Failure, id: &RequestId) -> String {
        let data = Data { code: failure.code(), request_id: &id.0 };
        let error = RpcFailure { code: status.as_u16(), message: &failure.message(), data };
        text(&JsonRpcError { jsonrpc: "2.0", id: (), error })
    }

    #[cfg(not(target_family = "wasm"))]
    fn schema(&self) -> crate::openapi::NamedSchema {
        crate::openapi::named_schema::<JsonRpcError<'_>>()
    }
}
