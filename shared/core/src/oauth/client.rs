//! Postern's OAuth client at an authorization server. In order of preference: the client that the operator
//! registered; the URL of Postern's Client ID Metadata Document, if the server accepts one; the client that Postern
//! registered there before; a new registration (RFC 7591). Clients are stored by issuer, and no other issuer ever
//! sees them; they are registered with redirect URIs that belong to the issuer alone (see [`super::redirect`]).

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::OauthError;
use super::http::post_json;
use super::server_metadata::ServerMetadata;
use crate::Platform;
use crate::model::oauth_client::{AuthMethod, OauthClient};
use crate::store::oauth_clients;
use kernel::digest::sha256_hex;
use kernel::net::SafeUrl;
use kernel::ports::Timestamp;
use kernel::secret::Secret;
use kernel::{Code, Error, Result};

/// Paths that authorization servers redirect people to, one per dialect that can start an authorization. Below each of
/// them there is a path for each authorization server, see [`redirect_uri`].
pub const CALLBACKS: [&str; 3] =
    ["/oauth/callback", "/v1/integrations/oauth/callback", "/api/v1/admin/oauth/callback"];
/// Length of the last segment of a redirect URI that belongs to one authorization server: 128 bits in hex.
pub const SEGMENT: usize = 32;
/// Path of Postern's Client ID Metadata Document.
pub const DOCUMENT: &str = "/oauth/client-metadata.json";

/// Returns the client that an operator registered by hand.
pub fn given(
    metadata: Option<&ServerMetadata>,
    client_id: &str,
    secret: Option<Secret<String>>,
) -> OauthClient {
    let auth_method = if secret.is_some() { secret_method(metadata) } else { AuthMethod::None };
    OauthClient { client_id: client_id.to_owned(), client_secret: secret, auth_method, registered: false }
}

/// Returns the origin at which Postern is reached. Fails if `PUBLIC_URL` is not set, because an authorization server
/// could not redirect back.
pub fn public_url(platform: &Platform) -> Result<&str> {
    let url = platform.settings.public_url.as_deref();
    url.ok_or_else(|| {
        Error::new(Code::NotConfigured, "PUBLIC_URL is not set: OAuth needs a place to return to")
    })
}

/// Returns the redirect URI below the callback path `callback` that belongs to one authorization server alone. `server`
/// is the server's issuer, or its token endpoint where the operator configured no issuer.
pub(super) fn redirect_uri(origin: &str, callback: &str, server: &str) -> String {
    let mut segment = sha256_hex(server.as_bytes());
    segment.truncate(SEGMENT);
    format!("{origin}{callback}/{segment}")
}

/// Returns `true` if `client` is Postern's Client ID Metadata Document.
pub(super) fn is_document(platform: &Platform, client: &OauthClient) -> bool {
    document_url(platform).as_deref() == Some(client.client_id.as_str())
}

/// Returns the client to use at the issuer of `metadata` if the operator configured none. Registers a new one if need
/// be.
pub async fn identify(platform: &Platform, metadata: &ServerMetadata) -> Result<OauthClient, OauthError> {
    if metadata.client_id_metadata_document_supported
        && let Some(url) = document_url(platform)
    {
        let auth_method = AuthMethod::None;
        return Ok(OauthClient { client_id: url, client_secret: None, auth_method, registered: false });
    }
    let origin = public_url(platform)?;
    let redirect_uris = CALLBACKS.map(|path| redirect_uri(origin, path, &metadata.issuer));
    let [first, ..] = &redirect_uris;
    if let Some(known) = oauth_clients::find(platform, &metadata.issuer, first).await? {
        return Ok(known);
    }
    register(platform, metadata, origin, &redirect_uris).await
}

/// Returns the URL of Postern's Client ID Metadata Document; `None` if the URL is not https, which authorization
/// servers demand.
fn document_url(platform: &Platform) -> Option<String> {
    let url = match &platform.settings.client_metadata_url {
        Some(url) => url.clone(),
        None => format!("{}{DOCUMENT}", platform.settings.public_url.as_deref()?),
    };
    url.starts_with("https://").then_some(url)
}

/// Returns Postern's Client ID Metadata Document. Fails if the document has no https URL.
pub fn document(platform: &Platform) -> Result<Value> {
    let url = document_url(platform).ok_or_else(|| {
        Error::not_found("there is no client metadata document: PUBLIC_URL must be an https origin")
    })?;
    let origin = public_url(platform)?;
    let redirect_uris = CALLBACKS.map(|path| format!("{origin}{path}"));
    let mut document = description(origin, &redirect_uris, AuthMethod::None);
    if let Some(members) = document.as_object_mut() {
        members.insert("client_id".to_owned(), url.into());
    }
    Ok(document)
}

/// Returns the client metadata of Postern (RFC 7591 §2).
fn description(origin: &str, redirect_uris: &[String], auth_method: AuthMethod) -> Value {
    let is_loopback = Url::parse(origin).is_ok_and(|url| url.scheme() == "http");
    json!({
        "client_name": "Postern",
        "client_uri": origin,
        "redirect_uris": redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": auth_method,
        "application_type": if is_loopback { "native" } else { "web" },
    })
}

