//! One deployment with a registry of a certain size: the baseline Worker, Postern on workerd, or Postern on Spin.

use std::{
    path::Path,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result, ensure};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    Ground, Party, TOOLS,
    route::{Answering, FRESH, LIST, Route, Target},
    seed::{self, Seeds},
};
use crate::{
    http_client::{Connection, authority},
    load::{self, Burst},
    postern,
    processes::Process,
};

/// The baseline Worker.
const WORKER: &str = "tests/bench/registry.mjs";
/// The largest page.
const WALK: usize = 200;
/// How long what is done after an answer may take once the last answer came.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running deployment.
pub(super) struct Site {
    pub(super) party: Party,
    pub(super) size: usize,
    process: Process,
    targets: Vec<Rc<Target>>,
    _state: TempDir,
}

impl Site {
    /// The Worker that only runs the statements.
    pub(super) async fn baseline(ground: &Ground<'_>, size: usize, routes: &[Route]) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let start = json!({
            "bindings": {"PLAN": ground.plan.binding()},
            "d1": true,
            "kv": true,
            "persist": state.path(),
        });
        let process = Process::worker(ground.args, &ground.args.root.join(WORKER), start).await?;
        let mut this = Self { party: Party::Baseline, size, process, targets: Vec::new(), _state: state };
        fill(&mut this.process, &ground.seeds, size).await?;
        let columns = &ground.plan.anchor;
        let sql = format!("SELECT {} FROM integrations WHERE id = ?1", columns.join(", "));
        let rows = this.process.sql(&sql, &[json!(seed::id(size / 2))]).await?;
        let anchor = rows.first().context("no row in the middle")?;
        let place = |column: &String| match anchor.get(column) {
            Some(Value::String(text)) => format!("after_{column}={text}"),
            value => format!("after_{column}={}", value.unwrap_or(&Value::Null)),
        };
        let places: Vec<_> = columns.iter().map(place).collect();
        let middle = format!("/{}?{}", Route::ListMiddle.name(), places.join("&"));
        let first = format!("/{}", Route::ListFirst.name());
        this.aim(ground, &Answering::Baseline, routes, &first, &middle)?;
        Ok(this)
    }

    /// Postern on workerd.
    pub(super) async fn workerd(ground: &Ground<'_>, size: usize, routes: &[Route]) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let process = postern::start(ground.args, &ground.secrets, state.path(), true).await?;
        Self::postern(ground, Party::Workerd, size, process, state, routes).await
    }

    /// Postern on Spin's test host.
    pub(super) async fn spin(
        ground: &Ground<'_>,
        host: &Path,
        size: usize,
        routes: &[Route],
    ) -> Result<Self> {
        let state = tempfile::tempdir()?;
        let process = postern::start_on_spin(ground.args, host, &ground.secrets, state.path()).await?;
        Self::postern(ground, Party::Spin, size, process, state, routes).await
    }

    async fn postern(
        ground: &Ground<'_>,
        party: Party,
        size: usize,
        process: Process,
        state: TempDir,
        routes: &[Route],
    ) -> Result<Self> {
        let key = ground.secrets.admin.text.clone();
        let mut this = Self { party, size, process, targets: Vec::new(), _state: state };
        fill(&mut this.process, &ground.seeds, size).await?;
        let cursor = walk(&this.process, &key, size).await.context("walking through the list")?;
        let middle = format!("{LIST}?cursor={cursor}");
        this.aim(ground, &Answering::Postern { key }, routes, LIST, &middle)?;
        Ok(this)
    }

    fn aim(
        &mut self,
        ground: &Ground<'_>,
        answering: &Answering,
        routes: &[Route],
        first: &str,
        middle: &str,
    ) -> Result<()> {
        for &route in routes {
            let path = if route == Route::ListMiddle { middle } else { first };
            let target =
                Target::new(route, &self.process, answering, self.size, path.to_owned(), &ground.upstream)?;
            self.targets.push(Rc::new(target));
        }
        Ok(())
    }

    /// Loads one route, first for `warm_up`; afterwards the registry is as it was before.
    pub(super) async fn load(
        &mut self,
        route: usize,
        concurrency: usize,
        warm_up: Duration,
        length: Duration,
    ) -> Result<Burst> {
        let target = self.targets.get(route).context("no such route")?.clone();
        let mut warm = Burst::default();
        if !warm_up.is_zero() {
            target.next_series();
            warm = load::burst(&target, concurrency, warm_up).await?;
            self.clean_up(target.route, &mut warm).await?;
        }
        target.next_series();
        let mut burst = load::burst(&target, concurrency, length).await?;
        self.clean_up(target.route, &mut burst).await?;
        burst.add_errors(warm);
        Ok(burst)
    }

    /// Waits until nothing is left to be done after the answers, holds what was stored against what was answered, and
    /// removes it.
    async fn clean_up(&mut self, route: Route, burst: &mut Burst) -> Result<()> {
        if !route.creates() {
            return Ok(());
        }
        let range = format!("name >= '{FRESH} ' AND name < '{FRESH}!'");
        let count = format!(
            "SELECT count(*) AS stored, coalesce(sum(validation_status = 'valid'), 0) AS valid,
                    coalesce(sum((SELECT count(*) FROM catalogue_entries t WHERE t.integration_id = i.id)), 0) AS tools
             FROM integrations i WHERE {range}"
        );
        let tools_each = if route == Route::CreateProbed { TOOLS as u64 } else { 0 };
        let begun = SystemTime::now();
        let (stored, valid, tools) = loop {
            let rows = self.process.sql(&count, &[]).await?;
            let number = |name: &str| {
                rows.first().and_then(|row| row.get(name)).and_then(Value::as_u64).context("no count")
            };
            let (stored, valid, tools) = (number("stored")?, number("valid")?, number("tools")?);
            if (valid, tools) == (stored, stored * tools_each) || begun.elapsed()? > PATIENCE {
                break (stored, valid, tools);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        if (valid, tools) != (stored, stored * tools_each) {
            let name = route.name();
            burst.fail(format!(
                "{name}: of {stored} rows, {valid} were validated after the answer, {tools} tools"
            ));
        }
        if burst.errors == 0 && stored != burst.count() {
            burst.fail(format!("{}: {} answers, {stored} rows", route.name(), burst.count()));
        }
        self.process.sql(&format!("DELETE FROM integrations WHERE {range}"), &[]).await?;
        Ok(())
    }

    /// Ends it in order.
    pub(super) async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
}

/// Writes the rows, and looks whether they are there.
pub(super) async fn fill(process: &mut Process, seeds: &Seeds, size: usize) -> Result<()> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    for sql in seeds.statements(size, now)? {
        process.sql(&sql, &[]).await?;
    }
    let check = "SELECT (SELECT count(*) FROM integrations) AS rows,
                        (SELECT count(*) FROM integrations WHERE id = ?1 AND name = ?2) AS last";
    let counted = process.sql(check, &[json!(seed::id(size)), json!(seed::name(size))]).await?;
    let wanted = json!({"rows": size, "last": 1});
    ensure!(counted.first() == Some(&wanted), "the registry was not filled: {counted:?}");
    Ok(())
}

