//! Requests and responses as handlers see them.

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, Method, Uri};
use kernel::digest::hex;

use crate::body::Body;

/// A response on its way to the runtime.
pub type Response = http::Response<Body>;

/// The id of a request, `req_` and 32 hex characters, as shown in `X-Request-Id`, error bodies, logs and audit rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestId(pub String);

impl RequestId {
    /// Makes an id from 16 random bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(format!("req_{}", hex(&bytes)))
    }
}

/// All parts of a request except its body.
#[derive(Default)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The path and the query.
    pub uri: Uri,
    /// The headers. They include the caller's credential: never copy them to an upstream.
    pub headers: HeaderMap,
    /// This request's id.
    pub id: RequestId,
    /// The path's parameters by name, percent-decoded.
    pub params: Vec<(String, String)>,
}

impl Head {
    /// Returns a path parameter, percent-decoded; empty if the path has none of this name.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Returns the first non-empty query parameter of this name, decoded; `None` if there is none.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.uri.query()?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    }

    /// Returns a header as text; `None` if it is missing or not text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A request whose caller is known and whose body was read within the route's limit.
pub struct Request {
    /// All parts except the body.
    pub head: Head,
    /// The body.
    pub body: Bytes,
}
