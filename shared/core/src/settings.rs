//! The one table of Postern's settings. A runtime reads the settings once per instance.
//!
//! `Settings`, its loading, the variables of `spin.toml` and README's table of settings are all made from the table.
//! For a new setting, add one entry here and, if none fits, a function in `read`, and run `cargo xtask manifests`.
//!
//! No secret has a default: without `ENCRYPTION_KEY` loading fails, and every route answers 503 with a text that names
//! the setting.

mod read;

use std::time::Duration;

use kernel::Result;
use kernel::net::Policy;
use kernel::seal::KeyRing;
use kernel::secret::Secret;

use self::read::Given;
use crate::policy::persona::Personas;

/// The description of a setting for operators.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name of the environment variable or secret; on Spin, in lower case, of the variable.
    pub name: &'static str,
    /// Whether the value is a secret. A secret has no default.
    pub secret: bool,
    /// The value if the operator sets none.
    pub default: Option<&'static str>,
    /// The meaning of the setting, in Markdown.
    pub description: &'static str,
}

/// Declares [`Settings`] with one field per entry, [`SETTINGS`], [`NAMES`], and how the fields are loaded.
///
/// An entry has the field with its type, the members of a [`Setting`], and `read`: the function that makes the
/// field's value from the operator's text.
macro_rules! settings {
    ($($field:ident: $type:ty {
        name: $name:literal,
        secret: $secret:literal,
        default: $default:expr,
        description: $description:literal,
        read: $read:path,
    })+) => {
        /// All settings, checked.
        pub struct Settings {
            $(#[doc = concat!("`", $name, "`: ", $description)]
            pub $field: $type,)+
        }

        /// All settings, in the order in which they are read and shown.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: $name,
            secret: $secret,
            default: $default,
            description: $description,
        }),+];

        /// The names of all settings.
        pub const NAMES: [&str; SETTINGS.len()] = [$($name),+];

        impl Settings {
            /// Reads every setting through `lookup`. White space around a value is removed, and an empty value counts
            /// as absent. Fails if a value is missing or wrong, alone or beside another one; the error names the
            /// setting and the rule.
            pub fn load(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
                let settings = Self { $($field: $read(Given::new($name, lookup($name), $default))?),+ };
                read::check_together(&settings)?;
                Ok(settings)
            }
        }
    };
}

settings! {
    keys: KeyRing {
        name: "ENCRYPTION_KEY",
        secret: true,
        default: None,
        description: "Required. Base64 of 32 random bytes, which seal tokens and sessions; older keys may follow after \
                      commas: the first one seals, all of them open.",
        read: read::key_ring,
    }
    bootstrap_admin_key: Option<Secret<String>> {
        name: "BOOTSTRAP_ADMIN_KEY",
        secret: true,
        default: None,
        description: "`pst_<16 hex>_<43 base64url>`: an admin key, valid for as long as this is its value. Leave it out once there is another admin key.",
        read: read::api_key,
    }
    public_url: Option<String> {
        name: "PUBLIC_URL",
        secret: false,
        default: None,
        description: "The origin at which agents and browsers reach Postern.",
        read: read::origin,
    }
    allowed_origins: Vec<String> {
        name: "ALLOWED_ORIGINS",
        secret: false,
        default: None,
        description: "Further browser origins that may call, comma separated; others get 403.",
        read: read::origins,
    }
    net: Policy {
        name: "ALLOW_LOOPBACK_UPSTREAMS",
        secret: false,
        default: Some("false"),
        description: "`true` lets `http://127.0.0.1…` be registered; for development.",
        read: read::net_policy,
    }
    client_metadata_url: Option<String> {
        name: "OAUTH_CLIENT_METADATA_URL",
        secret: false,
        default: None,
        description: "Where Postern's OAuth Client ID Metadata Document is published, when that is not `PUBLIC_URL` + \
                      `/oauth/client-metadata.json`.",
        read: read::document_url,
    }
    personas: Personas {
        name: "PERSONAS",
        secret: false,
        default: Some("[]"),
        description: "JSON array of personas; the built-in `admin` is always there.",
        read: read::personas,
    }
    anonymous_persona: Option<String> {
        name: "ANONYMOUS_PERSONA",
        secret: false,
        default: None,
        description: "The persona of callers that present no credential at all; without it they get 401. For development: \
                      accepted only while `PUBLIC_URL` is a loopback origin, and only from callers that use such an \
                      address.",
        read: read::text,
    }
    scheduler_token: Option<Secret<String>> {
        name: "SCHEDULER_TOKEN",
        secret: true,
        default: None,
        description: "32 characters or more; lets `POST /_scheduled/{job}` run a tick of a job. Without it the route \
                      answers 404.",
        read: read::token,
    }
    upstream_timeout: Duration {
        name: "UPSTREAM_TIMEOUT_MS",
        secret: false,
        default: Some("60000"),
        description: "Longest silence of an upstream during a call in milliseconds, 1 to 600000.",
        read: read::milliseconds,
    }
    requests_per_minute: u32 {
        name: "REQUESTS_PER_MINUTE",
        secret: false,
        default: Some("12000"),
        description: "Requests a minute that one API key may make, 0 to 1000000; more get 429. 0: no limit.",
        read: read::requests,
    }
    anonymous_requests_per_minute: u32 {
        name: "ANONYMOUS_REQUESTS_PER_MINUTE",
        secret: false,
        default: Some("1200"),
        description: "The same for one client address without a valid key. What others do at an address never shuts out \
                      a valid key.",
        read: read::requests,
    }
    client_address_header: Option<String> {
        name: "CLIENT_ADDRESS_HEADER",
        secret: false,
        default: None,
        description: "The header in which a proxy in front of Postern gives the client's address, such as \
                      `X-Forwarded-For`; its last entry counts. Without the setting no such header is trusted, and the \
                      runtime's own address counts.",
        read: read::header_name,
    }
    audit_retention: Duration {
        name: "AUDIT_RETENTION_DAYS",
        secret: false,
        default: Some("90"),
        description: "Days after which audit rows are deleted, 1 to 3650.",
        read: read::days,
    }
    auth_event_retention: Duration {
        name: "AUTH_EVENT_RETENTION_DAYS",
        secret: false,
        default: Some("365"),
        description: "Days after which the events of OAuth credentials (connected, refreshed, revoked …) are deleted, 1 to \
                      3650.",
        read: read::days,
    }
    validations_per_tick: u32 {
        name: "VALIDATIONS_PER_TICK",
        secret: false,
        // A probe makes about five exchanges; eight probes stay below the 50 subrequests of a free Cloudflare plan.
        default: Some("8"),
        description: "Integrations that one tick of the scheduled validation probes, 1 to 1000. The default fits a free \
                      Cloudflare plan; a larger registry wants more.",
        read: read::validations,
    }
}

