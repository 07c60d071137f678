//! Starting and stopping: the columns `state`, `started_at` and `generation` of `integrations`.

use crate::Platform;
use kernel::Result;
use kernel::ports::Statement;

/// Marks a stopped integration as running and increments its generation. Changes nothing if the integration is
/// running.
pub async fn start(platform: &Platform, id: &str) -> Result<()> {
    let statement = Statement::new(
        "-- integrations.start
        UPDATE integrations SET state = 'running', started_at = ?2 /* now */, generation = generation + 1
        WHERE id = ?1 /* id */ AND archived_at IS NULL AND state = 'stopped'",
    );
    platform.sql.execute(statement.bind(id).bind(platform.now())).await?;
    platform.forget_integrations();
    Ok(())
}

/// Marks an integration as running since now and increments its generation, also if the integration is running.
pub async fn restart(platform: &Platform, id: &str) -> Result<()> {
    let statement = Statement::new(
        "-- integrations.restart
        UPDATE integrations SET state = 'running', started_at = ?2 /* now */, generation = generation + 1
        WHERE id = ?1 /* id */ AND archived_at IS NULL",
    );
    platform.sql.execute(statement.bind(id).bind(platform.now())).await?;
    platform.forget_integrations();
    Ok(())
}

/// Marks an integration as stopped. Its catalogue and credentials stay.
pub async fn stop(platform: &Platform, id: &str) -> Result<()> {
    let statement = Statement::new(
        "-- integrations.stop
        UPDATE integrations SET state = 'stopped', started_at = NULL
        WHERE id = ?1 /* id */ AND archived_at IS NULL",
    );
    platform.sql.execute(statement.bind(id)).await?;
    platform.forget_integrations();
    Ok(())
}
