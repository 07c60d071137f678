//! Postern as a client at one authorization server.

use kernel::secret::Secret;
use kernel::{Error, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How a client authenticates at the token endpoint (RFC 8414, `token_endpoint_auth_methods_supported`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// It does not.
    None,
    /// HTTP Basic.
    ClientSecretBasic,
    /// In the form.
    ClientSecretPost,
}

/// A client at one issuer.
#[derive(Deserialize)]
pub struct OauthClient {
    /// Client identifier.
    pub client_id: String,
    /// Its secret, if it has one.
    #[serde(default)]
    pub client_secret: Option<Secret<String>>,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// Whether Postern registered it by itself.
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
    /// The client as JSON, to be sealed.
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
