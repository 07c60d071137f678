//! Prepares what the crate includes.
//!
//! The files in `directory` are checked and packed into one JSON file: the WASM needs no TOML parser, and a mistake in an
//! entry fails the build. The OpenAPI document loses its indentation, which is almost half of the document.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

#[path = "directory/check.rs"]
mod check;

const OPENAPI: &str = "../../docs/openapi.json";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=directory");
    println!("cargo::rerun-if-changed={OPENAPI}");
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("cargo::error={}", why.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let write = |name: &str, text: String| fs::write(out.join(name), text).map_err(|error| error.to_string());
    write("directory.json", packed_directory().map_err(|why| format!("directory: {why}"))?)?;
    let openapi = fs::read_to_string(OPENAPI).map_err(|error| format!("{OPENAPI}: {error}"))?;
    write("openapi.json", without_spaces(&openapi))
}

fn packed_directory() -> Result<String, String> {
    let files = entries(Path::new("directory"))?;
    if files.is_empty() {
        return Err("no entries".to_owned());
    }
    check::pack(&files)
}

/// Removes the white space between the tokens of `json`.
fn without_spaces(json: &str) -> String {
    let (mut is_string, mut is_escaped) = (false, false);
    json.chars()
        .filter(|c| {
            is_string ^= *c == '"' && !is_escaped;
            is_escaped = is_string && *c == '\\' && !is_escaped;
            is_string || !c.is_ascii_whitespace()
        })
        .collect()
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
