//! `spin:key-value`: one store for all components.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{OptionalExtension as _, params};
use tokio::sync::mpsc;
use wasmtime::component::{Accessor, FutureReader, Resource, StreamReader};

use crate::{
    bindings::key_value::{Error, Host, HostStore, HostStoreWithStore},
    guest::{Guest, Spin},
    sqlite,
    stream::Receiver,
};

/// The store behind a guest's handle.
#[derive(Clone)]
#[expect(unreachable_pub, reason = "the generated bindings export it again")]
pub struct Store(Arc<Mutex<rusqlite::Connection>>);

type Keys = (StreamReader<String>, FutureReader<Result<(), Error>>);

impl Store {
    /// The store in the file at `path`.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = sqlite::open(path)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Every entry of the store.
    pub(crate) fn entries(&self) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
        self.run(|database| {
            let mut statement = database.prepare_cached("SELECT key, value FROM entries ORDER BY key")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    fn run<T>(&self, work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        work(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn get(&self, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
        self.run(|database| {
            let mut statement = database.prepare_cached("SELECT value FROM entries WHERE key = ?1")?;
            statement.query_row([key], |row| row.get(0)).optional()
        })
    }

    fn set(&self, key: &str, value: &[u8]) -> rusqlite::Result<()> {
        self.run(|database| {
            let mut statement = database.prepare_cached(
                "INSERT INTO entries (key, value) VALUES (?1, ?2) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?;
            statement.execute(params![key, value]).map(drop)
        })
    }

    fn delete(&self, key: &str) -> rusqlite::Result<()> {
        self.run(|database| {
            database.prepare_cached("DELETE FROM entries WHERE key = ?1")?.execute([key]).map(drop)
        })
    }
}

impl Host for Guest {}

impl HostStore for Guest {
    fn drop(&mut self, handle: Resource<Store>) -> wasmtime::Result<()> {
        self.table.delete(handle)?;
        self.stores.give_back();
        Ok(())
    }
}

/// Runs `work` on a thread where blocking is allowed.
async fn blocking<T, R: Send + 'static>(
    accessor: &Accessor<T, Spin>,
    handle: &Resource<Store>,
    work: impl FnOnce(&Store) -> rusqlite::Result<R> + Send + 'static,
) -> wasmtime::Result<Result<R, Error>> {
    let store = accessor.with(|mut access| access.get().table.get(handle).cloned())?;
    let result = tokio::task::spawn_blocking(move || work(&store)).await?;
    Ok(result.map_err(|error| Error::Other(error.to_string())))
}

impl<T> HostStoreWithStore<T> for Spin {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Store>, Error>> {
        accessor.with(|mut access| {
            let guest = access.get();
            if !guest.component.stores.contains(&label) {
                return Ok(Err(Error::AccessDenied));
            }
            if !guest.stores.take() {
                return Ok(Err(Error::StoreTableFull));
            }
            let store = guest.storage.key_value().clone();
            Ok(Ok(guest.table.push(store)?))
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        handle: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        blocking(accessor, &handle, move |store| store.get(&key)).await
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        handle: Resource<Store>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        blocking(accessor, &handle, move |store| store.set(&key, &value)).await
    }

    async fn delete(
        accessor: &Accessor<T, Self>,
        handle: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        blocking(accessor, &handle, move |store| store.delete(&key)).await
    }

    async fn exists(
        accessor: &Accessor<T, Self>,
        handle: Resource<Store>,
        key: String,
    ) -> wasmtime::Result<Result<bool, Error>> {
        blocking(accessor, &handle, move |store| store.get(&key).map(|value| value.is_some())).await
    }

    async fn get_keys(accessor: &Accessor<T, Self>, handle: Resource<Store>) -> wasmtime::Result<Keys> {
        let entries = blocking(accessor, &handle, Store::entries).await?;
        let (keys, result) = match entries {
            Ok(entries) => (entries.into_iter().map(|(key, _)| key).collect(), Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        let (sender, receiver) = mpsc::channel(keys.len().max(1));
        for key in keys {
            sender.try_send(key)?;
        }
        accessor.with(|mut access| {
            let keys = StreamReader::new(&mut access, Receiver(receiver))?;
            let result = FutureReader::new(&mut access, async { wasmtime::error::Ok(result) })?;
            Ok((keys, result))
        })
    }
}
