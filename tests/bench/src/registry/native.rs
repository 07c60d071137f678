//! A Postern inside this process, over SQLite in memory: where statements are recorded and counted, and where rows come
//! from that look as Postern writes them.

use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};
use http::{Method, StatusCode};
use kernel::ports;
use kernel::ports::Statement;
use native::{App, Reply};
use serde_json::Value;

use super::recorder::{Recorder, Step};

/// Column names and values of one row.
pub(super) type Record = Vec<(String, ports::Value)>;

/// The Postern inside.
pub(super) struct Native {
    app: App,
    pub(super) recorder: Rc<Recorder>,
    token: String,
}

impl Native {
    /// A new one with an empty registry.
    pub(super) fn new(token: &str) -> Self {
        let routes = [integrations::families(), scheduled::families()].into_iter().flatten().collect();
        let mut app = App::new(routes, &[("SCHEDULER_TOKEN", token)]);
        let recorder = Rc::new(Recorder::new(app.platform.sql.clone()));
        app.platform.ports.sql = recorder.clone();
        Self { app, recorder, token: token.to_owned() }
    }

    /// Sends a request as the administrator; the answer must have this status.
    pub(super) async fn admin(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        wanted: StatusCode,
    ) -> Result<Value> {
        let reply = self.app.admin(method, path, body).await;
        ensure!(reply.status == wanted, "{path}: {} {}", reply.status, reply.text);
        Ok(reply.json())
    }

    /// Creates an integration and returns its id. Its probe waits for [`Self::settle`].
    pub(super) async fn create(&self, body: Value) -> Result<String> {
        let path = "/api/v1/integrations";
        let created = self.admin(Method::POST, path, Some(body), StatusCode::CREATED).await?;
        Ok(created.pointer("/integration/id").and_then(Value::as_str).context("no id")?.to_owned())
    }

    /// What time it is there.
    pub(super) fn now(&self) -> i64 {
        self.app.platform.now().millis()
    }

    /// Lets everything that was left for after an answer happen.
    pub(super) async fn settle(&self) {
        self.app.settle().await;
    }

    /// One tick of the scheduled validation.
    pub(super) async fn tick(&self) -> Reply {
        let token = format!("Bearer {}", self.token);
        self.app.send(Method::POST, super::sweep::TICK, &[("authorization", &token)], "").await
    }

    /// Records what `work` asks the database, and what it leaves for after its answer.
    pub(super) async fn recorded<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<(T, Vec<Step>, Vec<Step>)> {
        self.recorder.record();
        let result = work.await;
        let before = self.recorder.take_steps();
        self.settle().await;
        let after = self.recorder.take_steps();
        self.recorder.stop();
        Ok((result?, before, after))
    }

    /// Runs a statement of the benchmark itself that writes, past the recorder.
    pub(super) async fn execute(&self, sql: String) -> Result<()> {
        use ports::Sql as _;
        Ok(self.app.database.execute(statement(sql)).await?)
    }

    /// Runs a query of the benchmark itself, past the recorder.
    async fn query(&self, sql: String) -> Result<Vec<ports::Row>> {
        use ports::Sql as _;
        Ok(self.app.database.query(statement(sql)).await?)
    }

    /// The only row of `table` that `condition` is true of.
    pub(super) async fn row(&self, table: &str, condition: &str) -> Result<Record> {
        let columns =
            self.texts(format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid")).await?;
        let mut rows = self.query(format!("SELECT * FROM {table} WHERE {condition}")).await?;
        let (Some(row), true) = (rows.pop(), rows.is_empty()) else {
            bail!("not one row of {table} where {condition}");
        };
        Ok(columns.into_iter().zip(row.0).collect())
    }

    /// A column of text.
    pub(super) async fn texts(&self, sql: String) -> Result<Vec<String>> {
        let rows = self.query(sql).await?;
        Ok(rows.into_iter().map(|row| row.read().text()).collect::<kernel::Result<_>>()?)
    }

    /// The only row of a query, whose columns are numbers.
    pub(super) async fn numbers<const N: usize>(&self, sql: &str) -> Result<[i64; N]> {
        let row = self.query(sql.to_owned()).await?.pop().with_context(|| format!("no row: {sql}"))?;
        let mut row = row.read();
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = row.integer()?;
        }
        Ok(numbers)
    }
}

/// A statement without parameters. Each text is kept for good: there are few.
fn statement(sql: String) -> Statement {
    Statement::new(Box::leak(sql.into_boxed_str()))
}
