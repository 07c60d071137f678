//! Reads and checks the values of settings. Every error's text begins with the setting's name.

use std::ops::RangeInclusive;
use std::time::Duration;

use kernel::net::{Policy, is_loopback_url};
use kernel::seal::KeyRing;
use kernel::secret::Secret;
use kernel::{Code, Error, Result};

use super::Settings;
use crate::model::api_key::is_well_formed;
use crate::policy::persona::Personas;

/// The name of a setting and the text that it is read from.
pub(super) struct Given {
    name: &'static str,
    /// The operator's value, else the default.
    text: Option<String>,
}

impl Given {
    pub(super) fn new(name: &'static str, text: Option<String>, default: Option<&str>) -> Self {
        let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Self { name, text: text.or_else(|| default.map(ToOwned::to_owned)) }
    }
}

pub(super) fn key_ring(Given { name, text }: Given) -> Result<KeyRing> {
    let Some(text) = text else {
        return Err(wrong(name, "is not set: give it 32 random bytes in base64 (openssl rand -base64 32)"));
    };
    KeyRing::parse(&text)
        .ok_or_else(|| wrong(name, "is not the base64 form of 32 bytes (openssl rand -base64 32)"))
}

pub(super) fn api_key(Given { name, text }: Given) -> Result<Option<Secret<String>>> {
    if text.as_deref().is_some_and(|key| !is_well_formed(key)) {
        return Err(wrong(name, "is not of the form pst_<16 lowercase hex>_<43 base64url characters>"));
    }
    Ok(text.map(Secret::new))
}

pub(super) fn origin(Given { name, text }: Given) -> Result<Option<String>> {
    text.map(|url| ascii_origin(name, &url)).transpose()
}

pub(super) fn origins(Given { name, text }: Given) -> Result<Vec<String>> {
    let Some(list) = text else { return Ok(Vec::new()) };
    list.split(',').map(|url| ascii_origin(name, url.trim())).collect()
}

/// Returns the ASCII origin (RFC 6454) of an http or https URL. Fails if the URL has a path or a query.
fn ascii_origin(name: &str, text: &str) -> Result<String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none() => {
            Ok(url.origin().ascii_serialization())
        }
        _ => Err(wrong(name, "must be an origin such as https://postern.example.com")),
    }
}

pub(super) fn net_policy(Given { name, text }: Given) -> Result<Policy> {
    match text.as_deref() {
        None | Some("false") => Ok(Policy { allow_loopback: false }),
        Some("true") => Ok(Policy { allow_loopback: true }),
        Some(_) => Err(wrong(name, "must be true or false")),
    }
}

pub(super) fn document_url(Given { name, text }: Given) -> Result<Option<String>> {
    let is_usable =
        |text: &str| url::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.path().len() > 1);
    if text.as_deref().is_some_and(|text| !is_usable(text)) {
        return Err(wrong(name, "must be an https URL with a path"));
    }
    Ok(text)
}

pub(super) fn personas(Given { name, text }: Given) -> Result<Personas> {
    Personas::parse(&text.unwrap_or_default()).map_err(|reason| refusal(format!("{name}: {reason}")))
}

#[allow(clippy::unnecessary_wraps)] // one of the functions that read a setting
pub(super) fn text(Given { text, .. }: Given) -> Result<Option<String>> {
    Ok(text)
}

/// Checks the rules between settings: `ANONYMOUS_PERSONA` names a persona, and lets callers in without a credential
/// only where nobody but the developer can call.
pub(super) fn check_together(settings: &Settings) -> Result<()> {
    let Some(name) = &settings.anonymous_persona else { return Ok(()) };
    if !settings.public_url.as_deref().is_some_and(is_loopback_url) {
        let rule = "is for development only: PUBLIC_URL must be set to a loopback origin such as http://localhost:8787";
        return Err(wrong("ANONYMOUS_PERSONA", rule));
    }
    if settings.personas.named(name).is_none() {
        return Err(wrong("ANONYMOUS_PERSONA", "must name the persona \"admin\" or one of PERSONAS"));
    }
    Ok(())
}

pub(super) fn token(Given { name, text }: Given) -> Result<Option<Secret<String>>> {
    if text.as_ref().is_some_and(|token| token.len() < 32) {
        return Err(wrong(name, "must have at least 32 characters"));
    }
    Ok(text.map(Secret::new))
}

pub(super) fn milliseconds(given: Given) -> Result<Duration> {
    whole_number(given, 1..=600_000).map(|millis| Duration::from_millis(millis.into()))
}

pub(super) fn validations(given: Given) -> Result<u32> {
    whole_number(given, 1..=1000)
}

pub(super) fn requests(given: Given) -> Result<u32> {
    whole_number(given, 0..=1_000_000)
}

pub(super) fn days(given: Given) -> Result<Duration> {
    whole_number(given, 1..=3650).map(|days| Duration::from_hours(24 * u64::from(days)))
}

pub(super) fn header_name(Given { name, text }: Given) -> Result<Option<String>> {
    text.map(|text| match http::HeaderName::try_from(&text) {
        Ok(header) => Ok(header.as_str().to_owned()),
        Err(_) => Err(wrong(name, "must be the name of a header such as X-Forwarded-For")),
    })
    .transpose()
}

fn whole_number(Given { name, text }: Given, range: RangeInclusive<u32>) -> Result<u32> {
    text.and_then(|text| text.parse().ok()).filter(|number| range.contains(number)).ok_or_else(|| {
        wrong(name, &format!("must be a whole number from {} to {}", range.start(), range.end()))
    })
}

fn wrong(name: &str, rule: &str) -> Error {
    refusal(format!("{name} {rule}"))
}

fn refusal(text: String) -> Error {
    Error::new(Code::NotConfigured, text)
}
