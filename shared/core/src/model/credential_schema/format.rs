//! The formats that a schema may demand of a string; unknown formats demand nothing.

mod names;
mod times;

use std::net::{Ipv4Addr, Ipv6Addr};

use fluent_uri::UriRef;
use url::Url;

use super::pattern;

/// Returns `true` if `text` has the format `name`.
pub(super) fn fits(name: &str, text: &str) -> bool {
    match name {
        "date" => times::is_date(text),
        "time" => times::is_time(text),
        "date-time" => times::is_date_time(text),
        "duration" => times::is_duration(text),
        "period" => times::is_period(text),
        "hostname" => names::is_hostname(text),
        "idn-hostname" => names::is_idn_hostname(text),
        "email" => names::is_email(text),
        "idn-email" => names::is_idn_email(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "uri" => UriRef::parse(text).is_ok_and(|uri| uri.scheme().is_some()),
        "uri-reference" => UriRef::parse(text).is_ok(),
        "iri" => Url::parse(text).is_ok(),
        "iri-reference" => iri_reference(text).is_some(),
        "uri-template" => is_uri_template(text),
        "uuid" => is_uuid(text),
        "json-pointer" => is_json_pointer(text),
        "relative-json-pointer" => is_relative_json_pointer(text),
        "regex" => pattern::is_regex(text),
        _ => true,
    }
}

fn iri_reference(text: &str) -> Option<Url> {
    if text.contains('\\') {
        return None;
    }
    Url::parse("http://temp.com").ok()?.join(text).ok()
}

/// Checks only the braces of a template (RFC 6570): in each segment of the path they come in pairs and are not nested.
fn is_uri_template(text: &str) -> bool {
    let Some(url) = iri_reference(text) else { return false };
    let Ok(path) = percent_encoding::percent_decode_str(url.path()).decode_utf8() else { return false };
    path.split('/').all(|segment| {
        let mut is_open = false;
        let is_paired = segment.chars().filter(|c| matches!(c, '{' | '}')).all(|brace| {
            is_open = !is_open;
            (brace == '{') == is_open
        });
        is_paired && !is_open
    })
}

fn is_uuid(text: &str) -> bool {
    let groups =
        text.split('-').map(|group| group.bytes().all(|b| b.is_ascii_hexdigit()).then_some(group.len()));
    groups.eq([8, 4, 4, 4, 12].map(Some))
}

/// RFC 6901.
fn is_json_pointer(text: &str) -> bool {
    let is_escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    (text.is_empty() || text.starts_with('/')) && is_escaped
}

fn is_relative_json_pointer(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - rest.len();
    digits > 0 && (digits == 1 || !text.starts_with('0')) && (rest == "#" || is_json_pointer(rest))
}