#[cfg(test)]
mod tests {
    use kernel::Code;

    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<Settings> {
        let key = ("ENCRYPTION_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
        let all: Vec<_> = std::iter::once(&key).chain(pairs).copied().collect();
        Settings::load(|name| all.iter().rev().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned()))
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        match load(pairs) {
            Ok(_) => panic!("accepted {pairs:?}"),
            Err(error) => {
                assert_eq!(error.code, Code::NotConfigured);
                error.message.into_owned()
            }
        }
    }

    #[test]
    fn defaults_are_safe() {
        let settings = load(&[]).unwrap();
        assert!(!settings.net.allow_loopback);
        assert!(settings.bootstrap_admin_key.is_none());
        assert_eq!(settings.upstream_timeout, Duration::from_mins(1));
    }

    #[test]
    fn the_error_for_a_wrong_value_names_the_setting() {
        for (name, value) in [
            ("ENCRYPTION_KEY", ""),
            ("ENCRYPTION_KEY", "c2hvcnQ="),
            ("ENCRYPTION_KEY", "not base64!"),
            ("BOOTSTRAP_ADMIN_KEY", "admin"),
            ("PUBLIC_URL", "postern.example.com"),
            ("PUBLIC_URL", "https://postern.example.com/path"),
            ("ALLOWED_ORIGINS", "https://a.example,*"),
            ("ALLOW_LOOPBACK_UPSTREAMS", "yes"),
            ("OAUTH_CLIENT_METADATA_URL", "https://postern.example.com"),
            ("PERSONAS", "{}"),
            ("PERSONAS", r#"[{"name":"dev","roles":["dev"],"deny_tool":["x"]}]"#),
            ("SCHEDULER_TOKEN", "short"),
            ("UPSTREAM_TIMEOUT_MS", "0"),
            ("UPSTREAM_TIMEOUT_MS", "soon"),
            ("VALIDATIONS_PER_TICK", "0"),
            ("REQUESTS_PER_MINUTE", "many"),
            ("ANONYMOUS_REQUESTS_PER_MINUTE", "-1"),
            ("CLIENT_ADDRESS_HEADER", "X Forwarded For"),
            ("AUDIT_RETENTION_DAYS", "0"),
            ("AUTH_EVENT_RETENTION_DAYS", "4000"),
        ] {
            assert!(refusal(&[(name, value)]).contains(name), "{name}={value}");
        }
    }

    #[test]
    fn callers_without_a_credential_have_a_persona_only_on_this_machine() {
        let local = [("PUBLIC_URL", "http://localhost:4200"), ("ANONYMOUS_PERSONA", "admin")];
        assert_eq!(load(&local).unwrap().anonymous_persona.as_deref(), Some("admin"));
        for url in ["http://127.0.0.1:8787", "http://[::1]:8787", "https://localhost"] {
            assert!(load(&[("PUBLIC_URL", url), ("ANONYMOUS_PERSONA", "admin")]).is_ok(), "{url}");
        }
        for url in [
            "",
            "https://postern.example.com",
            "https://localhost.example.com",
            "http://10.0.0.1",
            "http://0.0.0.0",
        ] {
            let refused = refusal(&[("PUBLIC_URL", url), ("ANONYMOUS_PERSONA", "admin")]);
            assert!(
                refused.starts_with("ANONYMOUS_PERSONA ") && refused.contains("PUBLIC_URL"),
                "{url}: {refused}"
            );
        }
        let unknown = refusal(&[("PUBLIC_URL", "http://localhost:4200"), ("ANONYMOUS_PERSONA", "nobody")]);
        assert!(unknown.starts_with("ANONYMOUS_PERSONA "), "{unknown}");
        assert!(load(&[("PUBLIC_URL", "http://localhost:4200")]).unwrap().anonymous_persona.is_none());
    }

    #[test]
    fn origins_are_normalised() {
        let settings = load(&[("PUBLIC_URL", "https://Postern.Example.com:443/")]).unwrap();
        assert_eq!(settings.public_url.as_deref(), Some("https://postern.example.com"));
    }

    #[test]
    fn no_secret_has_a_default() {
        for setting in SETTINGS {
            assert!(!(setting.secret && setting.default.is_some()), "{}", setting.name);
        }
    }
}
