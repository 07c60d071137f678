//! Table `auth_events`: what happened to OAuth credentials.

use crate::Platform;
use crate::model::auth_event::EventType;
use crate::model::integration::Integration;
use kernel::Result;
use kernel::digest::hex;
use kernel::ports::Statement;

/// Records what happened to `owner`'s credential for `integration`. `actor` is the subject that caused the event,
/// `host` the authorization server's.
pub async fn record(
    platform: &Platform,
    integration: &Integration,
    owner: &str,
    kind: EventType,
    actor: &str,
    host: Option<&str>,
    detail: Option<&str>,
) -> Result<()> {
    insert(platform, &integration.id, owner, kind, actor, host, detail).await
}

/// Records what happened to a credential during a renewal. The actor is `system:refresh`, because no caller asks for
/// a renewal. If the write fails, the failure is logged and the renewal continues.
pub async fn record_by_id(
    platform: &Platform,
    integration: &str,
    owner: &str,
    kind: EventType,
    host: Option<&str>,
    detail: Option<&str>,
) {
    if let Err(error) = insert(platform, integration, owner, kind, "system:refresh", host, detail).await {
        log::error!("auth event {}: {}", kind.as_str(), error.report());
    }
}

async fn insert(
    platform: &Platform,
    integration: &str,
    owner: &str,
    kind: EventType,
    actor: &str,
    host: Option<&str>,
    detail: Option<&str>,
) -> Result<()> {
    let statement = Statement::new(
        "-- auth_events.insert
        INSERT INTO auth_events (id, occurred_at, integration_id, slug, owner, event_type, actor, idp_host, detail)
        SELECT ?1 /* id */, ?2 /* now */, i.id, i.slug, ?4 /* owner */, ?5 /* type */, ?6 /* actor */, ?7 /* host */,
               ?8 /* detail */
        FROM integrations i WHERE i.id = ?3 /* integration */",
    );
    let statement = statement
        .bind(format!("aev_{}", hex(&platform.random::<16>()?)))
        .bind(platform.now())
        .bind(integration)
        .bind(owner)
        .bind(kind.as_str())
        .bind(actor)
        .bind(host)
        .bind(detail);
    platform.sql.execute(statement).await?;
    Ok(())
}
