//! The key-value port over a map that never forgets an entry by itself, so that expiry must come from inside the
//! values.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use kernel::ports::Kv;
use kernel::{Code, Error, Result};

/// All entries of one cache.
#[derive(Default)]
pub struct MemoryKv(RefCell<BTreeMap<String, String>>, Cell<bool>);

impl MemoryKv {
    /// Every key and value, in which tests search for secrets.
    pub fn dump(&self) -> String {
        format!("{:?}", self.0.borrow())
    }

    /// Makes everything fail from now on, as a cache that cannot be reached.
    pub fn fail(&self) {
        self.1.set(true);
    }

    fn works(&self) -> Result<()> {
        if self.1.get() { Err(Error::new(Code::Unavailable, "the cache is unavailable")) } else { Ok(()) }
    }
}

#[async_trait(?Send)]
impl Kv for MemoryKv {
    async fn get(&self, key: &str) -> Result<Option<String>> {
        self.works()?;
        Ok(self.0.borrow().get(key).cloned())
    }

    async fn put(&self, key: &str, value: &str, _gc_after: Duration) -> Result<()> {
        self.works()?;
        self.0.borrow_mut().insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.works()?;
        self.0.borrow_mut().remove(key);
        Ok(())
    }
}
