//! The files of the repository, for the tests that read them.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust files below `folder`, except for what is in folders with one of the names `left_out`.
pub(crate) fn rust_files(folder: &Path, left_out: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !left_out.iter().any(|name| path.ends_with(name)) {
            found.extend(rust_files(&path, left_out));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