/// Reads the list page by page up to the middle; returns the cursor that leads on from there.
async fn walk(process: &Process, key: &str, size: usize) -> Result<String> {
    let authority = authority(process.url()?)?;
    let mut connection = Connection::open(authority).await?;
    let (mut seen, mut cursor) = (0, String::new());
    while seen < size / 2 {
        let limit = WALK.min(size / 2 - seen);
        let request = Request::get(format!("{LIST}?limit={limit}{cursor}"))
            .header("host", authority)
            .header("authorization", format!("Bearer {key}"))
            .body(Full::default())?;
        let answer = connection.send(request).await?;
        ensure!(answer.status == StatusCode::OK, "{}: {:?}", answer.status, answer.body);
        let page: Value = serde_json::from_slice(&answer.body)?;
        let items = page.get("items").and_then(Value::as_array).context("no items")?;
        let names = items.iter().map(|item| item.get("name").and_then(Value::as_str).unwrap_or_default());
        ensure!(names.eq((seen + 1..=seen + limit).map(seed::name)), "not the {limit} items after {seen}");
        seen += limit;
        let next =
            page.get("nextCursor").and_then(Value::as_str).context("the list ends before the middle")?;
        cursor = format!("&cursor={next}");
    }
    Ok(cursor.trim_start_matches("&cursor=").to_owned())
}
