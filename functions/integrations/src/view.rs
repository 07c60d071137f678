//! How an integration looks in the Kontext dialect. No field can hold a secret.

use serde::Serialize;
use serde_json::value::RawValue;
use shared::model::integration::{AuthMode, Category, Integration, ValidationStatus};
use shared::platform::Timestamp;

/// The Kontext integration object, with `slug` added.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationView<'a> {
    id: &'a str,
    slug: &'a str,
    name: &'a str,
    url: &'a str,
    category: Category,
    auth_mode: AuthMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_schema: Option<&'a RawValue>,
    server_token_configured: bool,
    validation_status: ValidationStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_validated_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> From<&'a Integration> for IntegrationView<'a> {
    fn from(integration: &'a Integration) -> Self {
        Self {
            id: &integration.id,
            slug: &integration.slug,
            name: &integration.name,
            url: &integration.url,
            category: integration.category,
            auth_mode: integration.auth_mode,
            capabilities: integration.capabilities.as_deref(),
            credential_schema: integration.credential_schema.as_deref(),
            server_token_configured: integration.server_token_configured,
            validation_status: integration.validation_status,
            validation_message: integration.validation_message.as_deref(),
            last_validated_at: integration.last_validated_at,
            created_at: integration.created_at,
            updated_at: integration.updated_at,
        }
    }
}

/// `{integration}`.
#[derive(Serialize)]
pub(crate) struct One<'a> {
    pub(crate) integration: IntegrationView<'a>,
}

/// `{items, nextCursor?}`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<'a> {
    pub(crate) items: Vec<IntegrationView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}
