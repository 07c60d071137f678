//! Finishing an authorization (RFC 6749 §4.1.2, RFC 9207).
//!
//! (1) The flow of the state is taken, once: a second callback with the same state finds none; (2) the callback must
//! arrive at the path of its redirect URI and, if the authorization is bound to a browser, from that browser; (3)
//! `iss` must be the recorded issuer, also in error responses, before any other parameter counts; (4) an error ends
//! the authorization; (5) the code is exchanged for tokens; (6) the tokens are sealed and stored: as the owner's
//! credential if the authorization is bound to this browser, else as a grant that waits for a confirmation.

use super::OauthError;
use super::confirmation::{Unconfirmed, ask};
use super::grant::{schedule, store_set};
use super::outcome::{Finished, Unfinished, finished};
use super::receipt::owner_name;
use super::tokens::{refuses_client, request};
use crate::Platform;
use crate::model::integration::{AuthMode, Integration};
use crate::model::oauth_flow::Flow;
use crate::model::token_set::TokenSet;
use crate::model::unconfirmed_grant::UnconfirmedGrant;
use crate::store::credentials::TokenTimes;
use crate::store::integrations::{NOBODY, find};
use crate::store::{oauth_clients, oauth_flows};
use kernel::Result;
use kernel::digest::{constant_time_eq, sha256_hex};
use kernel::ports::Timestamp;
use url::Url;

/// The query parameters of a callback.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// `state`.
    pub state: Option<String>,
    /// `code`.
    pub code: Option<String>,
    /// `error`.
    pub error: Option<String>,
    /// `iss`.
    pub iss: Option<String>,
}

/// What a callback led to.
pub enum Outcome {
    /// The credential is stored.
    Finished(Finished),
    /// The person has to confirm first.
    Unconfirmed(Unconfirmed),
}

/// Finishes the authorization that `parameters` belong to. `browser` is the secret in the cookie of the browser that
/// sent the callback, `path` the path that was called, `place` where the person is sent if the authorization was started
/// without a return URL. Fails with a text for the person.
pub async fn finish(
    platform: &Platform,
    parameters: &Parameters,
    browser: Option<&str>,
    path: &str,
    place: &str,
) -> Result<Outcome, Unfinished> {
    let refused = |text: &str| Err(Unfinished(text.to_owned()));
    // (1)
    let state = parameters.state.as_deref().unwrap_or_default();
    let Some(taken) = oauth_flows::take(platform, state).await? else {
        return refused("This sign-in is unknown, was already used or has expired. Start it again.");
    };
    let flow = taken.flow;
    let Some(integration) = find(platform, NOBODY, &taken.integration_id).await? else {
        return refused("The integration is not there any more.");
    };
    // (2), (3), (4)
    let code = code(&flow, &integration, parameters, browser, path)?;
    let owner = taken.owner;
    let Some(owner_name) = owner_name(platform, &owner).await? else {
        return refused("The user who is to be connected is not there any more.");
    };
    // (5)
    let place = flow.return_url.clone().unwrap_or_else(|| place.to_owned());
    let (actor, is_bound) = (flow.actor.clone(), flow.browser.is_some());
    let (set, times) = granted(platform, flow, code).await?;
    // (6)
    if !is_bound {
        let grant = unconfirmed(set, times, place, actor);
        return Ok(Outcome::Unconfirmed(ask(platform, integration, &owner, owner_name, &grant).await?));
    }
    if !store_set(platform, &integration, &owner, &set, times).await? {
        return refused("The integration was changed meanwhile. Start the sign-in again.");
    }
    let finished = finished(platform, integration, (owner, owner_name), &set, &actor, place).await?;
    Ok(Outcome::Finished(finished))
}

fn unconfirmed(set: TokenSet, times: TokenTimes, place: String, actor: String) -> UnconfirmedGrant {
    let millis = |time: Option<Timestamp>| time.map(Timestamp::millis);
    UnconfirmedGrant {
        token_expires_at: millis(times.expires_at),
        refresh_at: millis(times.refresh_at),
        set,
        place,
        actor,
    }
}

/// Exchanges the code for tokens. Forgets the client that Postern has registered if the server refuses it.
async fn granted(platform: &Platform, flow: Flow, code: &str) -> Result<(TokenSet, TokenTimes), Unfinished> {
    let registered_at = flow.issuer.clone().filter(|_| flow.client.registered);
    match (exchange(platform, flow, code).await, registered_at) {
        (Err(error), Some(issuer)) if refuses_client(&error) => {
            // The server may have deleted the client, so the next authorization registers a new one.
            oauth_clients::forget(platform, &issuer).await?;
            Err(Unfinished(format!(
                "The token endpoint refused the client that Postern has registered there: {error}. Start the sign-in \
                 again: Postern registers anew."
            )))
        }
        (exchanged, _) => {
            let Exchanged { set, expires_in } = exchanged?;
            let times = schedule(platform, &set, expires_in);
            Ok((set, times))
        }
    }
}

