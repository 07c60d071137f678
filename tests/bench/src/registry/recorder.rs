//! The database port with a look at what passes: every statement is counted by its name, and recorded when asked to.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use async_trait::async_trait;
use kernel::ports::{Row, Sql, SqlError, Statement};

/// How a step asks the database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Execute,
    Batch,
}

/// One call of the port.
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) statements: Vec<Statement>,
}

/// What was counted.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    /// Statements by name.
    pub(crate) statements: BTreeMap<&'static str, u64>,
    /// Calls of the port: a batch is one.
    pub(crate) calls: u64,
}

impl Counts {
    /// All statements.
    pub(crate) fn total(&self) -> u64 {
        self.statements.values().sum()
    }
}

/// A database that counts.
pub(super) struct Recorder {
    inner: Rc<dyn Sql>,
    counts: RefCell<Counts>,
    recording: Cell<bool>,
    steps: RefCell<Vec<Step>>,
}

impl Recorder {
    pub(super) fn new(inner: Rc<dyn Sql>) -> Self {
        Self { inner, counts: RefCell::default(), recording: Cell::new(false), steps: RefCell::default() }
    }

    /// What was counted since the last time.
    pub(super) fn take_counts(&self) -> Counts {
        self.counts.take()
    }

    /// Records from now on.
    pub(super) fn record(&self) {
        self.steps.take();
        self.recording.set(true);
    }

    /// What was recorded since; recording goes on.
    pub(super) fn take_steps(&self) -> Vec<Step> {
        self.steps.take()
    }

    /// Records no longer.
    pub(super) fn stop(&self) {
        self.recording.set(false);
    }

    fn note(&self, kind: Kind, statements: &[Statement]) {
        let mut counts = self.counts.borrow_mut();
        counts.calls += 1;
        for statement in statements {
            *counts.statements.entry(name(statement.sql)).or_default() += 1;
        }
        if self.recording.get() {
            self.steps.borrow_mut().push(Step { kind, statements: statements.to_vec() });
        }
    }
}

/// What a statement's first line calls it.
pub(super) fn name(sql: &'static str) -> &'static str {
    let first = sql.lines().next().unwrap_or_default();
    first.strip_prefix("-- ").unwrap_or(first).trim()
}

#[async_trait(?Send)]
impl Sql for Recorder {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        self.note(Kind::Query, std::slice::from_ref(&statement));
        self.inner.query(statement).await
    }

    async fn execute(&self, statement: Statement) -> Result<(), SqlError> {
        self.note(Kind::Execute, std::slice::from_ref(&statement));
        self.inner.execute(statement).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError> {
        self.note(Kind::Batch, &statements);
        self.inner.batch(statements).await
    }
}
