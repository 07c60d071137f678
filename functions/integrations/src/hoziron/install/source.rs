//! The source of an installation, as a client writes it.

use std::fmt;

use postern_core::model::credential::HeaderTemplate;
use postern_core::model::integration::AuthMode;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// Where to install from.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged, remote = "Self")]
pub(super) enum Source {
    /// A catalogue id or a URL.
    Text(String),
    /// A template.
    Inline(Box<Template>),
}

// The derived implementation for untagged enums would not say which field of a template is wrong.
impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Sources;

        impl<'de> Visitor<'de> for Sources {
            type Value = Source;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a catalogue id, an https URL or a template object")
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<Source, E> {
                Ok(Source::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Source, A::Error> {
                Template::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(Source::Inline)
            }
        }

        deserializer.deserialize_any(Sources)
    }
}

/// An integration that is not in the catalogue, described by the client.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IntegrationTemplate)]
pub(super) struct Template {
    /// The upstream's MCP endpoint: https, at a public name or address.
    #[schema(format = "uri")]
    pub(super) url: String,
    /// Display name.
    pub(super) name: Option<String>,
    /// Free text for people.
    #[schema(max_length = 2000)]
    pub(super) description: Option<String>,
    /// Whose credential is presented; otherwise it follows from what else is given.
    pub(super) auth_mode: Option<AuthMode>,
    /// Headers to present instead of `Authorization: Bearer {token}`. Sealed as a whole, never returned.
    #[schema(min_items = 1)]
    pub(super) headers: Option<Vec<HeaderTemplate>>,
    /// The keys that the headers need.
    #[serde(default)]
    pub(super) credentials: Vec<DeclaredCredential>,
    /// The upstream's authorization server.
    pub(super) oauth: Option<DeclaredOauth>,
}

/// A key that a template declares; only documents what its headers need.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct DeclaredCredential {
    /// Its name in the headers' placeholders.
    pub(super) key: String,
    /// For people.
    #[serde(default, rename = "label")]
    _label: Option<String>,
    /// Whether it must not be shown while it is typed.
    #[serde(default, rename = "secret")]
    _secret: Option<bool>,
}

web::only_objects!(DeclaredCredential);

/// The authorization server of a template's upstream. What is missing is discovered.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct DeclaredOauth {
    /// The provider's name, for people.
    pub(super) provider: Option<String>,
    /// The authorization server's issuer identifier (RFC 8414 §2): an https URL.
    #[schema(format = "uri")]
    pub(super) issuer: Option<String>,
    /// Scopes to ask for (RFC 6749 §3.3).
    #[serde(default)]
    pub(super) scopes: Vec<String>,
}

web::only_objects!(DeclaredOauth);
