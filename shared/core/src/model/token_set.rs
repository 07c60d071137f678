//! The tokens of one grant.

use kernel::secret::Secret;
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::oauth_client::OauthClient;

/// The tokens of one grant, with all that is needed to renew and revoke them.
#[derive(Deserialize)]
pub struct TokenSet {
    /// What is presented upstream.
    pub access_token: Secret<String>,
    /// What renews it.
    #[serde(default)]
    pub refresh_token: Option<Secret<String>>,
    /// The scope that was granted, or asked for where the server did not say.
    #[serde(default)]
    pub scope: Option<String>,
    /// Who issued it.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Where it is renewed.
    pub token_endpoint: String,
    /// Where it is revoked.
    #[serde(default)]
    pub revocation_endpoint: Option<String>,
    /// The resource that it is for (RFC 8707).
    #[serde(default)]
    pub resource: Option<String>,
    /// Whether it is the client's own (RFC 6749 §4.4), not a person's.
    #[serde(default)]
    pub is_client_credentials: bool,
    /// The client that it was issued to.
    pub client: OauthClient,
}

#[derive(Serialize)]
struct Wire<'a> {
    access_token: &'a str,
    refresh_token: Option<&'a str>,
    scope: Option<&'a str>,
    issuer: Option<&'a str>,
    token_endpoint: &'a str,
    revocation_endpoint: Option<&'a str>,
    resource: Option<&'a str>,
    is_client_credentials: bool,
    client: &'a serde_json::value::RawValue,
}

impl TokenSet {
    /// The set as JSON, to be sealed.
    pub fn to_json(&self) -> Result<Zeroizing<String>> {
        let client = self.client.to_json()?;
        let broken = |error: serde_json::Error| Error::internal(error.to_string());
        let wire = Wire {
            access_token: self.access_token.expose(),
            refresh_token: self.refresh_token.as_ref().map(|token| token.expose().as_str()),
            scope: self.scope.as_deref(),
            issuer: self.issuer.as_deref(),
            token_endpoint: &self.token_endpoint,
            revocation_endpoint: self.revocation_endpoint.as_deref(),
            resource: self.resource.as_deref(),
            is_client_credentials: self.is_client_credentials,
            client: serde_json::from_str(&client).map_err(broken)?,
        };
        serde_json::to_string(&wire).map(Zeroizing::new).map_err(broken)
    }

    /// The host of the authorization server, for events.
    pub fn host(&self) -> Option<String> {
        url::Url::parse(&self.token_endpoint).ok()?.host_str().map(ToOwned::to_owned)
    }
}
