//! The token endpoint (RFC 6749 §3.2), which exchanges codes, refresh tokens and client credentials for tokens, and
//! the revocation endpoint (RFC 7009).

use async_recursion::async_recursion;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::OauthError;
use super::http::{Answer, post_form};
use crate::Platform;
use crate::model::oauth_client::{AuthMethod, OauthClient};
use crate::model::token_set::TokenSet;
use kernel::net::SafeUrl;
use kernel::ports::FetchError;
use kernel::secret::Secret;

/// What [`OauthError::Terminal`] holds where the token endpoint answered 401 without an error code that Postern knows.
const UNNAMED: &str = "HTTP 401 without a known error code";
/// Longest token that is accepted, in bytes.
const LONGEST_TOKEN: usize = 16 * 1024;

/// A successful token response.
pub struct Granted {
    /// The access token.
    pub access_token: Secret<String>,
    /// The refresh token.
    pub refresh_token: Option<Secret<String>>,
    /// Lifetime of the access token in seconds.
    pub expires_in: Option<u64>,
    /// The granted scope, if the server stated it.
    pub scope: Option<String>,
}

/// RFC 6749 §5.1. `expires_in` is a number, but some servers send text.
#[derive(Deserialize)]
struct Success {
    access_token: Secret<String>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    refresh_token: Option<Secret<String>>,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    scope: Option<String>,
}

/// Sends `form` to the token endpoint, authenticated as `client`, and returns the tokens.
#[async_recursion(?Send)]
pub async fn request(
    platform: &Platform,
    endpoint: &str,
    client: &OauthClient,
    form: &[(&str, &str)],
) -> Result<Granted, OauthError> {
    let url = SafeUrl::parse(endpoint, platform.settings.net)
        .map_err(|_| OauthError::unusable("the token endpoint is not a URL that may be dialled"))?;
    let answer = post(platform, url, client, form).await.map_err(|error| {
        log::info!("token endpoint: {error:?}");
        OauthError::transient("the token endpoint did not answer")
    })?;
    read(answer)
}

/// Revokes a token set (RFC 7009). The answer is ignored: Postern deletes its own copy in any case.
pub async fn revoke(platform: &Platform, set: &TokenSet) {
    let Some(endpoint) = &set.revocation_endpoint else { return };
    let Ok(url) = SafeUrl::parse(endpoint, platform.settings.net) else { return };
    let (token, hint) = match &set.refresh_token {
        Some(token) => (token, "refresh_token"),
        None => (&set.access_token, "access_token"),
    };
    let form = [("token", token.expose().as_str()), ("token_type_hint", hint)];
    if let Err(error) = post(platform, url, &set.client, &form).await {
        log::info!("revocation: {error:?}");
    }
}

async fn post(
    platform: &Platform,
    url: SafeUrl,
    client: &OauthClient,
    form: &[(&str, &str)],
) -> Result<Answer, FetchError> {
    let mut form = form.to_vec();
    let mut headers = HeaderMap::new();
    let secret = client.client_secret.as_ref().map_or("", |secret| secret.expose().as_str());
    match client.auth_method {
        AuthMethod::ClientSecretBasic => {
            headers.insert(AUTHORIZATION, basic(&client.client_id, secret));
            form.push(("client_id", client.client_id.as_str()));
        }
        AuthMethod::ClientSecretPost => {
            form.push(("client_id", client.client_id.as_str()));
            form.push(("client_secret", secret));
        }
        AuthMethod::None => form.push(("client_id", client.client_id.as_str())),
    }
    post_form(platform, url, headers, &form).await
}

/// RFC 6749 §2.3.1: identifier and secret are form-encoded before they are joined.
fn basic(id: &str, secret: &str) -> HeaderValue {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Zeroizing::new(format!("{}:{}", encode(id), encode(secret)));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    // Base64 is always a valid header value.
    let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// Reads an answer of the token endpoint. Errors are told apart by their code only; a peer's text is never repeated.
fn read(answer: Answer) -> Result<Granted, OauthError> {
    let status = answer.status;
    let code = answer.json.as_ref().and_then(|json| json.get("error")?.as_str()).map(ToOwned::to_owned);
    if !answer.is_success() || code.is_some() {
        return Err(failure(status, code.as_deref()));
    }
    let unusable = || OauthError::transient("the token endpoint's answer is not a token response");
    let success: Success =
        serde_json::from_value(answer.json.ok_or_else(unusable)?).map_err(|_| unusable())?;
    let is_bearer = success.token_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !is_bearer || !is_usable(&success.access_token) {
        return Err(OauthError::unusable("the token endpoint issued a token that cannot be presented"));
    }
    let expires_in = success.expires_in.as_ref().and_then(|value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    });
    let scope = success.scope.filter(|scope| !scope.is_empty());
    Ok(Granted {
        access_token: success.access_token,
        refresh_token: success.refresh_token.filter(is_usable),
        expires_in,
        scope,
    })
}

