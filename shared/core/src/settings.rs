//! Typed configuration: every setting that Postern has, its default and its rule. Read once per instance.
//!
//! There is no default secret anywhere: without `ENCRYPTION_KEY` the load fails and every route answers 503 with
//! a text that names the setting.

use std::time::Duration;

use crate::policy::persona::Personas;
use kernel::net::Policy;
use kernel::seal::KeyRing;
use kernel::secret::Secret;
use kernel::{Code, Error, Result};

/// The names of all settings, as environment variables or secrets of the runtime.
pub const NAMES: [&str; 10] = [
    "ENCRYPTION_KEY",
    "BOOTSTRAP_ADMIN_KEY",
    "PUBLIC_URL",
    "ALLOWED_ORIGINS",
    "ALLOW_LOOPBACK_UPSTREAMS",
    "OAUTH_CLIENT_METADATA_URL",
    "PERSONAS",
    "SCHEDULER_TOKEN",
    "UPSTREAM_TIMEOUT_MS",
    "VALIDATIONS_PER_TICK",
];

/// All settings, checked.
pub struct Settings {
    /// `ENCRYPTION_KEY`: base64 of 32 random bytes; more keys may follow after commas. The first one seals, all of
    /// them open.
    pub keys: KeyRing,
    /// `BOOTSTRAP_ADMIN_KEY`: becomes the first admin key while there is no key at all.
    pub bootstrap_admin_key: Option<Secret<String>>,
    /// `PUBLIC_URL`: the origin that agents and browsers reach Postern at, without a trailing slash.
    pub public_url: Option<String>,
    /// `ALLOWED_ORIGINS`: further browser origins that may call, comma separated.
    pub allowed_origins: Vec<String>,
    /// `ALLOW_LOOPBACK_UPSTREAMS`: `true` lets `http://127.0.0.1` and the like be registered (development).
    pub net: Policy,
    /// `OAUTH_CLIENT_METADATA_URL`: where Postern's Client ID Metadata Document is published, when not below `PUBLIC_URL`.
    pub client_metadata_url: Option<String>,
    /// `PERSONAS`: JSON array; the built-in `admin` persona is always there.
    pub personas: Personas,
    /// `SCHEDULER_TOKEN`: lets `POST /_scheduled/{job}` run jobs; without it the route does not exist. At least 32
    /// characters.
    pub scheduler_token: Option<Secret<String>>,
    /// `UPSTREAM_TIMEOUT_MS`: longest silence of an upstream during a call. Default 60 000.
    pub upstream_timeout: Duration,
    /// `VALIDATIONS_PER_TICK`: integrations that one tick of the scheduled job probes. Default 8: with some five exchanges
    /// each that stays below the 50 subrequests of a free Cloudflare plan.
    pub validations_per_tick: u32,
}

impl Settings {
    /// Reads every setting through `lookup`. The error names the setting and how to mend it.
    pub fn load(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get =
            |name: &str| lookup(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let key = get("ENCRYPTION_KEY").ok_or_else(|| {
            wrong("ENCRYPTION_KEY is not set: give it 32 random bytes in base64 (openssl rand -base64 32)")
        })?;
        let keys = KeyRing::parse(&key).ok_or_else(|| {
            wrong("ENCRYPTION_KEY is not the base64 form of 32 bytes (openssl rand -base64 32)")
        })?;
        let bootstrap_admin_key = get("BOOTSTRAP_ADMIN_KEY").map(Secret::new);
        if bootstrap_admin_key.as_ref().is_some_and(|key| !crate::model::api_key::is_well_formed(key.expose()))
        {
            return Err(wrong(
                "BOOTSTRAP_ADMIN_KEY is not of the form pst_<16 lowercase hex>_<43 base64url characters>",
            ));
        }
        let public_url = get("PUBLIC_URL").map(|url| origin("PUBLIC_URL", &url)).transpose()?;
        let allowed_origins = get("ALLOWED_ORIGINS")
            .map(|list| list.split(',').map(|url| origin("ALLOWED_ORIGINS", url.trim())).collect())
            .transpose()?
            .unwrap_or_default();
        let allow_loopback = match get("ALLOW_LOOPBACK_UPSTREAMS").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(wrong("ALLOW_LOOPBACK_UPSTREAMS must be true or false")),
        };
        let client_metadata_url = get("OAUTH_CLIENT_METADATA_URL");
        if client_metadata_url.as_deref().is_some_and(|url| !is_document_url(url)) {
            return Err(wrong("OAUTH_CLIENT_METADATA_URL must be an https URL with a path"));
        }
        let personas = Personas::parse(get("PERSONAS").as_deref().unwrap_or("[]"))
            .map_err(|reason| wrong(format!("PERSONAS: {reason}")))?;
        let scheduler_token = get("SCHEDULER_TOKEN").map(Secret::new);
        if scheduler_token.as_ref().is_some_and(|token| token.expose().len() < 32) {
            return Err(wrong("SCHEDULER_TOKEN must have at least 32 characters"));
        }
        let upstream_timeout = match get("UPSTREAM_TIMEOUT_MS").as_deref().unwrap_or("60000").parse() {
            Ok(millis @ 1..=600_000) => Duration::from_millis(millis),
            _ => {
                return Err(wrong("UPSTREAM_TIMEOUT_MS must be a whole number from 1 to 600000"));
            }
        };
        let validations_per_tick = get("VALIDATIONS_PER_TICK").as_deref().unwrap_or("8").parse();
        let Ok(validations_per_tick @ 1..=1000) = validations_per_tick else {
            return Err(wrong("VALIDATIONS_PER_TICK must be a whole number from 1 to 1000"));
        };
        Ok(Self {
            keys,
            bootstrap_admin_key,
            public_url,
            allowed_origins,
            net: Policy { allow_loopback },
            client_metadata_url,
            personas,
            scheduler_token,
            upstream_timeout,
            validations_per_tick,
        })
    }
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::NotConfigured, message)
}

fn is_document_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.path().len() > 1)
}

/// The ASCII origin (RFC 6454) of an http or https URL.
fn origin(setting: &str, text: &str) -> Result<String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none() => {
            Ok(url.origin().ascii_serialization())
        }
        _ => Err(wrong(format!("{setting} must be an origin such as https://postern.example.com"))),
    }
}

#[cfg(test)]
mod tests {
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
    fn every_wrong_value_is_refused_by_name() {
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
        ] {
            assert!(refusal(&[(name, value)]).contains(name), "{name}={value}");
        }
    }

    #[test]
    fn origins_are_normalised() {
        let settings = load(&[("PUBLIC_URL", "https://Postern.Example.com:443/")]).unwrap();
        assert_eq!(settings.public_url.as_deref(), Some("https://postern.example.com"));
    }
}
