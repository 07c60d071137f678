//! The source of an installation, as a client writes it.

use std::fmt;

use kernel::net::UpstreamUrl;
use kernel::schema::{keyword, reference, schema_type};
use postern_core::model::credential::HeaderTemplate;
use postern_core::model::credential::schema::{CredentialKey, HeaderTemplates};
use postern_core::model::field::{Description, DisplayName};
use postern_core::model::integration::AuthMode;
use postern_core::model::oauth::{OauthText, Scopes};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};

/// Where to install from.
pub(super) enum Source {
    /// A catalogue id or a URL.
    Text(String),
    /// A template.
    Inline(Box<Template>),
}

schema_type! {
    /// The source of an installation. A text with `://` is a URL.
    InstallSource, install_source(), uses UpstreamUrl, Template
}

fn install_source() -> OneOfBuilder {
    let id = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("The id of a catalogue entry."))
        .min_length(Some(1))
        .extensions(keyword("not", json!({ "pattern": "://" })));
    OneOfBuilder::new()
        .item(id)
        .item(reference::<UpstreamUrl>())
        .item(reference::<Template>())
        .description(Some("A catalogue id, a URL or a template."))
}

// A derived implementation for untagged enums would not say which field of a template is wrong.
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
    #[schema(value_type = UpstreamUrl)]
    pub(super) url: String,
    /// Display name.
    #[schema(value_type = Option<DisplayName>)]
    pub(super) name: Option<String>,
    /// Free text for people.
    #[schema(value_type = Option<Description>)]
    pub(super) description: Option<String>,
    /// Whose credential is presented; otherwise it follows from what else is given.
    pub(super) auth_mode: Option<AuthMode>,
    /// Headers to present instead of `Authorization: Bearer {token}`. Sealed as a whole, never returned.
    #[schema(value_type = Option<HeaderTemplates>)]
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
    #[schema(value_type = CredentialKey)]
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
    #[schema(value_type = Option<OauthText>)]
    pub(super) provider: Option<String>,
    /// The authorization server's issuer identifier (RFC 8414 §2): an https URL.
    #[schema(value_type = Option<UpstreamUrl>)]
    pub(super) issuer: Option<String>,
    /// Scopes to ask for (RFC 6749 §3.3).
    #[serde(default)]
    #[schema(value_type = Scopes)]
    pub(super) scopes: Vec<String>,
}

web::only_objects!(DeclaredOauth);