fn is_usable(token: &Secret<String>) -> bool {
    let token = token.expose();
    (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns `true` if the token endpoint refused the client, and not only the grant.
pub(super) fn refuses_client(error: &OauthError) -> bool {
    matches!(error, OauthError::Terminal("invalid_client" | UNNAMED))
}

/// RFC 6749 §5.2. Without a known code, 5xx and 429 may pass; any other status does not.
fn failure(status: u16, code: Option<&str>) -> OauthError {
    match code {
        Some("invalid_grant") => OauthError::terminal("invalid_grant"),
        Some("invalid_client") => OauthError::terminal("invalid_client"),
        Some("unauthorized_client") => OauthError::terminal("unauthorized_client"),
        Some("unsupported_grant_type") => OauthError::terminal("unsupported_grant_type"),
        Some("invalid_scope") => OauthError::terminal("invalid_scope"),
        Some("invalid_target") => OauthError::terminal("invalid_target"),
        Some("invalid_request") => OauthError::unusable("the token endpoint answered invalid_request"),
        // RFC 6749 §5.2: 401 means that the server refuses the client.
        _ if status == 401 => OauthError::terminal(UNNAMED),
        _ if status == 429 || status >= 500 => {
            OauthError::transient(format!("the token endpoint answered HTTP {status}"))
        }
        _ => OauthError::unusable(format!("the token endpoint answered HTTP {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, json: &str) -> Answer {
        Answer { status, headers: HeaderMap::new(), json: serde_json::from_str(json).ok() }
    }

    #[test]
    fn each_answer_is_read_as_tokens_or_as_the_right_kind_of_error() {
        let good =
            read(answer(200, r#"{"access_token":"a","token_type":"bearer","expires_in":"60","scope":""}"#));
        let good = good.unwrap_or_else(|_| panic!("a good answer was read as an error"));
        assert_eq!((good.expires_in, good.scope, good.refresh_token.is_some()), (Some(60), None, false));
        for (status, json, terminal, transient) in [
            (400, r#"{"error":"invalid_grant","error_description":"canary"}"#, true, false),
            (401, "{}", true, false),
            (401, "", true, false),
            (401, r#"{"error":"canary"}"#, true, false),
            (200, r#"{"error":"invalid_client"}"#, true, false),
            (400, r#"{"error":"invalid_request"}"#, false, false),
            (503, "", false, true),
            (429, "{}", false, true),
            (200, "<html>", false, true),
            (200, r#"{"access_token":"a b"}"#, false, false),
            (200, r#"{"access_token":"a","token_type":"mac"}"#, false, false),
        ] {
            let Err(error) = read(answer(status, json)) else { panic!("{json}") };
            assert_eq!((error.is_terminal(), error.is_transient()), (terminal, transient), "{status} {json}");
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn an_answer_without_an_error_code_is_reported_as_what_it_is() {
        for (json, expected) in [
            ("", "the authorization server answered HTTP 401 without a known error code"),
            (r#"{"error":"invalid_client"}"#, "the authorization server answered invalid_client"),
        ] {
            let Err(error) = read(answer(401, json)) else { panic!("{json}") };
            assert_eq!(error.to_string(), expected);
            assert!(refuses_client(&error));
        }
        let Err(error) = read(answer(400, r#"{"error":"invalid_grant"}"#)) else { panic!("tokens") };
        assert!(!refuses_client(&error));
    }

    #[test]
    fn basic_authentication_encodes_identifier_and_secret() {
        assert_eq!(
            basic("a:b", "p w%").to_str().unwrap(),
            format!("Basic {}", STANDARD.encode("a%3Ab:p+w%25"))
        );
    }
}