/// Returns the code, if the callback passes the checks (2) to (4).
fn code<'a>(
    flow: &Flow,
    integration: &Integration,
    parameters: &'a Parameters,
    browser: Option<&str>,
    path: &str,
) -> Result<&'a str, Unfinished> {
    let refused = |text: &str| Err(Unfinished(text.to_owned()));
    // (2)
    if !is_same_browser(flow, browser) || !is_redirect_path(&flow.redirect_uri, path) {
        return refused("This sign-in was started in another browser. Start it again in this one.");
    }
    // (3)
    if !issuer_matches(flow, parameters.iss.as_deref()) {
        return refused("The answer does not come from the authorization server that was asked.");
    }
    // (4)
    if let Some(error) = &parameters.error {
        return refused(&format!("The authorization server answered: {}", known_error(error)));
    }
    if integration.content.auth_mode != AuthMode::Oauth {
        return refused("The integration does not use OAuth any more.");
    }
    if flow.origin.is_some() && flow.origin != integration.content.origin() {
        return refused("The integration was moved to another server meanwhile. Start the sign-in again.");
    }
    match parameters.code.as_deref() {
        Some(code) if !code.is_empty() => Ok(code),
        _ => refused("The authorization server's answer has no code."),
    }
}

fn is_same_browser(flow: &Flow, browser: Option<&str>) -> bool {
    match (&flow.browser, browser) {
        (None, _) => true,
        (Some(hash), Some(secret)) => {
            constant_time_eq(hash.as_bytes(), sha256_hex(secret.as_bytes()).as_bytes())
        }
        (Some(_), None) => false,
    }
}

/// Returns `true` if `path` is exactly the path of the redirect URI. The end of it is not enough: `/oauth/callback` is
/// how the other dialects' callback paths end.
fn is_redirect_path(redirect_uri: &str, path: &str) -> bool {
    Url::parse(redirect_uri).is_ok_and(|url| url.path() == path)
}

/// RFC 9207 §2.4: `iss` is compared as a string, nothing is normalised. A missing `iss` is accepted only if the
/// server does not announce the parameter.
fn issuer_matches(flow: &Flow, iss: Option<&str>) -> bool {
    match (&flow.issuer, iss) {
        (Some(issuer), Some(iss)) => issuer == iss,
        (Some(_), None) => !flow.iss_required,
        // The operator configured endpoints without an issuer: there is nothing to compare with.
        (None, _) => true,
    }
}

/// Returns `error` if it is an error code of RFC 6749 §4.1.2.1, OpenID Connect or RFC 8707. Any other text is a
/// peer's and is not repeated.
fn known_error(error: &str) -> &str {
    const KNOWN: [&str; 12] = [
        "invalid_request",
        "unauthorized_client",
        "access_denied",
        "unsupported_response_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "interaction_required",
        "login_required",
        "account_selection_required",
        "consent_required",
        "invalid_target",
    ];
    if KNOWN.contains(&error) { error } else { "an error that it did not name as the standard does" }
}

struct Exchanged {
    set: TokenSet,
    expires_in: Option<u64>,
}

async fn exchange(platform: &Platform, flow: Flow, code: &str) -> Result<Exchanged, OauthError> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &flow.redirect_uri),
        ("code_verifier", flow.verifier.expose()),
    ];
    if let Some(resource) = &flow.resource {
        form.push(("resource", resource));
    }
    let granted = request(platform, &flow.token_endpoint, &flow.client, &form).await?;
    let set = TokenSet {
        access_token: granted.access_token,
        refresh_token: granted.refresh_token,
        scope: granted.scope.or(flow.scope),
        issuer: flow.issuer,
        token_endpoint: flow.token_endpoint,
        revocation_endpoint: flow.revocation_endpoint,
        resource: flow.resource,
        is_client_credentials: false,
        client: flow.client,
    };
    Ok(Exchanged { set, expires_in: granted.expires_in })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_callback_path_does_not_finish_what_was_begun_for_another() {
        let asked = "https://postern.example/v1/integrations/oauth/callback";
        assert!(is_redirect_path(asked, "/v1/integrations/oauth/callback"));
        for other in ["/oauth/callback", "/api/v1/admin/oauth/callback", "/callback", "/", ""] {
            assert!(!is_redirect_path(asked, other), "{other}");
        }
    }
}
