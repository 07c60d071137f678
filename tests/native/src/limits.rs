//! Cloudflare's limits of one invocation, around the native ports, so that a whole-router test fails where production
//! would: the number of subrequests and of database calls, six simultaneous sockets. (The limits of a value, a statement
//! and its parameters stand in the engine itself, see [`crate::Sqlite`]; that of `waitUntil` in [`crate::Later`].)
//!
//! Not imposed here: processor time and memory.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use kernel::ports::{
    Fetch, FetchError, Kv, Outgoing, Ports, Row, Sql, SqlError, Statement, UpstreamResponse,
};
use kernel::{Code, Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much one invocation may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests to upstreams and to KV.
    pub subrequests: usize,
    /// Calls of the database: a batch counts once.
    pub queries: usize,
}

impl Limits {
    /// A free plan's.
    pub const FREE: Self = Self { subrequests: 50, queries: 50 };
    /// A paid plan's, as deployments have them that changed nothing.
    pub const PAID: Self = Self { subrequests: 1000, queries: 1000 };
}

/// Most connections to upstreams and KV that an invocation holds open at once: further ones wait.
const SOCKETS: usize = 6;

/// Returns the ports of one invocation.
pub(crate) fn limited(ports: &Ports, limits: Limits) -> Ports {
    let left = Rc::new(Left {
        subrequests: Cell::new(limits.subrequests),
        queries: Cell::new(limits.queries),
        sockets: Arc::new(Semaphore::new(SOCKETS)),
    });
    Ports {
        sql: Rc::new(Limited { port: ports.sql.clone(), left: left.clone() }),
        kv: Rc::new(Limited { port: ports.kv.clone(), left: left.clone() }),
        fetcher: Rc::new(Limited { port: ports.fetcher.clone(), left }),
        ..ports.clone()
    }
}

/// What an invocation may still do.
struct Left {
    subrequests: Cell<usize>,
    queries: Cell<usize>,
    sockets: Arc<Semaphore>,
}

/// Takes one of those that are left. Returns `false` if there is none.
fn take(left: &Cell<usize>) -> bool {
    let free = left.get().checked_sub(1);
    left.set(free.unwrap_or_default());
    free.is_some()
}

struct Limited<P: ?Sized> {
    left: Rc<Left>,
    port: Rc<P>,
}

impl<P: ?Sized> Limited<P> {
    fn count_query(&self) -> Result<(), SqlError> {
        let text = "D1_ERROR: Too many API requests by single Worker invocation.";
        take(&self.left.queries).then_some(()).ok_or_else(|| SqlError::classify(text))
    }

    /// Counts a subrequest and waits for a socket, which is free again when the returned value is dropped.
    async fn subrequest(&self) -> Result<OwnedSemaphorePermit, &'static str> {
        if !take(&self.left.subrequests) {
            return Err("Too many subrequests by single Worker invocation.");
        }
        self.left.sockets.clone().acquire_owned().await.map_err(|_| "closed")
    }
}

#[async_trait(?Send)]
impl Sql for Limited<dyn Sql> {
    async fn query(&self, statement: Statement) -> Result<Vec<Row>, SqlError> {
        self.count_query()?;
        self.port.query(statement).await
    }

    async fn execute(&self, statement: Statement) -> Result<(), SqlError> {
        self.count_query()?;
        self.port.execute(statement).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, SqlError> {
        self.count_query()?;
        self.port.batch(statements).await
    }
}

#[async_trait(?Send)]
impl Fetch for Limited<dyn Fetch> {
    async fn fetch(&self, request: Outgoing) -> Result<UpstreamResponse, FetchError> {
        let socket = self.subrequest().await.map_err(|text| FetchError::Unreachable(text.to_owned()))?;
        let mut response = self.port.fetch(request).await?;
        // The socket is held until the body was read to its end or dropped.
        let held = futures_util::stream::unfold((response.body, socket), |(mut body, socket)| async move {
            body.next().await.map(|chunk| (chunk, (body, socket)))
        });
        response.body = held.boxed_local();
        Ok(response)
    }
}

fn unavailable(text: &'static str) -> Error {
    Error::new(Code::Unavailable, "the cache is unavailable").with_internal(text)
}

#[async_trait(?Send)]
impl Kv for Limited<dyn Kv> {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        let _socket = self.subrequest().await.map_err(unavailable)?;
        self.port.get(key).await
    }

    async fn put(&self, key: &str, value: &str, gc_after: Duration) -> Result<()> {
        let _socket = self.subrequest().await.map_err(unavailable)?;
        self.port.put(key, value, gc_after).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let _socket = self.subrequest().await.map_err(unavailable)?;
        self.port.delete(key).await
    }
}
