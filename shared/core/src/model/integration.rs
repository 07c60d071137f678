//! An integration, one upstream MCP server that Postern knows, and the rules of its fields.

use std::str::FromStr;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::credential::{Connection, origin_of};
use super::field::check_slug;
use super::oauth::OauthConfig;
use super::text_enum::text_enum;
use kernel::ports::Timestamp;
use kernel::{Error, Result};
use mcp::Era;
use web::PathParam;

/// Consecutive failed probes after which a running integration counts as broken.
pub const UNHEALTHY_AFTER: i64 = 3;

/// An integration's UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegrationId(pub Uuid);

impl PathParam for IntegrationId {
    const NAME: &'static str = "id";

    /// Answers a malformed id like an unknown one: 404.
    fn from_param(text: &str) -> Result<Self> {
        Uuid::from_str(text).map(Self).map_err(|_| Self::not_found())
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        web::openapi::Param::required("The integration's id.", web::openapi::uuid())
    }
}

impl IntegrationId {
    /// The error for an id that no integration has.
    pub fn not_found() -> Error {
        Error::not_found("Integration not found")
    }
}

/// An integration's slug, as a path parameter. Text that cannot be a slug answers 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(pub String);

impl PathParam for Slug {
    const NAME: &'static str = "id";

    fn from_param(text: &str) -> Result<Self> {
        check_slug(Self::NAME, text).map(Self)
    }

    #[cfg(not(target_family = "wasm"))]
    fn document() -> web::openapi::Param {
        web::openapi::Param::required_of::<Self>("The integration's slug.")
    }
}

impl utoipa::PartialSchema for Slug {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        super::field::slug_schema().into()
    }
}

impl utoipa::ToSchema for Slug {}

impl std::fmt::Display for IntegrationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

text_enum! {
    /// What Postern does with it.
    Category {
        /// Calls are proxied through the gateway.
        GatewayRemoteMcp = "gateway_remote_mcp",
        /// Credentials are stored and handed out; calls are never proxied.
        InternalMcpCredentials = "internal_mcp_credentials",
    }
}

text_enum! {
    /// Whose token is presented upstream.
    AuthMode {
        /// An OAuth token: each user's by consent, or the organization's by the client credentials grant.
        Oauth = "oauth",
        /// Each user's token, pasted by the user.
        UserToken = "user_token",
        /// One token for the whole organization.
        ServerToken = "server_token",
        /// No token.
        None = "none",
    }
}

text_enum! {
    /// Result of the last probe.
    ValidationStatus {
        /// No probe since the integration was created or changed.
        Pending = "pending",
        /// The upstream is reachable and speaks MCP.
        Valid = "valid",
        /// The upstream is not usable; the message says why.
        Invalid = "invalid",
    }
}

text_enum! {
    /// Whether it is in use.
    State {
        /// The integration's tools are listed and called.
        Running = "running",
        /// The integration keeps its catalogue and credentials, and its tools are neither listed nor called.
        Stopped = "stopped",
    }
}

text_enum! {
    /// What happens to a tool that a probe finds new or changed.
    ToolPolicy {
        /// The tool is offered at once.
        Auto = "auto",
        /// The tool stays out of lists and calls until an operator approves it.
        Review = "review",
    }
}

/// A live or archived integration.
#[derive(Clone, Debug)]
pub struct Integration {
    /// UUID.
    pub id: String,
    /// Unique short name; prefix of the exposed tool names.
    pub slug: String,
    /// What the operator decided.
    pub content: Content,
    /// Whether the integration is in use.
    pub state: State,
    /// When the integration was last started; `None` while it is stopped.
    pub started_at: Option<Timestamp>,
    /// How many times the integration was started.
    pub generation: i64,
    /// Whether the organization has a credential for the integration.
    pub has_organization_credential: bool,
    /// The own connection of the viewer that the integration was read for.
    pub user_connection: Option<Connection>,
    /// The upstream's era, as the last successful probe found; `None` before that.
    pub era: Option<Era>,
    /// Result of the last probe.
    pub validation_status: ValidationStatus,
    /// Explanation of that result.
    pub validation_message: Option<String>,
    /// When the probe that was recorded last began.
    pub last_validated_at: Option<Timestamp>,
    /// Failed probes since the last successful one.
    pub consecutive_failures: i64,
    /// Hash of the catalogue that the last successful probe found.
    pub catalogue_hash: Option<String>,
    /// When the integration was created.
    pub created_at: Timestamp,
    /// When an operator last changed the integration.
    pub updated_at: Timestamp,
    /// A random number, another one after each write of content. A write names the revision that was read before.
    pub revision: i64,
    /// The issuer that was last discovered for the integration's URL.
    pub discovered_issuer: Option<String>,
}

/// What an operator decides about an integration; a write replaces all of it.
#[derive(Clone, Debug)]
pub struct Content {
    /// Display name.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// MCP endpoint of the upstream.
    pub url: String,
    /// What Postern does with the integration.
    pub category: Category,
    /// Whose token is presented upstream.
    pub auth_mode: AuthMode,
    /// OAuth configuration, for [`AuthMode::Oauth`].
    pub oauth: Option<OauthConfig>,
    /// The sealed secret of the client `oauth.client_id`.
    pub oauth_client_secret: Option<String>,
    /// Capabilities, as the operator declared them.
    pub capabilities: Option<Box<RawValue>>,
    /// JSON Schema of user credentials.
    pub credential_schema: Option<Box<RawValue>>,
    /// Sealed header templates. Without them a token is sent as `Authorization: Bearer`.
    pub headers: Option<String>,
    /// What happens to new and changed tools.
    pub tool_policy: ToolPolicy,
    /// What the integration was installed from; `None` if it was created.
    pub source: Option<String>,
}

impl Integration {
    /// Returns `true` if the integration is running and at least [`UNHEALTHY_AFTER`] probes in a row have failed.
    pub fn is_broken(&self) -> bool {
        self.state == State::Running && self.consecutive_failures >= UNHEALTHY_AFTER
    }

    /// Returns `true` if each user brings a credential.
    pub fn has_user_credentials(&self) -> bool {
        self.content.has_user_credentials()
    }
}

impl Content {
    /// Returns `true` if each user brings a credential. By the client credentials grant the organization does.
    pub fn has_user_credentials(&self) -> bool {
        self.auth_mode.is_per_user() && !self.has_client_credentials()
    }

    /// Returns `true` if the organization gets its token by the client credentials grant.
    pub fn has_client_credentials(&self) -> bool {
        self.auth_mode == AuthMode::Oauth
            && self.oauth.as_ref().is_some_and(OauthConfig::is_client_credentials)
    }

    /// Returns `true` if what a validation found out about `former` says nothing about this content.
    pub fn needs_validation_after(&self, former: &Self) -> bool {
        self.auth_mode != former.auth_mode || self.url != former.url
    }

    /// Returns `true` if the credentials that were given for `former` must not be used for this content: another origin
    /// would receive them, or somebody else has to bring them.
    pub fn drops_credentials_of(&self, former: &Self) -> bool {
        self.origin() != former.origin()
            || self.auth_mode != former.auth_mode
            || self.has_client_credentials() != former.has_client_credentials()
    }

    /// Returns the origin of the URL.
    pub fn origin(&self) -> Option<String> {
        origin_of(&self.url)
    }
}

impl AuthMode {
    /// Returns `true` if each user brings a credential, unless the grant of OAuth is the client credentials grant (see
    /// [`Content::has_user_credentials`]).
    pub fn is_per_user(self) -> bool {
        matches!(self, Self::Oauth | Self::UserToken)
    }
}
