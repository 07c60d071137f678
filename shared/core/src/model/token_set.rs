//! The token set of one OAuth grant: what the envelope of a credential of kind `oauth` holds.

use kernel::secret::Secret;
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::oauth_client::OauthClient;

/// The tokens of one grant, with everything that is needed to renew and revoke them.
#[derive(Deserialize)]
pub struct TokenSet {
    /// The access token, which is presented to the upstream.
    pub access_token: Secret<String>,
    /// The refresh token, if the grant has one.
    #[serde(default)]
    pub refresh_token: Option<Secret<String>>,
    /// The granted scope, or the requested one if the server did not state any. In the client credentials grant the
    /// requested scope comes first, because each renewal requests it again.
    #[serde(default)]
    pub scope: Option<String>,
    /// The issuer of the tokens; `None` if the operator configured endpoints without an issuer.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Endpoint that renews the tokens.
    pub token_endpoint: String,
    /// Endpoint that revokes the tokens, if the server has one (RFC 7009).
    #[serde(default)]
    pub revocation_endpoint: Option<String>,
    /// The resource that the tokens are for (RFC 8707).
    #[serde(default)]
    pub resource: Option<String>,
    /// Whether the tokens come from the client credentials grant (RFC 6749 §4.4), without a person's consent.
    #[serde(default)]
    pub is_client_credentials: bool,
    /// The client that the tokens were issued to.
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
    /// Returns the set as JSON, to be sealed.
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

    /// Returns the host of the token endpoint, which auth events name.
    pub fn host(&self) -> Option<String> {
        url::Url::parse(&self.token_endpoint).ok()?.host_str().map(ToOwned::to_owned)
    }

    /// Returns the host that people know the authorization server by: that of the issuer, else that of the token
    /// endpoint.
    pub fn server_host(&self) -> Option<String> {
        let issuer = self.issuer.as_deref().and_then(|issuer| url::Url::parse(issuer).ok());
        issuer.as_ref().and_then(url::Url::host_str).map(ToOwned::to_owned).or_else(|| self.host())
    }
}
