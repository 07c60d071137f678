//! Dialects: the error forms of the public APIs. A handler never formats an error; the dialect of its family does.
//!
//! A new dialect is a new file here, with one implementation of [`Dialect`].

mod feather;
mod hoziron;
mod json_rpc;
mod kontext;
mod problem;

pub use feather::{Feather, FeatherError};
pub use hoziron::{Hoziron, HozironError};
pub use json_rpc::{JsonRpc, JsonRpcError};
pub use kontext::{Kontext, KontextError};
pub use problem::{Problem, ProblemDetails};

use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::answer::with_type;
use crate::failure::Failure;
use crate::request::{RequestId, Response};

/// The error form of a family of routes.
pub trait Dialect: 'static {
    /// Returns the dialect's name, with which the names of its shared responses in the OpenAPI document begin.
    fn name(&self) -> &'static str;

    /// Returns the media type of the error bodies.
    fn media_type(&self) -> &'static str {
        "application/json"
    }

    /// Returns the HTTP status of a failure: [`Failure::status`], unless the dialect has another one.
    fn status(&self, failure: &Failure) -> StatusCode {
        failure.status()
    }

    /// Returns the error body as JSON.
    fn body(&self, status: StatusCode, failure: &Failure, id: &RequestId) -> String;

    /// Returns the value of `WWW-Authenticate` in a 401 (RFC 9110 §11.6.1).
    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Bearer realm=\"postern\"")
    }

    /// Returns the schema of the error bodies, with its name and the schemas that it refers to.
    #[cfg(not(target_family = "wasm"))]
    fn schema(&self) -> crate::openapi::NamedSchema;
}

/// Returns the response for `failure`, with the headers that its status requires.
pub fn render(dialect: &dyn Dialect, failure: &Failure, id: &RequestId) -> Response {
    let status = dialect.status(failure);
    let mut response = with_type(status, dialect.media_type(), dialect.body(status, failure, id));
    let headers = response.headers_mut();
    if failure.is_unauthenticated() {
        headers.insert(WWW_AUTHENTICATE, dialect.challenge());
    }
    if let Failure::MethodNotAllowed { allow } = failure
        && let Ok(allow) = HeaderValue::from_str(allow)
    {
        headers.insert(ALLOW, allow);
    }
    if let Some(seconds) = failure.retry_after() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Returns an error body as JSON. No member of an error body can fail to serialize.
fn text(body: &impl serde::Serialize) -> String {
    serde_json::to_string(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use kernel::Error;

    use super::*;

    /// A dialect that differs from all others: lists of `{code, field, message}`, and 422 for broken rules.
    struct Listing;

    impl Dialect for Listing {
        fn name(&self) -> &'static str {
            "Listing"
        }

        fn status(&self, failure: &Failure) -> StatusCode {
            if failure.reasons().is_empty() { failure.status() } else { StatusCode::UNPROCESSABLE_ENTITY }
        }

        fn body(&self, _status: StatusCode, failure: &Failure, _id: &RequestId) -> String {
            let errors: Vec<_> = failure
                .reasons()
                .iter()
                .map(|reason| {
                    serde_json::json!({
                        "code": reason.code, "field": reason.field, "message": reason.message,
                    })
                })
                .collect();
            text(&serde_json::json!({ "errors": errors }))
        }

        fn schema(&self) -> crate::openapi::NamedSchema {
            Problem.schema()
        }
    }

    fn rendered(failure: &Failure) -> (StatusCode, String) {
        let response = render(&Listing, failure, &RequestId::from_bytes([0; 16]));
        let status = response.status();
        match response.into_body() {
            crate::Body::Whole(body) => (status, String::from_utf8(body.to_vec()).unwrap()),
            _ => panic!("no body"),
        }
    }

    #[test]
    fn a_dialect_may_have_its_own_statuses_and_gets_every_reason() {
        let failure = Error::invalid_field("name", "is required").with_reason("url", "must be an https URL");
        assert_eq!(
            rendered(&failure.into()),
            (
                StatusCode::UNPROCESSABLE_ENTITY,
                r#"{"errors":[{"code":"validation_error","field":"name","message":"is required"},{"code":"validation_error","field":"url","message":"must be an https URL"}]}"#.to_owned()
            )
        );
        assert_eq!(rendered(&Failure::TooLarge { limit: 1 }).0, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn the_headers_that_a_status_requires_are_set_in_every_dialect() {
        let id = RequestId::from_bytes([0; 16]);
        let dialects: [&dyn Dialect; 5] = [&Kontext, &Hoziron, &Feather, &Problem, &JsonRpc];
        for dialect in dialects {
            let unknown = Error::new(kernel::Code::Unauthenticated, "no key").into();
            assert!(render(dialect, &unknown, &id).headers().contains_key(WWW_AUTHENTICATE));
            let method = Failure::MethodNotAllowed { allow: "GET, OPTIONS".to_owned() };
            assert_eq!(render(dialect, &method, &id).headers()[ALLOW], "GET, OPTIONS");
            let busy = Error::new(kernel::Code::Unavailable, "the store is unavailable").into();
            assert_eq!(render(dialect, &busy, &id).headers()[RETRY_AFTER], "5");
            let often = render(dialect, &Failure::TooMany { retry_after: 17 }, &id);
            assert_eq!(often.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(often.headers()[RETRY_AFTER], "17");
        }
    }
}
