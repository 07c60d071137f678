//! What a handler is given and what it returns.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde::Serialize;

use super::body::Body;
use crate::seal::hex;
use crate::{Error, Result};

/// A response on its way to the runtime.
pub type Response = http::Response<Body>;

/// `req_` and 32 hex characters; travels in `X-Request-Id`, error bodies, logs and audit rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// The id made of 16 random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("req_{}", hex(&bytes)))
    }
}

/// A path parameter of a known form.
pub trait FromParam: Sized {
    /// Reads it; the error is what the route answers for a malformed one.
    fn from_param(text: &str) -> Result<Self>;
}

/// A request whose route is known and whose body was read within the route's limit.
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// Headers. They include the caller's credential: never copy them to an upstream.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// This request's id.
    pub id: RequestId,
    pub(super) params: Vec<(String, String)>,
}

impl Request {
    /// A path parameter, typed.
    pub fn param<T: FromParam>(&self, name: &str) -> Result<T> {
        T::from_param(self.text_param(name))
    }

    /// A path parameter, percent-decoded.
    pub fn text_param(&self, name: &str) -> &str {
        self.params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The first query parameter of this name, decoded; an empty one counts as absent.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.uri.query()?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    }

    /// A header as text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A response with `body` as JSON.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let text = serde_json::to_string(body).map_err(|error| Error::internal(error.to_string()))?;
    Ok(with_type(status, "application/json", text))
}

/// A response without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// A response with a text body of the given media type.
pub fn with_type(status: StatusCode, media_type: &'static str, text: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::Whole(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
