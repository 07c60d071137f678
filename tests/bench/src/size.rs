//! The size of what is deployed.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result, ensure};
use flate2::{Compression, write::GzEncoder};

/// Sizes in bytes.
pub(crate) struct Size {
    pub(crate) wasm: u64,
    pub(crate) wasm_gzip: u64,
    pub(crate) script_gzip: u64,
}

/// Measures a built Worker. Compressed as `gzip -9` does, which is what the platform's limit counts.
pub(crate) fn measure(build: &Path) -> Result<Size> {
    let mut size = Size { wasm: 0, wasm_gzip: 0, script_gzip: 0 };
    for entry in fs::read_dir(build).with_context(|| format!("cannot read {}", build.display()))? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("wasm") => {
                size.wasm += path.metadata()?.len();
                size.wasm_gzip += gzip(&path)?;
            }
            Some("js" | "mjs") => size.script_gzip += gzip(&path)?,
            _ => {}
        }
    }
    ensure!(size.wasm > 0, "no .wasm in {}; build the Worker first", build.display());
    Ok(size)
}

/// The components of `spin.toml`, compressed: name and bytes.
pub(crate) fn components(manifest: &Path) -> Result<Vec<(String, u64)>> {
    let text = fs::read_to_string(manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let folder = manifest.parent().unwrap_or_else(|| Path::new("."));
    // Only the lines that name a component's file matter: no parser for that.
    let sources = text.lines().filter_map(|line| line.strip_prefix("source = \"")?.strip_suffix('"'));
    sources
        .map(|source| {
            let name = Path::new(source).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, gzip(&folder.join(source))?))
        })
        .collect()
}

fn gzip(path: &Path) -> Result<u64> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&fs::read(path)?)?;
    Ok(encoder.finish()?.len() as u64)
}
