//! A pending authorization: what its callback needs to finish it. Stored, sealed, in table `oauth_flows`.

use kernel::secret::Secret;
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::oauth_client::OauthClient;

/// What the callback of an authorization needs.
#[derive(Deserialize)]
pub struct Flow {
    /// PKCE verifier (RFC 7636 §4.1).
    pub verifier: Secret<String>,
    /// The issuer of the authorization server; `None` if the operator configured endpoints without an issuer.
    pub issuer: Option<String>,
    /// Whether the callback must carry `iss` (RFC 9207).
    pub iss_required: bool,
    /// Token endpoint.
    pub token_endpoint: String,
    /// Revocation endpoint.
    pub revocation_endpoint: Option<String>,
    /// The requested resource (RFC 8707).
    pub resource: Option<String>,
    /// The requested scope.
    pub scope: Option<String>,
    /// The redirect URI, exactly as it was sent.
    pub redirect_uri: String,
    /// Postern's client.
    pub client: OauthClient,
    /// Where the person is sent afterwards.
    pub return_url: Option<String>,
    /// SHA-256 of the secret in the browser's cookie, if only that browser may finish the authorization.
    pub browser: Option<String>,
    /// The subject that started the authorization.
    pub actor: String,
    /// Origin of the MCP endpoint that the tokens will be for; `None` in flows that an older version began.
    #[serde(default)]
    pub origin: Option<String>,
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
    origin: Option<&'a str>,
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
            origin: self.origin.as_deref(),
        };
        serde_json::to_string(&wire).map(Zeroizing::new).map_err(broken)
    }
}
