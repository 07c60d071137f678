//! The vault: the one place that seals credentials, header templates and OAuth client secrets, and opens them for one
//! request at a time.
//!
//! Every envelope is bound to its row, column and owner (see `kernel::seal`), so an envelope that was moved to
//! another integration or user does not open.

use http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::Platform;
use crate::model::credential::{
    HeaderTemplate, Kind, ORGANIZATION, SealedCredential, Values, missing_keys, render,
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
    /// The credential lacks values for these keys of the header templates.
    Missing(Vec<String>),
}

/// Seals `values` as a credential of `owner`, under a fresh id.
pub fn seal(platform: &Platform, owner: &str, values: &Values) -> Result<SealedCredential> {
    let id = platform.uuid()?.to_string();
    let (kind, text) = values.to_text()?;
    let sealed = platform.settings.keys.seal(
        platform.random.as_ref(),
        credential_cell(&id, owner),
        text.as_bytes(),
    )?;
    Ok(SealedCredential { id, owner: owner.to_owned(), kind, sealed, expires_at: None })
}

/// Opens a credential; `None` if its envelope does not open or holds no values of its kind.
pub fn open(platform: &Platform, credential: &SealedCredential) -> Option<Values> {
    let cell = credential_cell(&credential.id, &credential.owner);
    let opened = platform.settings.keys.open(cell, &credential.sealed)?;
    Values::read(credential.kind, std::str::from_utf8(opened.expose()).ok()?)
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

/// Seals the tokens of a new grant as a credential of `owner`, under a fresh id.
pub fn seal_tokens(platform: &Platform, owner: &str, set: &TokenSet) -> Result<SealedCredential> {
    let id = platform.uuid()?.to_string();
    let json = set.to_json()?;
    let sealed = platform.settings.keys.seal(
        platform.random.as_ref(),
        credential_cell(&id, owner),
        json.as_bytes(),
    )?;
    Ok(SealedCredential { id, owner: owner.to_owned(), kind: Kind::Oauth, sealed, expires_at: None })
}

/// Seals renewed tokens for the row of `credential`, and returns the envelope.
pub fn reseal_tokens(platform: &Platform, credential: &SealedCredential, set: &TokenSet) -> Result<String> {
    let json = set.to_json()?;
    let cell = credential_cell(&credential.id, &credential.owner);
    platform.settings.keys.seal(platform.random.as_ref(), cell, json.as_bytes())
}

/// Opens a token set; `None` if the credential is of another kind or its envelope does not open.
pub fn open_tokens(platform: &Platform, credential: &SealedCredential) -> Option<TokenSet> {
    if credential.kind != Kind::Oauth {
        return None;
    }
    let cell = credential_cell(&credential.id, &credential.owner);
    serde_json::from_slice(platform.settings.keys.open(cell, &credential.sealed)?.expose()).ok()
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
    let templates = open_templates(platform, &upstream.integration_id, upstream.headers.as_deref())
        .ok_or(Unpresentable::Unreadable)?;
    let values = match &upstream.credential {
        Some(credential) => Some(open(platform, credential).ok_or(Unpresentable::Unreadable)?),
        None => None,
    };
    render(&templates, values.as_ref())
        .ok_or_else(|| Unpresentable::Missing(missing_keys(&templates, values.as_ref())))
}

fn credential_cell<'a>(id: &'a str, owner: &'a str) -> Cell<'a> {
    Cell { table: "credentials", row: id, column: "sealed", owner }
}

fn integration_cell<'a>(id: &'a str, column: &'a str) -> Cell<'a> {
    Cell { table: "integrations", row: id, column, owner: ORGANIZATION }
}
