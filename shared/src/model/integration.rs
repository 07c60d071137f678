//! An integration: one upstream MCP server that Postern knows.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::http::FromParam;
use crate::mcp::Era;
use crate::platform::Timestamp;
use crate::{Error, Result};

/// Longest display name in characters.
pub const LONGEST_NAME: usize = 200;
/// Longest token in bytes.
pub const LONGEST_TOKEN: usize = 16 * 1024;
const LONGEST_SLUG: usize = 40;

/// An integration's UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegrationId(pub Uuid);

impl FromParam for IntegrationId {
    /// A malformed id answers like an unknown one: 404.
    fn from_param(text: &str) -> Result<Self> {
        Uuid::from_str(text).map(Self).map_err(|_| Self::not_found())
    }
}

impl IntegrationId {
    /// The error for an id that leads nowhere.
    pub fn not_found() -> Error {
        Error::not_found("Integration not found")
    }
}

impl std::fmt::Display for IntegrationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// The text form, in JSON and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(Error::internal(format!("unknown {} {other:?}", stringify!($name)))),
                }
            }
        }
    };
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

/// A live or archived integration.
#[derive(Clone, Debug)]
pub struct Integration {
    /// Id.
    pub id: String,
    /// Unique short name, prefix of its tools.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// MCP endpoint.
    pub url: String,
    /// What Postern does with it.
    pub category: Category,
    /// Whose token is presented.
    pub auth_mode: AuthMode,
    /// As declared by the operator.
    pub capabilities: Option<Box<RawValue>>,
    /// Schema of user credentials.
    pub credential_schema: Option<Box<RawValue>>,
    /// Whether an organization-owned token is stored.
    pub server_token_configured: bool,
    /// How it speaks MCP, once probed.
    pub era: Option<Era>,
    /// Result of the last probe.
    pub validation_status: ValidationStatus,
    /// Its explanation.
    pub validation_message: Option<String>,
    /// When it was.
    pub last_validated_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When an operator last changed it.
    pub updated_at: Timestamp,
}

/// Checks a display name: 1 to 200 characters, none of them a control character. Returns it trimmed.
pub fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid(format!("name must have 1 to {LONGEST_NAME} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid("name must not contain control characters"));
    }
    Ok(name.to_owned())
}

/// Checks a token: 1 byte to 16 KiB of visible ASCII, so that it can travel in a header.
pub fn check_token(field: &'static str, token: &str) -> Result<()> {
    if token.is_empty() || token.len() > LONGEST_TOKEN {
        return Err(Error::invalid(format!("{field} must have 1 to {LONGEST_TOKEN} bytes")));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid(format!("{field} must consist of visible ASCII characters")));
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
        uuid if Uuid::from_str(uuid).is_ok() => "integration",
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
            ("550e8400-e29b-41d4-a716-446655440000", "integration"),
        ] {
            assert_eq!(slug(name, 0), expected);
        }
        assert_eq!(slug("Everything", 1), "everything-2");
        assert_eq!(slug(&"x".repeat(300), 0).len(), LONGEST_SLUG);
    }

    #[test]
    fn names_and_tokens_have_bounds() {
        assert_eq!(check_name(" Sentry ").unwrap(), "Sentry");
        assert!(check_name(&"é".repeat(200)).is_ok());
        for bad in ["", "   ", "a\nb", &"x".repeat(201)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_token("serverToken", &"x".repeat(LONGEST_TOKEN)).is_ok());
        for bad in ["", "a b", "a\r\nX-Evil: 1", "é", &"x".repeat(LONGEST_TOKEN + 1)] {
            assert!(check_token("serverToken", bad).is_err());
        }
    }
}
