//! Credentials that Postern presents to upstreams: their owner, the origin that they were given for, and the headers
//! that carry them. Their values are in `values`.
//!
//! A header template is a header's name and a value with placeholders: `{key}` stands for a value, `{base64(a:b)}`
//! for the Base64 form of two values joined by a colon (RFC 7617). `{{` and `}}` stand for braces. Without templates a
//! token is sent as `Authorization: Bearer` (RFC 6750).

mod header;
pub mod schema;
mod values;

use std::collections::{BTreeSet, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

pub use self::header::{HeaderNameError, check_header_name, is_header_value};
pub use self::values::Values;
use self::values::is_key;
use kernel::ports::Timestamp;
use kernel::secret::Secret;
use kernel::{Error, Result};

/// The owner of credentials that all of a deployment's callers share.
pub const ORGANIZATION: &str = "organization";
/// The key of the value in a credential that is a single token.
pub const TOKEN: &str = "token";
/// Most values of one credential, and most header templates of one integration.
pub const MOST: usize = 16;

/// A credential as it is stored. It is opened for one request at a time.
#[derive(Clone, Debug)]
pub struct SealedCredential {
    /// Id of the row.
    pub id: String,
    /// Id of the integration.
    pub integration_id: String,
    /// `organization`, or a caller's subject.
    pub owner: String,
    /// What the envelope holds.
    pub kind: Kind,
    /// The AES-256-GCM envelope.
    pub sealed: String,
    /// When the credential ends, if its provider says so.
    pub expires_at: Option<Timestamp>,
    /// Origin of the MCP endpoint that the credential was given for; it is presented to no other one. `None` if an
    /// older version stored the credential.
    pub origin: Option<String>,
}

impl SealedCredential {
    /// Returns `true` unless the credential was given for another origin than that of `url`.
    pub fn is_for(&self, url: &Url) -> bool {
        self.origin.as_ref().is_none_or(|origin| *origin == url.origin().ascii_serialization())
    }
}

/// Returns the origin of a URL (RFC 6454 §4); `None` if the text is no URL.
pub fn origin_of(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}

/// A user's own credential, without its secret.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// When the credential ends, if its provider says so.
    pub expires_at: Option<Timestamp>,
    /// Whether the owner has to connect again.
    pub needs_reauth: bool,
}

super::text_enum::text_enum! {
    /// What the envelope of a credential holds.
    Kind {
        /// One token.
        Token = "token",
        /// Several values by key, as JSON.
        Values = "values",
        /// An OAuth token set, as JSON.
        Oauth = "oauth",
    }
}

/// One header to present.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct HeaderTemplate {
    /// The header's name.
    #[schema(value_type = schema::HeaderName)]
    pub name: String,
    /// The value with its placeholders.
    #[schema(value_type = schema::HeaderValue)]
    pub value: String,
}

web::only_objects!(HeaderTemplate);

impl Serialize for HeaderTemplate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        // Calls the inherent function that `remote = "Self"` derives.
        Self::serialize(self, serializer)
    }
}

