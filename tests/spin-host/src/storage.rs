//! The folder with the database and the key-value store.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::{key_value, remote::Remote, sqlite};

/// The folder of one run, or of several runs.
pub(crate) struct Storage {
    folder: PathBuf,
    key_value: key_value::Store,
    remote: Option<Remote>,
    as_d1: bool,
    temporary: Mutex<Option<TempDir>>,
    _guard: Option<Child>,
}

impl Storage {
    /// Keeps the data in `folder`; without one, in a temporary folder that is removed at the end. With `as_d1` the guests'
    /// database has D1's limits.
    pub(crate) fn open(folder: Option<&Path>, remote: Option<Remote>, as_d1: bool) -> Result<Self> {
        let temporary = match folder {
            Some(folder) => {
                fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
                None
            }
            None => Some(tempfile::Builder::new().prefix("postern-spin-").tempdir()?),
        };
        let folder = folder.or(temporary.as_ref().map(TempDir::path)).context("no folder")?.to_owned();
        let guard = temporary.as_ref().map(guard).transpose()?;
        let key_value = key_value::Store::open(&folder.join("sqlite_key_value.db"))?;
        let storage =
            Self { folder, key_value, remote, as_d1, temporary: Mutex::new(temporary), _guard: guard };
        if remote.is_some() {
            // As the server does, since no guest may.
            sqlite::open(&storage.database())?.pragma_update(None, "journal_mode", "wal")?;
        }
        Ok(storage)
    }

    /// The file of the default database.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join("sqlite_db.db")
    }

    /// A connection of a guest to the default database.
    pub(crate) fn connect(&self) -> rusqlite::Result<rusqlite::Connection> {
        let connection = sqlite::open(&self.database())?;
        if self.as_d1 {
            sqlite::limit_as_d1(&connection)?;
        }
        Ok(connection)
    }

    /// The rules of a libSQL server, when the database is to follow them.
    pub(crate) fn remote(&self) -> Option<Remote> {
        self.remote
    }

    /// Removes the folder if it is temporary, even while instances have files of the folder open.
    pub(crate) fn remove_temporary(&self) -> Result<()> {
        let temporary = self.temporary.lock().unwrap_or_else(PoisonError::into_inner).take();
        temporary.map_or(Ok(()), |folder| Ok(folder.close()?))
    }

    pub(crate) fn key_value(&self) -> &key_value::Store {
        &self.key_value
    }
}

/// Removes the folder when this process dies without removing it: the shell's `cat` ends when the pipe closes.
fn guard(folder: &TempDir) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", r#"cat >/dev/null; rm -rf -- "$0""#])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
