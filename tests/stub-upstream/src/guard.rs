//! `/guarded/<kind>/…`: endpoints that answer 401 to requests without a credential, and the RFC 9728 documents that
//! some of these answers name.
//!
//! | Kind | `WWW-Authenticate` |
//! |---|---|
//! | `plain` | says nothing about OAuth, and there is no document |
//! | `metadata` | names a document that describes the endpoint |
//! | `foreign` | names a document that describes another resource |
//! | `broken` | names a document that is a web page |
//! | `internal` | names a document at a private address |

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{
    body::{self, Body},
    endpoint::text,
};

const WELL_KNOWN: [&str; 2] = [".well-known", "oauth-protected-resource"];

/// Returns the segments behind the guard, or the guard's own answer. Other paths are returned as they are.
pub(crate) fn pass<'s, 'p>(
    segments: &'s [&'p str],
    headers: &HeaderMap,
) -> Result<&'s [&'p str], Box<Response<Body>>> {
    match segments {
        [one, two, "guarded", kind, rest @ ..] if [*one, *two] == WELL_KNOWN => {
            Err(Box::new(document(kind, rest, headers)))
        }
        ["guarded", kind, rest @ ..] if !shows_credential(headers) => {
            Err(Box::new(refusal(kind, rest, headers)))
        }
        ["guarded", _, rest @ ..] => Ok(rest),
        _ => Ok(segments),
    }
}

fn shows_credential(headers: &HeaderMap) -> bool {
    ["authorization", "x-api-key"].iter().any(|name| headers.contains_key(*name))
}

fn refusal(kind: &str, rest: &[&str], headers: &HeaderMap) -> Response<Body> {
    let mut response = body::json(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_token"}));
    let metadata = match kind {
        "metadata" | "foreign" | "broken" => format!(
            "Bearer resource_metadata=\"http://{}/{}/guarded/{kind}/{}\", scope=\"read\"",
            host(headers),
            WELL_KNOWN.join("/"),
            rest.join("/")
        ),
        "internal" => "Bearer resource_metadata=\"http://169.254.169.254/latest/meta-data/\"".to_owned(),
        _ => "Bearer realm=\"stub\"".to_owned(),
    };
    if let Ok(value) = HeaderValue::from_str(&metadata) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

fn document(kind: &str, rest: &[&str], headers: &HeaderMap) -> Response<Body> {
    let resource = match kind {
        "metadata" => format!("http://{}/guarded/{kind}/{}", host(headers), rest.join("/")),
        "foreign" => "https://somebody-else.example.com/mcp".to_owned(),
        "broken" => {
            let page = Bytes::from_static(b"<!doctype html><title>Not metadata</title>");
            return body::with_body(StatusCode::OK, Some("text/html; charset=utf-8"), page);
        }
        _ => return body::text(StatusCode::NOT_FOUND, "no such document"),
    };
    let document = json!({
        "resource": resource,
        "authorization_servers": ["https://login.example.com"],
        "scopes_supported": ["read"],
        "bearer_methods_supported": ["header"],
    });
    body::json(StatusCode::OK, &document)
}

/// The stub's authority as the peer wrote it.
fn host(headers: &HeaderMap) -> &str {
    text(headers, "host").unwrap_or_default()
}
