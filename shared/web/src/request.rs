//! Requests and responses as handlers see them.

use std::net::{IpAddr, SocketAddr};

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

/// The client's address as the runtime knows it; a runtime puts it into the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Reads an address with or without a port, as runtimes and proxies write it. In a list the last one counts, which
    /// the nearest proxy has added; what stands before it came with the request. `None` if that is no address.
    pub fn parse(text: &str) -> Option<Self> {
        let last = text.rsplit(',').next()?.trim();
        let address =
            last.parse::<IpAddr>().or_else(|_| last.parse::<SocketAddr>().map(|socket| socket.ip()));
        address.ok().map(Self)
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
    /// The client's address, if it is known.
    pub client: Option<ClientAddress>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_address_is_read_as_runtimes_and_proxies_write_it() {
        let read = |text: &str| ClientAddress::parse(text).map(|address| address.0.to_string());
        assert_eq!(read("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(read("192.0.2.7:5000").as_deref(), Some("192.0.2.7"));
        assert_eq!(read("[2001:db8::1]:5000").as_deref(), Some("2001:db8::1"));
        assert_eq!(read("198.51.100.1, 192.0.2.7").as_deref(), Some("192.0.2.7"), "the proxy's own entry");
        assert_eq!(read("unknown"), None);
        assert_eq!(read(""), None);
    }
}
