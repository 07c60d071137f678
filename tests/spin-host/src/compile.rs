//! Machine code of components, kept beside this program so that the next start need not compile them again.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use wasmtime::{Config, Engine, component::Component};

/// The engine that all components share.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    Engine::new(Config::new().wasm_component_model_async(true))
}

/// The component in `source`, compiled now or by an earlier start.
pub(crate) fn component(engine: &Engine, source: &Path) -> Result<Component> {
    let wasm = fs::read(source)
        .with_context(|| format!("cannot read {}: build the components first", source.display()))?;
    let Some(file) = cached(engine, source, &wasm) else {
        return Ok(Component::new(engine, &wasm)?);
    };
    if file.path.exists()
        && let Ok(component) = load(engine, &file.path)
    {
        return Ok(component);
    }
    let component = Component::new(engine, &wasm).map_err(anyhow::Error::from);
    let component = component.with_context(|| source.display().to_string())?;
    // Without the cache the next start only takes longer.
    if let Err(error) = file.write(&component.serialize()?) {
        eprintln!("the compiled component is not kept: {error:#}");
    }
    Ok(component)
}

/// # Safety of the one unsafe call
///
/// The file must have been written by `Component::serialize`. It lies in the build folder, where this program lies
/// too: a user who can write there can replace the program as well.
#[expect(unsafe_code, reason = "see above")]
fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: see above.
    unsafe { Component::deserialize_file(engine, path) }
}

/// A file in the cache.
struct Cached {
    path: PathBuf,
    /// The start of the file name, which all versions of this component share.
    prefix: String,
}

fn cached(engine: &Engine, source: &Path, wasm: &[u8]) -> Option<Cached> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?.join("spin-host-cache");
    let prefix = format!("{}-{:016x}-", source.file_stem()?.to_string_lossy(), hash(&source));
    let name = format!("{prefix}{:016x}.cwasm", hash(&Version { engine, wasm }));
    Some(Cached { path: folder.join(name), prefix })
}

/// Everything that the machine code depends on.
struct Version<'a> {
    engine: &'a Engine,
    wasm: &'a [u8],
}

impl Hash for Version<'_> {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.wasm.hash(hasher);
        self.engine.precompile_compatibility_hash().hash(hasher);
    }
}

/// A hash that is good enough to tell builds apart, and fast without optimisation.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Cached {
    /// Writes the code and removes the code of earlier versions.
    fn write(&self, code: &[u8]) -> Result<()> {
        let folder = self.path.parent().context("no folder")?;
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                let _ = fs::remove_file(entry.path());
            }
        }
        // The file is renamed when it is complete, since another host may be starting.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, code)?;
        file.persist(&self.path)?;
        Ok(())
    }
}
