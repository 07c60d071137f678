//! The schema of URLs that [`SafeUrl::parse`](super::SafeUrl::parse) accepts.
//!
//! The schema describes URIs (RFC 3986). The parser also reads what is no URI or not in its usual form: host names
//! that are not ASCII or percent-encoded, IPv4 addresses in other notations than four decimal numbers, IPv6 addresses
//! that end in the notation of IPv4, and characters that should be percent-encoded. One rule of the parser is beyond
//! any schema: a label that begins with `xn--` must be valid Punycode (RFC 3492).

use serde_json::{Value, json};
use utoipa::openapi::schema::{AnyOfBuilder, ObjectBuilder, SchemaFormat};
use utoipa::openapi::{RefOr, Schema};

use super::{MAX_LENGTH, MAX_NAME_LENGTH, PRIVATE_SUFFIXES, WILDCARD_SUFFIXES};
use crate::schema::{in_any_case, keyword, text};

crate::schema_type! {
    /// The URL of an upstream or of an authorization server, see [`SafeUrl::parse`](super::SafeUrl::parse).
    UpstreamUrl, schema()
}

const SCHEME: &str = "^[Hh][Tt][Tt][Pp][Ss]://";
/// A label of RFC 1035 §2.3, also with underscores.
const LABEL: &str = "[0-9A-Za-z_-]{1,63}";
/// A last label that makes the host an IPv4 address (WHATWG URL, "ends in a number").
const NUMBER: &str = "(?:[0-9]+|0[xX][0-9A-Fa-f]*)";
const OCTET: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
/// No port, 443, or a port from 1024 up.
const PORT: &str = "(?::(?:0*(?:443|102[4-9]|10[3-9][0-9]|1[1-9][0-9]{2}|[2-9][0-9]{3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|\
                    65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?)?";
/// Path and query (RFC 3986 §3.3, §3.4); there is no fragment.
const REST: &str = "(?:[/?](?:[0-9A-Za-z._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?$";
/// What follows a host's last character.
const END_OF_HOST: &str = "(?:[:/?]|$)";
/// The IPv4 addresses that are not global, see `is_global_v4`: each alternative is a prefix.
const SPECIAL_V4: &str = "(?:(?:0|10|127|22[4-9]|2[3-5][0-9])\\.|100\\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\\.|\
                          169\\.254\\.|172\\.(?:1[6-9]|2[0-9]|3[01])\\.|192\\.0\\.[02]\\.|192\\.88\\.99\\.|\
                          192\\.168\\.|198\\.1[89]\\.|198\\.51\\.100\\.|203\\.0\\.113\\.|\
                          168\\.63\\.129\\.16(?:[:/?]|$))";
/// The addresses in `2000::/3` that are not global, see `is_global_v6`: each alternative is a prefix.
const SPECIAL_V6: &str = "(?:2002:|2001:(?::|0{0,3}[0-9a-fA-F]{1,2}:|0?1[0-9a-fA-F]{2}:|0?[dD][bB]8:)|\
                          3[fF]{3}:(?::|0{0,3}[0-9a-fA-F]{1,3}:))";

fn schema() -> RefOr<Schema> {
    let kinds = [
        kind("At a public name", &format!("(?:{LABEL}\\.)+{LABEL}"), other_hosts()),
        kind("At a public IPv4 address", &format!("{OCTET}(?:\\.{OCTET}){{3}}"), from(SPECIAL_V4)),
        kind("At a public IPv6 address", &format!("\\[{}\\]", ipv6()), from(&format!("\\[{SPECIAL_V6}"))),
    ];
    let description = "An https URL without user information and fragment, at a public name or address, at port 443 or \
                       a port from 1024 up. A deployment for development may also allow http to loopback hosts.";
    let any = kinds.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
    any.description(Some(description)).into()
}

/// Returns the schema of URLs whose host matches `host` and that do not match `excluded`.
fn kind(title: &str, host: &str, excluded: Value) -> ObjectBuilder {
    text(format!("{SCHEME}{host}{PORT}{REST}"))
        .title(Some(title))
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .max_length(Some(MAX_LENGTH))
        .extensions(keyword("not", excluded))
}

/// Returns the schema of URLs whose host begins with `prefix`.
fn from(prefix: &str) -> Value {
    json!({ "pattern": format!("{SCHEME}{prefix}") })
}

/// Returns the schema of URLs whose host is the name of a private host, too long for a name, or an IPv4 address.
fn other_hosts() -> Value {
    let suffixes: Vec<String> =
        PRIVATE_SUFFIXES.iter().chain(&WILDCARD_SUFFIXES).map(|suffix| in_any_case(suffix)).collect();
    let suffixes = suffixes.join("|");
    let name = "[0-9A-Za-z._-]";
    json!({ "anyOf": [
        { "pattern": format!("{SCHEME}(?:{name}*\\.)?(?:{suffixes}){END_OF_HOST}") },
        { "pattern": format!("{SCHEME}{name}{{{},}}", MAX_NAME_LENGTH + 1) },
        { "pattern": format!("{SCHEME}{name}*\\.{NUMBER}{END_OF_HOST}") },
    ] })
}

/// Returns a pattern of IPv6 addresses in `2000::/3` (RFC 4291 §2.2, forms 1 and 2): eight groups, or fewer with `::`
/// after one of them.
fn ipv6() -> String {
    let group = "(?::[0-9a-fA-F]{1,4})";
    let shorter = (0..6).map(|before| {
        let after = 6 - before;
        format!("{group}{{{before}}}:(?::|{group}{{1,{after}}})")
    });
    let groups: Vec<String> =
        [format!("{group}{{7}}"), format!("{group}{{6}}::")].into_iter().chain(shorter).collect();
    format!("[23][0-9a-fA-F]{{3}}(?:{})", groups.join("|"))
}
