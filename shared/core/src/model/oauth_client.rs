//! Postern's OAuth client at one authorization server.

use kernel::secret::Secret;
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How a client authenticates at the token endpoint (RFC 8414, `token_endpoint_auth_methods_supported`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// The client does not authenticate.
    None,
    /// Identifier and secret in HTTP Basic authentication (RFC 6749 §2.3.1).
    ClientSecretBasic,
    /// Identifier and secret in the form.
    ClientSecretPost,
}

/// Postern's client at one issuer.
#[derive(Deserialize)]
pub struct OauthClient {
    /// Client identifier.
    pub client_id: String,
    /// The client's secret, if it has one.
    #[serde(default)]
    pub client_secret: Option<Secret<String>>,
    /// How the client authenticates at the token endpoint.
    pub auth_method: AuthMethod,
    /// Whether Postern registered the client (RFC 7591); if not, an operator did, or its identifier is the URL of a
    /// document.
    #[serde(default)]
    pub registered: bool,
}

#[derive(Serialize)]
struct Wire<'a> {
    client_id: &'a str,
    client_secret: Option<&'a str>,
    auth_method: AuthMethod,
    registered: bool,
}

impl OauthClient {
    /// Returns the client as JSON, to be sealed.
    pub fn to_json(&self) -> Result<Zeroizing<String>> {
        let wire = Wire {
            client_id: &self.client_id,
            client_secret: self.client_secret.as_ref().map(|secret| secret.expose().as_str()),
            auth_method: self.auth_method,
            registered: self.registered,
        };
        serde_json::to_string(&wire).map(Zeroizing::new).map_err(|error| Error::internal(error.to_string()))
    }
}
