//! A validation: probe an integration's upstream and record what was found. Used by the validate route, after a create,
//! and by the scheduled job.

use super::client::CallError;
use super::probe::{Probe, probe};
use crate::model::integration::{AuthMode, Category, Integration};
use crate::model::target::Upstream;
use crate::net::SafeUrl;
use crate::store::validations::{Found, record_invalid, record_valid};
use crate::{Platform, Result, store};

/// Probes and records. An unusable upstream is a result, not an error; an error means that nothing was recorded.
pub async fn validate(platform: &Platform, integration: &Integration) -> Result<()> {
    let url = match SafeUrl::parse(&integration.url, platform.settings.net) {
        Ok(url) => url,
        Err(refused) => return record_invalid(platform, &integration.id, &integration.url, refused.0).await,
    };
    if integration.category == Category::InternalMcpCredentials {
        return record_valid(platform, &integration.id, &integration.url, &CREDENTIALS_ONLY).await;
    }
    let credential = match integration.auth_mode {
        AuthMode::ServerToken => {
            store::integrations::organization_credential(platform, &integration.id).await?
        }
        AuthMode::None | AuthMode::Oauth | AuthMode::UserToken => None,
    };
    let upstream = Upstream {
        integration_id: integration.id.clone(),
        slug: integration.slug.clone(),
        url,
        era: None,
        protocol_version: None,
        credential,
    };
    match probe(platform, &upstream).await {
        Ok(found) => {
            let message = describe(&found);
            let found = Found {
                era: found.era,
                protocol_version: &found.protocol_version,
                tools: &found.tools,
                message: &message,
            };
            record_valid(platform, &integration.id, &integration.url, &found).await
        }
        Err(CallError::Internal(error)) => Err(error),
        Err(error) => {
            if let CallError::Fetch(cause) = &error {
                log::info!("probe of {}: {cause:?}", integration.slug);
            }
            record_invalid(platform, &integration.id, &integration.url, &error.to_string()).await
        }
    }
}

/// There is no MCP endpoint to dial: only the URL's form is checked.
const CREDENTIALS_ONLY: Found<'static> = Found {
    era: super::Era::Modern,
    protocol_version: super::MODERN,
    tools: &[],
    message: "credentials only: the endpoint is not dialled",
};

fn describe(probe: &Probe) -> String {
    let count = probe.tools.len();
    let plural = if count == 1 { "" } else { "s" };
    let skipped = match probe.skipped {
        0 => String::new(),
        skipped => format!(", {skipped} left out because their definition breaks the protocol"),
    };
    format!("reachable: MCP {}, {count} tool{plural}{skipped}", probe.protocol_version)
}
