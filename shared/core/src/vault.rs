//! The vault: the one place that seals credentials, header templates and OAuth client secrets, and opens them for one
//! request at a time.
//!
//! Every envelope is bound to its row, column and owner (see `kernel::seal`), and a credential's also to its integration
//! and to the origin that it was given for. So an envelope that was moved to another integration or user, or whose
//! integration was moved to another server, does not open. Credentials that an older version sealed are bound to row,
//! column and owner; they open as before, and are bound to everything once they are written again.

use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::Platform;
use crate::model::credential::{
    HeaderTemplate, Kind, ORGANIZATION, SealedCredential, Values, missing_keys, origin_of, render,
};
use crate::model::integration::{AuthMode, Integration};
use crate::model::target::Upstream;
use crate::model::token_set::TokenSet;
use kernel::seal::Cell;
use kernel::secret::Secret;
use kernel::{Error, Result};

/// Why a credential cannot be presented.
#[derive(Debug, PartialEq, Eq)]
pub enum Unpresentable {
    /// The envelope does not open: the key that sealed it is gone, or the row was tampered with.
    Unreadable,
    /// The credential was given for another origin than the upstream's.
    OtherOrigin,
    /// The credential lacks values for these keys of the header templates.
    Missing(Vec<String>),
}

/// Seals `values` as a credential of `owner` for the integration with this id and `url`, under a fresh id.
pub fn seal(
    platform: &Platform,
    integration: &str,
    url: &str,
    owner: &str,
    values: &Values,
) -> Result<SealedCredential> {
    let (kind, text) = values.to_text()?;
    seal_new(platform, (integration, url), owner, (kind, text.as_bytes()))
}

/// Opens a credential; `None` if its envelope does not open or holds no values of its kind.
pub fn open(platform: &Platform, credential: &SealedCredential) -> Option<Values> {
    let opened = unseal(platform, credential)?;
    Values::read(credential.kind, std::str::from_utf8(opened.expose()).ok()?)
}

fn seal_new(
    platform: &Platform,
    (integration, url): (&str, &str),
    owner: &str,
    (kind, plain): (Kind, &[u8]),
) -> Result<SealedCredential> {
    let blank = SealedCredential {
        id: platform.uuid()?.to_string(),
        integration_id: integration.to_owned(),
        owner: owner.to_owned(),
        kind,
        sealed: String::new(),
        expires_at: None,
        origin: origin_of(url),
    };
    let sealed = reseal(platform, &blank, plain)?;
    Ok(SealedCredential { sealed, ..blank })
}

/// Seals `plain` for the row of `credential`.
fn reseal(platform: &Platform, credential: &SealedCredential, plain: &[u8]) -> Result<String> {
    let within = within(credential);
    platform.settings.keys.seal(platform.random.as_ref(), credential_cell(credential, &within), plain)
}

fn unseal(platform: &Platform, credential: &SealedCredential) -> Option<Secret<Vec<u8>>> {
    let within = within(credential);
    platform.settings.keys.open(credential_cell(credential, &within), &credential.sealed)
}

/// Seals an integration's header templates.
pub fn seal_templates(
    platform: &Platform,
    integration: &str,
    templates: &[HeaderTemplate],
) -> Result<String> {
    let json = serde_json::to_string(templates).map_err(|error| Error::internal(error.to_string()))?;
    let json = Zeroizing::new(json);
    platform.settings.keys.seal(
        platform.random.as_ref(),
        integration_cell(integration, "headers"),
        json.as_bytes(),
    )
}

/// Opens an integration's header templates. Returns the template of a bearer token if the integration has none,
/// `None` if the envelope does not open.
pub fn open_templates(
    platform: &Platform,
    integration: &str,
    sealed: Option<&str>,
) -> Option<Vec<HeaderTemplate>> {
    let Some(sealed) = sealed else { return Some(vec![HeaderTemplate::bearer()]) };
    let opened = platform.settings.keys.open(integration_cell(integration, "headers"), sealed)?;
    serde_json::from_slice(opened.expose()).ok()
}

