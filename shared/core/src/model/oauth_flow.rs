//! An authorization under way: what its callback needs to finish it.

use kernel::secret::Secret;
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::oauth_client::OauthClient;

/// What the callback needs.
#[derive(Deserialize)]
pub struct Flow {
    /// PKCE verifier (RFC 7636 §4.1).
    pub verifier: Secret<String>,
    /// The issuer that the person was sent to; `None` where the operator named the endpoints only.
    pub issuer: Option<String>,
    /// Whether its callback must carry `iss`.
    pub iss_required: bool,
    /// Token endpoint.
    pub token_endpoint: String,
    /// Revocation endpoint.
    pub revocation_endpoint: Option<String>,
    /// The resource asked for.
    pub resource: Option<String>,
    /// The scope asked for.
    pub scope: Option<String>,
    /// The redirect URI, exactly as it was sent.
    pub redirect_uri: String,
    /// The client.
    pub client: OauthClient,
    /// Where the person goes afterwards.
    pub return_url: Option<String>,
    /// Hash of the browser's secret.
    pub browser: Option<String>,
    /// Who asked for it.
    pub actor: String,
}

#[derive(Serialize)]
struct Wire<'a> {
    verifier: &'a str,
    issuer: Option<&'a str>,
    iss_required: bool,
    token_endpoint: &'a str,
    revocation_endpoint: Option<&'a str>,
    resource: Option<&'a str>,
    scope: Option<&'a str>,
    redirect_uri: &'a str,
    client: &'a serde_json::value::RawValue,
    return_url: Option<&'a str>,
    browser: Option<&'a str>,
    actor: &'a str,
}

impl Flow {
    pub(crate) fn to_json(&self) -> Result<Zeroizing<String>> {
        let broken = |error: serde_json::Error| Error::internal(error.to_string());
        let client = self.client.to_json()?;
        let wire = Wire {
            verifier: self.verifier.expose(),
            issuer: self.issuer.as_deref(),
            iss_required: self.iss_required,
            token_endpoint: &self.token_endpoint,
            revocation_endpoint: self.revocation_endpoint.as_deref(),
            resource: self.resource.as_deref(),
            scope: self.scope.as_deref(),
            redirect_uri: &self.redirect_uri,
            client: serde_json::from_str(&client).map_err(broken)?,
            return_url: self.return_url.as_deref(),
            browser: self.browser.as_deref(),
            actor: &self.actor,
        };
        serde_json::to_string(&wire).map(Zeroizing::new).map_err(broken)
    }
}
