//! Finds the crates of the product and reads their sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders that are a product crate, or whose folders are.
const FOLDERS: [&str; 3] = ["shared", "functions", "runtimes"];

/// The sources of one crate.
pub(super) struct Sources {
    /// The package's name; a program beside a library has ` (main.rs)` after the name.
    pub(super) name: String,
    /// The file of the root module.
    pub(super) root: PathBuf,
    /// Every Rust file below `src` with its text, by path from the repository's root.
    pub(super) files: BTreeMap<PathBuf, String>,
}

/// The product crates of the repository, in the order of their folders.
pub(super) fn find(repository: &Path) -> Result<Vec<Sources>> {
    let mut found = Vec::new();
    for top in FOLDERS {
        let top = repository.join(top);
        if !top.is_dir() {
            continue;
        }
        let below = entries(&top)?.into_iter().filter(|entry| entry.is_dir());
        for folder in [top.clone()].into_iter().chain(below) {
            found.extend(crates_in(repository, &folder)?);
        }
    }
    Ok(found)
}

/// A folder holds a library, a program, both, or (if it has no `Cargo.toml`) no crate.
fn crates_in(repository: &Path, folder: &Path) -> Result<Vec<Sources>> {
    let roots: Vec<PathBuf> = ["src/lib.rs", "src/main.rs"]
        .map(|file| folder.join(file))
        .into_iter()
        .filter(|it| it.is_file())
        .collect();
    let manifest = folder.join("Cargo.toml");
    if roots.is_empty() || !manifest.is_file() {
        return Ok(Vec::new());
    }
    let package = package_name(&manifest)?;
    let mut files = BTreeMap::new();
    read_below(repository, &folder.join("src"), &mut files)?;
    let both = roots.len() > 1;
    let sources = roots.into_iter().map(|root| Sources {
        name: if both && root.ends_with("main.rs") {
            format!("{package} (main.rs)")
        } else {
            package.clone()
        },
        root: from_root(repository, &root),
        files: files.clone(),
    });
    Ok(sources.collect())
}

fn package_name(manifest: &Path) -> Result<String> {
    let text = read(manifest)?;
    let table: toml::Table = text.parse().with_context(|| format!("cannot parse {}", manifest.display()))?;
    let name = table.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    name.map(str::to_owned).with_context(|| format!("{} names no package", manifest.display()))
}

fn read_below(repository: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    for entry in entries(folder)? {
        if entry.is_dir() {
            read_below(repository, &entry, files)?;
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.insert(from_root(repository, &entry), read(&entry)?);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot read {}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        entries.push(entry.with_context(context)?.path());
    }
    entries.sort();
    Ok(entries)
}

fn from_root(repository: &Path, file: &Path) -> PathBuf {
    file.strip_prefix(repository).unwrap_or(file).to_path_buf()
}
