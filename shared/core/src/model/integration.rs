//! An integration: one upstream MCP server that Postern knows.

use std::str::FromStr;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::credential::Connection;
use super::oauth::OauthConfig;
use super::text_enum::text_enum;
use kernel::ports::Timestamp;
use kernel::{Error, Result};
use mcp::Era;
use web::PathParam;

/// Longest display name in characters.
pub const LONGEST_NAME: usize = 200;
/// Longest token in bytes.
pub const LONGEST_TOKEN: usize = 16 * 1024;
/// Longest description in characters.
pub const LONGEST_DESCRIPTION: usize = 2000;
/// Consecutive failed probes after which a running integration counts as broken.
pub const UNHEALTHY_AFTER: i64 = 3;
const LONGEST_SLUG: usize = 40;
/// Longest slug that an operator may choose.
const LONGEST_CHOSEN_SLUG: usize = 64;
/// Slugs that would hide a route.
const RESERVED_SLUGS: [&str; 2] = ["install", "catalog"];

/// An integration's UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegrationId(pub Uuid);

impl PathParam for IntegrationId {
    const NAME: &'static str = "id";

    /// A malformed id answers like an unknown one: 404.
    fn from_param(text: &str) -> Result<Self> {
        Uuid::from_str(text).map(Self).map_err(|_| Self::not_found())
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        web::openapi::Param::required("The integration's id.", web::openapi::uuid())
    }
}

impl IntegrationId {
    /// The error for an id that leads nowhere.
    pub fn not_found() -> Error {
        Error::not_found("Integration not found")
    }
}

/// An integration's slug, as a path parameter: 400 for text that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(pub String);

impl PathParam for Slug {
    const NAME: &'static str = "id";

    fn from_param(text: &str) -> Result<Self> {
        check_slug(Self::NAME, text).map(Self)
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        web::openapi::Param::required("The integration's slug.", slug_schema())
    }
}

/// What [`check_slug`] demands, as far as JSON Schema can say it.
#[cfg(not(target_family = "wasm"))]
pub fn slug_schema() -> utoipa::openapi::ObjectBuilder {
    web::openapi::text().min_length(Some(1)).max_length(Some(LONGEST_CHOSEN_SLUG)).pattern(Some(SLUG_PATTERN))
}

/// The form of slugs, as a regular expression of JSON Schema.
pub const SLUG_PATTERN: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";

impl std::fmt::Display for IntegrationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

text_enum! {
    /// What Postern does with it.
    Category {
        /// Proxied through the gateway.
        GatewayRemoteMcp = "gateway_remote_mcp",
        /// Credentials are stored and brokered, traffic is never proxied.
        InternalMcpCredentials = "internal_mcp_credentials",
    }
}

text_enum! {
    /// Whose token is presented upstream.
    AuthMode {
        /// Each user's, by consent.
        Oauth = "oauth",
        /// Each user's, pasted.
        UserToken = "user_token",
        /// One for the organization.
        ServerToken = "server_token",
        /// None.
        None = "none",
    }
}

text_enum! {
    /// Result of the last probe.
    ValidationStatus {
        /// Not probed since it was created or changed.
        Pending = "pending",
        /// Reachable and speaking MCP.
        Valid = "valid",
        /// Not usable; the message says why.
        Invalid = "invalid",
    }
}

text_enum! {
    /// Whether it is in use.
    State {
        /// Its tools are listed and called.
        Running = "running",
        /// It keeps its catalogue and credentials, and that is all.
        Stopped = "stopped",
    }
}

text_enum! {
    /// What happens to a tool that a probe finds new or changed.
    ToolPolicy {
        /// It is offered at once.
        Auto = "auto",
        /// It stays out of lists and calls until somebody approves it.
        Review = "review",
    }
}

/// A live or archived integration.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Id.
    pub id: String,
    /// Unique short name, prefix of its tools.
    pub slug: String,
    /// What the operator gave.
    pub content: Content,
    /// Whether it is in use.
    pub state: State,
    /// When it was last started; `None` while it is stopped.
    pub started_at: Option<Timestamp>,
    /// How often it was started.
    pub generation: i64,
    /// Whether the organization owns a credential for it.
    pub has_organization_credential: bool,
    /// The own credential of whoever it was read for.
    pub user_connection: Option<Connection>,
    /// How it speaks MCP, once probed.
    pub era: Option<Era>,
    /// Result of the last probe.
    pub validation_status: ValidationStatus,
    /// Its explanation.
    pub validation_message: Option<String>,
    /// When the probe that found so began.
    pub last_validated_at: Option<Timestamp>,
    /// Failed probes since the last good one.
    pub consecutive_failures: i64,
    /// Hash of the catalogue that the last good probe found.
    pub catalogue_hash: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When an operator last changed it.
    pub updated_at: Timestamp,
    /// A write has to name the revision that it saw.
    pub revision: i64,
}