/// A part of a header template's value.
enum Part<'a> {
    Literal(&'a str),
    Value(&'a str),
    Basic(&'a str, &'a str),
}

impl HeaderTemplate {
    /// Returns the template `Authorization: Bearer {token}` (RFC 6750).
    pub fn bearer() -> Self {
        Self { name: "Authorization".to_owned(), value: format!("Bearer {{{TOKEN}}}") }
    }

    /// Returns the template of a header that is sent as it is, whatever braces `value` has.
    pub fn literal(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.replace('{', "{{").replace('}', "}}") }
    }

    /// Returns `true` for that template, however its name is written.
    pub fn is_bearer(&self) -> bool {
        let bearer = Self::bearer();
        self.name.eq_ignore_ascii_case(&bearer.name) && self.value == bearer.value
    }

    /// Returns the parts of the value; `None` for a value with a brace that is neither doubled nor part of a placeholder.
    fn parts(&self) -> Option<Vec<Part<'_>>> {
        let mut parts = Vec::new();
        let mut rest = self.value.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (literal, braces) = rest.split_at(at);
            parts.push(Part::Literal(literal));
            if let Some(after) = braces.strip_prefix("{{").or_else(|| braces.strip_prefix("}}")) {
                parts.push(Part::Literal(braces.get(..1)?));
                rest = after;
                continue;
            }
            let (name, after) = braces.strip_prefix('{')?.split_once('}')?;
            parts.push(match name.strip_prefix("base64(").and_then(|name| name.strip_suffix(')')) {
                Some(pair) => {
                    let (user, password) = pair.split_once(':').filter(|(a, b)| is_key(a) && is_key(b))?;
                    Part::Basic(user, password)
                }
                None if is_key(name) => Part::Value(name),
                None => return None,
            });
            rest = after;
        }
        parts.push(Part::Literal(rest));
        Some(parts)
    }

    fn keys(&self) -> Vec<&str> {
        let parts = self.parts().unwrap_or_default();
        let keys = parts.into_iter().flat_map(|part| match part {
            Part::Literal(_) => [None, None],
            Part::Value(key) => [Some(key), None],
            Part::Basic(user, password) => [Some(user), Some(password)],
        });
        keys.flatten().collect()
    }
}

/// Checks header templates: well-formed names, none of them forbidden or used twice, and well-formed values. No error
/// quotes a value, because a value may be a secret.
pub fn check_templates(templates: &[HeaderTemplate]) -> Result<()> {
    if templates.is_empty() || templates.len() > MOST {
        return Err(Error::invalid(format!("there must be 1 to {MOST} header templates")));
    }
    let mut names = HashSet::new();
    for template in templates {
        let name = check_header_name(&template.name).map_err(|refused| match refused {
            HeaderNameError::Malformed => Error::invalid("a header template has a malformed name"),
            HeaderNameError::Reserved(name) => {
                Error::invalid(format!("a header template must not set {name}"))
            }
        })?;
        // A doubled brace counts once, since it stands for one.
        let value = template.value.replace("{{", "{").replace("}}", "}");
        if !is_header_value(&value) || template.parts().is_none() {
            return Err(Error::invalid(format!(
                "the template of header {name} must be visible ASCII with placeholders such as {{token}} or \
                 {{base64(user:password)}}"
            )));
        }
        if !names.insert(name) {
            return Err(Error::invalid("two header templates have the same name"));
        }
    }
    Ok(())
}

/// Returns the keys that `templates` need, in order.
pub fn wanted_keys(templates: &[HeaderTemplate]) -> BTreeSet<&str> {
    templates.iter().flat_map(HeaderTemplate::keys).collect()
}

/// Returns the keys that `templates` need and `values` lack.
pub fn missing_keys(templates: &[HeaderTemplate], values: Option<&Values>) -> Vec<String> {
    let wanted = wanted_keys(templates);
    let is_there = |key: &str| values.is_some_and(|values| values.get(key, &wanted).is_some());
    wanted.iter().filter(|key| !is_there(key)).map(|key| (*key).to_owned()).collect()
}

