//! Checks the files in `directory` and packs them into one JSON file, which `src/directory.rs` includes: the WASM needs no
//! TOML parser, and a mistake in an entry fails the build.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

#[path = "directory/check.rs"]
mod check;

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=directory");
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("cargo::error=directory: {}", why.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let files = entries(Path::new("directory"))?;
    if files.is_empty() {
        return Err("no entries".to_owned());
    }
    let packed = check::pack(&files)?;
    fs::write(PathBuf::from(out).join("directory.json"), packed).map_err(|error| error.to_string())
}

/// Returns names and contents of the TOML files in `folder`.
fn entries(folder: &Path) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        files.push((name, text));
    }
    files.sort();
    Ok(files)
}