/// What an operator decides about an integration; a write replaces all of it.
#[derive(Clone, Debug)]
pub struct Content {
    /// Display name.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// MCP endpoint.
    pub url: String,
    /// What Postern does with it.
    pub category: Category,
    /// Whose token is presented.
    pub auth_mode: AuthMode,
    /// For `AuthMode::Oauth`.
    pub oauth: Option<OauthConfig>,
    /// The secret of `oauth.client_id`, sealed.
    pub oauth_client_secret: Option<String>,
    /// As declared.
    pub capabilities: Option<Box<RawValue>>,
    /// JSON Schema of user credentials.
    pub credential_schema: Option<Box<RawValue>>,
    /// Header templates, sealed; without them a token goes into `Authorization: Bearer`.
    pub headers: Option<String>,
    /// What happens to new and changed tools.
    pub tool_policy: ToolPolicy,
    /// What it was installed from.
    pub source: Option<String>,
}

impl Integration {
    /// Whether it is in use and has failed too often.
    pub fn is_broken(&self) -> bool {
        self.state == State::Running && self.consecutive_failures >= UNHEALTHY_AFTER
    }

    /// Whether each user brings a credential.
    pub fn has_user_credentials(&self) -> bool {
        self.content.auth_mode.is_per_user()
    }
}

impl AuthMode {
    /// Whether each user brings a credential.
    pub fn is_per_user(self) -> bool {
        matches!(self, Self::Oauth | Self::UserToken)
    }
}

/// Checks a display name, the request's field `field`: 1 to 200 characters, none of them control characters, white space
/// around it left out.
pub fn check_name(field: &str, name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid_field(field, format!("must have 1 to {LONGEST_NAME} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid_field(field, "must not contain control characters"));
    }
    Ok(name.to_owned())
}

/// Checks a description, the request's field `field`: at most 2000 characters, control characters only to break lines.
pub fn check_description(field: &str, text: &str) -> Result<String> {
    if text.chars().count() > LONGEST_DESCRIPTION {
        return Err(Error::invalid_field(
            field,
            format!("must have at most {LONGEST_DESCRIPTION} characters"),
        ));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(Error::invalid_field(field, "must not contain control characters"));
    }
    Ok(text.to_owned())
}

/// Checks a slug that an operator chose, the request's field `field`: kebab-case, 1 to 64 characters, no reserved word,
/// not of a UUID's form.
pub fn check_slug(field: &str, text: &str) -> Result<String> {
    let kebab = text
        .split('-')
        .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    if !kebab || text.len() > LONGEST_CHOSEN_SLUG || Uuid::from_str(text).is_ok() {
        let rule = "must be kebab-case (a-z, 0-9, single hyphens), 1 to 64 characters";
        return Err(Error::invalid_field(field, rule));
    }
    if RESERVED_SLUGS.contains(&text) {
        return Err(Error::invalid_field(field, format!("must not be \"{text}\"")));
    }
    Ok(text.to_owned())
}

/// Checks a token, the request's field `field`: 1 byte to 16 KiB of visible ASCII, so that it can travel in a header.
pub fn check_token(field: &str, token: &str) -> Result<()> {
    if token.is_empty() || token.len() > LONGEST_TOKEN {
        return Err(Error::invalid_field(field, format!("must have 1 to {LONGEST_TOKEN} bytes")));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid_field(field, "must consist of visible ASCII characters"));
    }
    Ok(())
}

/// The kebab-case slug of a display name. `attempt` 0 is the name's own; later ones carry a number, for names that
/// lead to the same slug. Never contains `__` and never looks like a UUID.
pub fn slug(name: &str, attempt: u32) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(LONGEST_SLUG);
    let slug = slug.trim_end_matches('-');
    let base = match slug {
        "" => "integration",
        unusable if Uuid::from_str(unusable).is_ok() || RESERVED_SLUGS.contains(&unusable) => "integration",
        slug => slug,
    };
    match attempt {
        0 => base.to_owned(),
        attempt => format!("{base}-{}", attempt + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_kebab_case() {
        for (name, expected) in [
            ("Everything", "everything"),
            ("GitHub (Enterprise)", "github-enterprise"),
            ("  a__b  ", "a-b"),
            ("日本", "integration"),
            ("Catalog", "integration"),
            ("550e8400-e29b-41d4-a716-446655440000", "integration"),
        ] {
            assert_eq!(slug(name, 0), expected);
        }
        assert_eq!(slug("Everything", 1), "everything-2");
        assert_eq!(slug(&"x".repeat(300), 0).len(), LONGEST_SLUG);
    }

    #[test]
    fn chosen_slugs_are_kebab_case() {
        for good in ["a", "github-connector", "7", &"x".repeat(64)] {
            assert_eq!(check_slug("id", good).unwrap(), good);
        }
        let uuid = "550e8400-e29b-41d4-a716-446655440000";
        for bad in
            ["", "-a", "a-", "a--b", "A", "a_b", "a b", "é", "install", "catalog", uuid, &"x".repeat(65)]
        {
            assert!(check_slug("id", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_and_tokens_have_bounds() {
        assert_eq!(check_name("name", " Sentry ").unwrap(), "Sentry");
        assert!(check_name("name", &"é".repeat(200)).is_ok());
        for bad in ["", "   ", "a\nb", &"x".repeat(201)] {
            assert!(check_name("name", bad).is_err(), "{bad:?}");
        }
        assert!(check_token("serverToken", &"x".repeat(LONGEST_TOKEN)).is_ok());
        for bad in ["", "a b", "a\r\nX-Evil: 1", "é", &"x".repeat(LONGEST_TOKEN + 1)] {
            assert!(check_token("serverToken", bad).is_err());
        }
    }
}