/// Returns the headers to send; `None` if a key is missing or a value cannot stand in a header.
pub fn render(
    templates: &[HeaderTemplate],
    values: Option<&Values>,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let wanted = wanted_keys(templates);
    let value = |key: &str| values.and_then(|values| values.get(key, &wanted)).map(Secret::expose);
    let mut headers = Vec::with_capacity(templates.len());
    for template in templates {
        let mut text = Zeroizing::new(String::new());
        for part in template.parts()? {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Value(key) => text.push_str(value(key)?),
                Part::Basic(user, password) => {
                    let pair = Zeroizing::new(format!("{}:{}", value(user)?, value(password)?));
                    STANDARD.encode_string(pair.as_bytes(), &mut text);
                }
            }
        }
        let mut rendered = HeaderValue::from_str(&text).ok()?;
        rendered.set_sensitive(true);
        headers.push((HeaderName::try_from(&template.name).ok()?, rendered));
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(name: &str, value: &str) -> HeaderTemplate {
        HeaderTemplate { name: name.to_owned(), value: value.to_owned() }
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        let given = pairs.iter().map(|(key, value)| ((*key).to_owned(), Secret::new((*value).to_owned())));
        Values::check(given.collect()).unwrap()
    }

    fn rendered(value: &str, pairs: &[(&str, &str)]) -> Option<String> {
        let headers = render(&[template("X-Key", value)], Some(&values(pairs)))?;
        headers.first().map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn templates_render_with_the_values_of_a_credential() {
        for (value, pairs, expected) in [
            ("Sentry-Bearer {token}", &[("token", "s1")][..], "Sentry-Bearer s1"),
            ("Token token={token}", &[("token", "s1")], "Token token=s1"),
            ("Basic {base64(email:token)}", &[("email", "a@b"), ("token", "t")], "Basic YUBiOnQ="),
            ("{A}-{B}", &[("A", "1"), ("B", "2")], "1-2"),
            ("Bearer {GITHUB_TOKEN}", &[("token", "alone")], "Bearer alone"),
            ("literal", &[("token", "unused")], "literal"),
            ("{{token}}", &[("token", "unused")], "{token}"),
            ("{{{token}}}", &[("token", "t")], "{t}"),
            ("a}}{{b", &[("token", "unused")], "a}{b"),
        ] {
            assert_eq!(rendered(value, pairs).as_deref(), Some(expected), "{value}");
        }
        assert_eq!(rendered("{A}-{B}", &[("token", "1")]), None, "a lone token cannot be two values");
        let two = [template("X-A", "{A}"), template("X-B", "{B}")];
        assert_eq!(missing_keys(&two, Some(&values(&[("B", "2")]))), ["A"]);
        assert_eq!(missing_keys(&two, None), ["A", "B"]);
    }

    #[test]
    fn a_literal_header_is_sent_as_it_is() {
        for value in
            ["{token}", "{", "}", "}{", "{{", "{}}", "{base64(a:b)}", "{\"a\":{\"b\":1}}", &"{".repeat(1024)]
        {
            let template = HeaderTemplate::literal("X-A", value);
            check_templates(std::slice::from_ref(&template)).unwrap();
            let headers = render(&[template], None).unwrap();
            assert_eq!(headers.first().map(|(_, sent)| sent.to_str().unwrap()), Some(value));
        }
    }

    #[test]
    fn bad_templates_are_refused_without_quoting_their_value() {
        for (name, value) in [
            ("", "canary {token}"),
            ("X Y", "canary {token}"),
            ("Host", "canary {token}"),
            ("Mcp-Session-Id", "canary {token}"),
            ("Content-Length", "canary"),
            ("X-A", ""),
            ("X-A", "canary {token"),
            ("X-A", "canary token}"),
            ("X-A", "canary {{token}"),
            ("X-A", "canary {token}}"),
            ("X-A", "canary {}"),
            ("X-A", "canary {a b}"),
            ("X-A", "canary {base64(a)}"),
            ("X-A", "canary\r\nX-Evil: 1"),
            ("X-A", &"x".repeat(header::LONGEST_TEMPLATE + 1)),
        ] {
            let refused = check_templates(&[template(name, value)]).unwrap_err();
            assert!(!refused.message.contains("canary"), "{refused}");
        }
        assert!(check_templates(&[]).is_err());
        assert!(check_templates(&[template("x-a", "1"), template("X-A", "2")]).is_err());
        assert!(
            check_templates(&[HeaderTemplate::bearer(), template("DD-APPLICATION-KEY", "{app}")]).is_ok()
        );
    }
}
