//! Machine code of components, kept beside this program so that the next start need not compile again.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use wasmtime::{Config, Engine, component::Component};

/// The engine that all components share.
pub(crate) fn engine() -> wasmtime::Result<Engine> {
    Engine::new(Config::new().wasm_component_model_async(true))
}

/// The component in `source`, compiled now or at an earlier start.
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
    // Without the cache it only takes longer.
    if let Err(error) = file.write(&component.serialize()?) {
        eprintln!("the compiled component is not kept: {error:#}");
    }
    Ok(component)
}

/// # Safety of the one unsafe call
///
/// The file must have been written by `Component::serialize`. It lies in the build folder, where this program
/// itself lies: whoever can write there can replace the program as well.
#[expect(unsafe_code, reason = "see above")]
fn load(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: see above.
    unsafe { Component::deserialize_file(engine, path) }
}

/// A place in the cache.
struct Cached {
    path: PathBuf,
    /// What the file names of all versions of this component begin with.
    prefix: String,
}

fn cached(engine: &Engine, source: &Path, wasm: &[u8]) -> Option<Cached> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?.join("spin-host-cache");
    let short = |digest: &[u8]| digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut version = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut version);
    let prefix = format!(
        "{}-{}-",
        source.file_stem()?.to_string_lossy(),
        short(&Sha256::digest(source.as_os_str().as_encoded_bytes()))
    );
    let name = format!("{prefix}{}-{:016x}.cwasm", short(&Sha256::digest(wasm)), version.finish());
    Some(Cached { path: folder.join(name), prefix })
}

impl Cached {
    /// Keeps the code and removes that of earlier versions.
    fn write(&self, code: &[u8]) -> Result<()> {
        let folder = self.path.parent().context("no folder")?;
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&self.prefix) {
                let _ = fs::remove_file(entry.path());
            }
        }
        // Renamed when complete: another host may be starting.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, code)?;
        file.persist(&self.path)?;
        Ok(())
    }
}
