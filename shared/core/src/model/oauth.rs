//! An integration's OAuth configuration, as an operator gives it. The client secret is sealed in a column of its own.

use serde::{Deserialize, Serialize};

use super::credential::origin_of;

use kernel::net::{Policy, SafeUrl};
use kernel::schema::{CONTROL, schema_type, text};
use kernel::{Error, Result};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder};

const LONGEST_TEXT: usize = 2048;
const MOST_SCOPES: usize = 100;
const LONGEST_SCOPE: usize = 256;

/// OAuth configuration of an integration. All of it is optional: what is missing is discovered (RFC 9728, RFC 8414).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OauthConfig {
    /// The provider's name, for people.
    #[serde(default)]
    #[schema(required = true)]
    pub provider: Option<String>,
    /// The authorization server's issuer identifier (RFC 8414 §2).
    #[serde(default)]
    #[schema(required = true)]
    pub issuer: Option<String>,
    /// Scopes to ask for (RFC 6749 §3.3).
    #[serde(default)]
    #[schema(required = true)]
    pub scopes: Vec<String>,
    /// The client identifier that the operator registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client_id: Option<String>,
    /// Authorization endpoint; beats a discovered one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub authorization_url: Option<String>,
    /// Token endpoint; beats a discovered one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token_url: Option<String>,
    /// `prompt` of authorization requests, such as `consent`; not sent when absent (OpenID Connect Core §3.1.2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub prompt: Option<String>,
    /// Leaves `resource` (RFC 8707) out of every request, for servers that refuse it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub omit_resource: bool,
    /// Whether `clientId` was registered with the redirect URIs that belong to its authorization server alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redirect_per_issuer: bool,
    /// How tokens are got; each user's consent when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub grant: Option<Grant>,
}

super::text_enum::text_enum! {
    /// How tokens are got.
    Grant {
        /// Authorization code grant: each user consents (RFC 6749 §4.1).
        AuthorizationCode = "authorization_code",
        /// Client credentials grant: the organization itself is the client (RFC 6749 §4.4).
        ClientCredentials = "client_credentials",
    }
}

impl OauthConfig {
    /// Returns `true` if the organization gets the token, by the client credentials grant.
    pub fn is_client_credentials(&self) -> bool {
        self.grant == Some(Grant::ClientCredentials)
    }

    /// Returns `true` if the operator says which authorization server is asked. Otherwise the MCP server names it.
    pub fn names_server(&self) -> bool {
        let has_endpoints =
            self.token_url.is_some() && (self.authorization_url.is_some() || self.is_client_credentials());
        self.issuer.is_some() || has_endpoints
    }

    /// Returns `true` if `other` has the same client at the same authorization server, so that a secret of one is a
    /// secret of the other.
    pub fn has_same_client(&self, other: &Self) -> bool {
        let origin = |url: &Option<String>| url.as_deref().map(origin_of);
        self.client_id == other.client_id
            && self.issuer == other.issuer
            && origin(&self.token_url) == origin(&other.token_url)
            && origin(&self.authorization_url) == origin(&other.authorization_url)
    }

    /// Checks every field: URLs that may be dialled, texts within bounds, a bounded number of well-formed scopes.
    pub fn check(&self, policy: Policy) -> Result<()> {
        for (field, url) in [
            ("oauth.issuer", &self.issuer),
            ("oauth.authorizationUrl", &self.authorization_url),
            ("oauth.tokenUrl", &self.token_url),
        ] {
            if let Some(url) = url {
                SafeUrl::parse(url, policy).map_err(|refused| refused.field(field))?;
            }
        }
        for (field, text) in [
            ("oauth.provider", &self.provider),
            ("oauth.clientId", &self.client_id),
            ("oauth.prompt", &self.prompt),
        ] {
            let usable = |text: &String| {
                !text.is_empty() && text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control)
            };
            if !text.as_ref().is_none_or(usable) {
                let rule = format!("must have 1 to {LONGEST_TEXT} bytes and no control characters");
                return Err(Error::invalid_field(field, rule));
            }
        }
        if self.scopes.len() > MOST_SCOPES || !self.scopes.iter().all(|scope| is_scope_token(scope)) {
            let rule =
                format!("must be at most {MOST_SCOPES} scope tokens of visible ASCII without \" and \\");
            return Err(Error::invalid_field("oauth.scopes", rule));
        }
        Ok(())
    }
}

/// RFC 6749 §3.3: `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`, here at most 256 characters.
fn is_scope_token(scope: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    !scope.is_empty() && scope.len() <= LONGEST_SCOPE && scope.bytes().all(allowed)
}

schema_type! {
    /// A text of an OAuth configuration, see [`OauthConfig::check`]. Its bound is one of bytes: a text that is not
    /// ASCII may have fewer characters than the schema says.
    OauthText, oauth_text()
}

fn oauth_text() -> ObjectBuilder {
    text(format!("^[^{CONTROL}]+$"))
        .max_length(Some(LONGEST_TEXT))
        .description(Some(format!("1 to {LONGEST_TEXT} bytes (UTF-8) without control characters.")))
}

schema_type! {
    /// The scopes of an OAuth configuration, see [`OauthConfig::check`].
    Scopes, scopes()
}

fn scopes() -> ArrayBuilder {
    let scope = text(r"^[!#-\[\]-~]+$").max_length(Some(LONGEST_SCOPE));
    ArrayBuilder::new()
        .items(scope)
        .max_items(Some(MOST_SCOPES))
        .description(Some("Scopes to ask for (RFC 6749 §3.3)."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<()> {
        serde_json::from_str::<OauthConfig>(json).unwrap().check(Policy::default())
    }

    #[test]
    fn a_bad_value_of_any_field_is_refused() {
        let good = r#"{"provider":"github","issuer":"https://github.com","scopes":["repo","read:user"],
                       "clientId":"c1","authorizationUrl":"https://github.com/a","tokenUrl":"https://github.com/t"}"#;
        assert!(check(good).is_ok());
        assert!(check("{}").is_ok());
        for bad in [
            r#"{"issuer":"http://github.com"}"#,
            r#"{"authorizationUrl":"https://10.0.0.1/a"}"#,
            r#"{"tokenUrl":"token"}"#,
            r#"{"provider":""}"#,
            r#"{"clientId":"a\nb"}"#,
            r#"{"scopes":["a b"]}"#,
            r#"{"scopes":[""]}"#,
            r#"{"scopes":["\""]}"#,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