/// Seals the secret of an integration's OAuth client.
pub fn seal_client_secret(platform: &Platform, integration: &str, secret: &Secret<String>) -> Result<String> {
    let cell = integration_cell(integration, "oauth_client_secret");
    platform.settings.keys.seal(platform.random.as_ref(), cell, secret.expose().as_bytes())
}

/// Opens the secret of an integration's OAuth client, if there is one. Fails if the envelope does not open.
pub fn open_client_secret(platform: &Platform, integration: &Integration) -> Result<Option<Secret<String>>> {
    let Some(sealed) = &integration.content.oauth_client_secret else { return Ok(None) };
    let opened =
        platform.settings.keys.open(integration_cell(&integration.id, "oauth_client_secret"), sealed);
    let text = opened.as_ref().and_then(|opened| std::str::from_utf8(opened.expose()).ok());
    match text {
        Some(text) => Ok(Some(Secret::new(text.to_owned()))),
        None => Err(Error::internal("the client secret does not open")),
    }
}

/// Seals the tokens of a new grant as a credential of `owner` for `integration`, under a fresh id.
pub fn seal_tokens(
    platform: &Platform,
    integration: &Integration,
    owner: &str,
    set: &TokenSet,
) -> Result<SealedCredential> {
    let place = (integration.id.as_str(), integration.content.url.as_str());
    seal_new(platform, place, owner, (Kind::Oauth, set.to_json()?.as_bytes()))
}

/// Seals renewed tokens for the row of `credential`, and returns the envelope.
pub fn reseal_tokens(platform: &Platform, credential: &SealedCredential, set: &TokenSet) -> Result<String> {
    reseal(platform, credential, set.to_json()?.as_bytes())
}

/// Opens a token set; `None` if the credential is of another kind or its envelope does not open.
pub fn open_tokens(platform: &Platform, credential: &SealedCredential) -> Option<TokenSet> {
    if credential.kind != Kind::Oauth {
        return None;
    }
    serde_json::from_slice(unseal(platform, credential)?.expose()).ok()
}

/// Returns the headers that present `upstream`'s credential. Returns no headers if the upstream wants no credential,
/// and also if it wants a user's credential and there is none: code that acts for a user checks that before.
pub fn present(
    platform: &Platform,
    upstream: &Upstream,
) -> Result<Vec<(HeaderName, HeaderValue)>, Unpresentable> {
    let wants_none = upstream.auth_mode == AuthMode::None && upstream.headers.is_none();
    if upstream.credential.is_none() && (wants_none || upstream.auth_mode.is_per_user()) {
        return Ok(Vec::new());
    }
    if upstream.credential.as_ref().is_some_and(|credential| !credential.is_for(upstream.url.as_url())) {
        return Err(Unpresentable::OtherOrigin);
    }
    let templates = open_templates(platform, &upstream.integration_id, upstream.headers.as_deref())
        .ok_or(Unpresentable::Unreadable)?;
    let values = match &upstream.credential {
        Some(credential) => Some(open(platform, credential).ok_or(Unpresentable::Unreadable)?),
        None => None,
    };
    render(&templates, values.as_ref())
        .ok_or_else(|| Unpresentable::Missing(missing_keys(&templates, values.as_ref())))
}

fn credential_cell<'a>(credential: &'a SealedCredential, within: &'a [&'a str]) -> Cell<'a> {
    Cell { table: "credentials", row: &credential.id, column: "sealed", owner: &credential.owner, within }
}

fn within(credential: &SealedCredential) -> [&str; 2] {
    [&credential.integration_id, credential.origin.as_deref().unwrap_or_default()]
}

fn integration_cell<'a>(id: &'a str, column: &'a str) -> Cell<'a> {
    Cell { table: "integrations", row: id, column, owner: ORGANIZATION, within: &[] }
}
