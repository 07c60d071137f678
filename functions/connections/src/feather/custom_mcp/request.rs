//! The body of a connect request: one shape for all values of `auth_type`. What belongs to another `auth_type` than the
//! chosen one is ignored, whatever it says.

use std::collections::BTreeMap;

use kernel::net::UpstreamUrl;
use kernel::schema::{in_any_case, reference};
use kernel::secret::Secret;
use postern_core::model::credential::MOST;
use postern_core::model::credential::schema::{HeaderName, PlainHeaders};
use postern_core::model::field::{DisplayName, Token};
use postern_core::model::oauth::{OauthText, Scopes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use web::Rules;

use super::super::Transport;

/// The header of a key where the request names none.
pub(super) const API_KEY_HEADER: &str = "X-API-Key";

/// What kind of credential the server wants.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthType {
    /// No credential.
    #[default]
    None,
    /// `Authorization: Bearer`.
    Bearer,
    /// A key in a header of its own.
    ApiKey,
    /// OAuth, by the organization's consent.
    Oauth,
}

/// The body of a connect request; `null` means the same as an absent field.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(
    as = ConnectCustomMcp,
    description = "A customer's MCP server. The body has one shape for every `auth_type`: a field that belongs to another \
                   one is ignored, and the answer names it in `ignored_fields`. `null` is the same as absent."
)]
pub(super) struct ConnectRequest {
    /// Display name, unlike that of any other connection.
    #[schema(value_type = DisplayName)]
    pub(super) nickname: String,
    /// The server's MCP endpoint: https, at a public name or address.
    #[schema(value_type = UpstreamUrl)]
    pub(super) server_url: String,
    /// A hint; what the server speaks is found out.
    #[serde(default, rename = "transport")]
    _transport: Option<Transport>,
    /// `none` unless said otherwise.
    pub(super) auth_type: Option<AuthType>,
    /// Required with `bearer`, else ignored. Sealed at once, never returned.
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(super) token: Option<Secret<String>>,
    /// Required with `api_key`, else ignored. Sealed at once, never returned.
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(super) api_key: Option<Secret<String>>,
    /// With `api_key`: where the key goes; `X-API-Key` unless said otherwise.
    pub(super) api_key_header: Option<String>,
    /// Further headers, sent as they are. Sealed at once, never returned.
    #[schema(value_type = Option<PlainHeaders>)]
    pub(super) headers: Option<BTreeMap<String, Secret<String>>>,
    /// With `oauth`: authorization endpoint, where it cannot be discovered.
    pub(super) oauth_authorize_url: Option<String>,
    /// With `oauth`: token endpoint, where it cannot be discovered.
    pub(super) oauth_token_url: Option<String>,
    /// With `oauth`: the client identifier, where clients cannot register by themselves.
    pub(super) oauth_client_id: Option<String>,
    /// With `oauth`: the client's secret. Sealed at once, never returned.
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(super) oauth_client_secret: Option<Secret<String>>,
    /// With `oauth`: scopes to ask for.
    pub(super) oauth_scopes: Option<Vec<String>>,
}

/// A field that belongs to one `auth_type`: its name, that `auth_type`, and whether a request has the field. A field that
/// has its default value counts as absent: a client may write out every default.
type Place = (&'static str, AuthType, fn(&ConnectRequest) -> bool);

/// The fields that belong to one `auth_type`.
const PLACES: [Place; 8] = [
    ("token", AuthType::Bearer, |body| body.token.is_some()),
    ("api_key", AuthType::ApiKey, |body| body.api_key.is_some()),
    ("api_key_header", AuthType::ApiKey, |body| {
        body.api_key_header.as_ref().is_some_and(|name| !name.eq_ignore_ascii_case(API_KEY_HEADER))
    }),
    ("oauth_authorize_url", AuthType::Oauth, |body| body.oauth_authorize_url.is_some()),
    ("oauth_token_url", AuthType::Oauth, |body| body.oauth_token_url.is_some()),
    ("oauth_client_id", AuthType::Oauth, |body| body.oauth_client_id.is_some()),
    ("oauth_client_secret", AuthType::Oauth, |body| body.oauth_client_secret.is_some()),
    ("oauth_scopes", AuthType::Oauth, |body| {
        body.oauth_scopes.as_ref().is_some_and(|scopes| !scopes.is_empty())
    }),
];

impl ConnectRequest {
    /// Returns the names of the fields that belong to another `auth_type`.
    pub(super) fn ignored(&self) -> Vec<&'static str> {
        let chosen = self.auth_type.unwrap_or_default();
        let others = PLACES.iter().filter(|(_, owner, is_given)| *owner != chosen && is_given(self));
        others.map(|(field, ..)| *field).collect()
    }
}

impl Rules for ConnectRequest {
    fn alternatives() -> Value {
        let besides = |name: &str| {
            let same = format!("^{}$", in_any_case(name));
            json!({ "maxProperties": MOST - 1, "propertyNames": { "not": { "pattern": same } } })
        };
        let secret = json!([
            { "properties": { "oauth_client_secret": { "type": "null" } } },
            { "required": ["oauth_client_id"], "properties": { "oauth_client_id": { "type": "string" } } },
        ]);
        json!([
            { "title": "Without a credential", "properties": of(AuthType::None, json!({})) },
            {
                "title": "With a bearer token",
                "required": ["auth_type", "token"],
                "properties": of(AuthType::Bearer, besides("authorization")),
            },
            {
                "title": "With a key in a header of its own",
                "required": ["auth_type", "api_key"],
                "properties": of(AuthType::ApiKey, json!({ "maxProperties": MOST - 1 })),
            },
            {
                "title": "By OAuth",
                "required": ["auth_type"],
                "properties": of(AuthType::Oauth, besides("authorization")),
                "anyOf": secret,
            },
        ])
    }

    fn uses(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        fn used<T: ToSchema>(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
            schemas.push((T::name().into_owned(), T::schema()));
        }
        used::<Token>(schemas);
        used::<HeaderName>(schemas);
        used::<OauthText>(schemas);
        used::<Scopes>(schemas);
    }
}

/// Returns the schemas of the fields that a request with this `auth_type` uses; `headers` is the one of `headers`.
fn of(auth_type: AuthType, headers: Value) -> Value {
    let chosen = match auth_type {
        AuthType::None => json!({ "enum": ["none", null] }),
        other => json!({ "const": other }),
    };
    let fields = PLACES.iter().filter(|(_, owner, _)| *owner == auth_type).map(|(field, ..)| {
        let schema = match *field {
            "token" | "api_key" => json!(reference::<Token>()),
            "api_key_header" => or_null::<HeaderName>(),
            "oauth_client_id" => or_null::<OauthText>(),
            "oauth_client_secret" => or_null::<Token>(),
            "oauth_scopes" => or_null::<Scopes>(),
            _ => or_null::<UpstreamUrl>(),
        };
        ((*field).to_owned(), schema)
    });
    [("headers".to_owned(), headers), ("auth_type".to_owned(), chosen)].into_iter().chain(fields).collect()
}

fn or_null<T: ToSchema>() -> Value {
    json!({ "anyOf": [{ "type": "null" }, reference::<T>()] })
}