async fn register(
    platform: &Platform,
    metadata: &ServerMetadata,
    origin: &str,
    redirect_uris: &[String; CALLBACKS.len()],
) -> Result<OauthClient, OauthError> {
    let Some(endpoint) = &metadata.registration_endpoint else {
        return Err(OauthError::unusable(
            "the authorization server registers no clients: register one there and set oauth.clientId",
        ));
    };
    let endpoint = SafeUrl::parse(endpoint, platform.settings.net)
        .map_err(|_| OauthError::unusable("the registration endpoint is not a URL that may be dialled"))?;
    let auth_method = registered_method(metadata);
    let answer = post_json(platform, endpoint, &description(origin, redirect_uris, auth_method))
        .await
        .map_err(|_| OauthError::transient("the authorization server cannot be reached"))?;
    let refused =
        || OauthError::unusable("the authorization server refused to register a client: set oauth.clientId");
    let registration = answer.json.filter(|_| matches!(answer.status, 200 | 201)).ok_or_else(refused)?;
    let registration: Registration = serde_json::from_value(registration).map_err(|_| refused())?;
    if registration.client_id.is_empty() || registration.client_id.len() > 2048 {
        return Err(refused());
    }
    let auth_method = match (&registration.client_secret, registration.token_endpoint_auth_method) {
        (None, _) => AuthMethod::None,
        (Some(_), Some(method)) => method,
        (Some(_), None) => auth_method,
    };
    let client = OauthClient {
        client_id: registration.client_id,
        client_secret: registration.client_secret,
        auth_method,
        registered: true,
    };
    let expires_at = registration.client_secret_expires_at.filter(|seconds| *seconds > 0);
    let expires_at = expires_at.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)));
    let [first, ..] = redirect_uris;
    oauth_clients::put(platform, &metadata.issuer, first, &client, expires_at).await?;
    Ok(client)
}

/// The members of a registration response that Postern uses (RFC 7591 §3.2.1).
#[derive(Deserialize)]
struct Registration {
    client_id: String,
    #[serde(default)]
    client_secret: Option<Secret<String>>,
    #[serde(default)]
    client_secret_expires_at: Option<i64>,
    #[serde(default)]
    token_endpoint_auth_method: Option<AuthMethod>,
}

/// Returns the authentication method to register with: the first one with a secret in the server's list, because refresh
/// tokens are then bound to the secret. The order counts: not every endpoint of a server may know every method that the
/// server lists.
fn registered_method(metadata: &ServerMetadata) -> AuthMethod {
    let Some(methods) = &metadata.token_endpoint_auth_methods_supported else {
        return AuthMethod::ClientSecretBasic;
    };
    let with_secret = methods.iter().find_map(|method| match method.as_str() {
        "client_secret_basic" => Some(AuthMethod::ClientSecretBasic),
        "client_secret_post" => Some(AuthMethod::ClientSecretPost),
        _ => None,
    });
    with_secret.unwrap_or(AuthMethod::None)
}

fn secret_method(metadata: Option<&ServerMetadata>) -> AuthMethod {
    let methods = metadata.and_then(|metadata| metadata.token_endpoint_auth_methods_supported.as_deref());
    let Some(methods) = methods else { return AuthMethod::ClientSecretBasic };
    let takes = |wanted: &str| methods.iter().any(|method| method == wanted);
    if !takes("client_secret_basic") && takes("client_secret_post") {
        AuthMethod::ClientSecretPost
    } else {
        AuthMethod::ClientSecretBasic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_a_redirect_uri_of_its_own() {
        let of = |server: &str| redirect_uri("https://postern.example", "/oauth/callback", server);
        let one = of("https://as.example");
        assert_eq!(one, "https://postern.example/oauth/callback/93e20fbd9d9436f74c252dbad30ec732");
        assert_ne!(one, of("https://as.example/"));
    }

    #[test]
    fn the_first_listed_method_with_a_secret_is_registered() {
        for (listed, expected) in [
            (None, AuthMethod::ClientSecretBasic),
            (Some(vec!["none", "client_secret_basic", "client_secret_post"]), AuthMethod::ClientSecretBasic),
            (Some(vec!["client_secret_post", "client_secret_basic"]), AuthMethod::ClientSecretPost),
            (Some(vec!["private_key_jwt", "client_secret_post"]), AuthMethod::ClientSecretPost),
            (Some(vec!["none"]), AuthMethod::None),
            (Some(vec!["private_key_jwt"]), AuthMethod::None),
        ] {
            let listed = listed.map(|methods| methods.into_iter().map(ToOwned::to_owned).collect());
            let metadata =
                ServerMetadata { token_endpoint_auth_methods_supported: listed, ..ServerMetadata::default() };
            assert_eq!(registered_method(&metadata), expected, "{metadata:?}");
        }
    }
}
