//! An integration: one upstream MCP server that Postern knows.

use std::str::FromStr;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::credential::Connection;
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
        web::openapi::Param::required("The integration's slug.", super::field::slug_schema())
    }
}

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
