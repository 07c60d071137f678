//! The headers that an operator or a customer may set.

use http::HeaderName;

/// Longest value of a header, in bytes.
pub(super) const LONGEST_TEMPLATE: usize = 1024;
/// Headers that no template may set, because they belong to the transport, to MCP, or to proxies on the way.
pub(super) const FORBIDDEN: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
pub(super) const FORBIDDEN_PREFIXES: [&str; 5] = ["mcp-", "proxy-", "cf-", "x-forwarded-", "sec-"];

/// Why a header must not be set.
#[derive(Debug, PartialEq, Eq)]
pub enum HeaderNameError {
    /// The text is not a field name of RFC 9110 §5.1.
    Malformed,
    /// The header belongs to the transport, to MCP, or to proxies on the way.
    Reserved(HeaderName),
}

/// Checks the name of a header that is to be set.
pub fn check_header_name(name: &str) -> std::result::Result<HeaderName, HeaderNameError> {
    let name = HeaderName::try_from(name).map_err(|_| HeaderNameError::Malformed)?;
    let lower = name.as_str();
    if FORBIDDEN.contains(&lower) || FORBIDDEN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(HeaderNameError::Reserved(name));
    }
    Ok(name)
}

/// Returns `true` for a value that a header may be set to: 1 to 1024 characters of visible ASCII and spaces.
pub fn is_header_value(value: &str) -> bool {
    let visible = value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    visible && (1..=LONGEST_TEMPLATE).contains(&value.len())
}
