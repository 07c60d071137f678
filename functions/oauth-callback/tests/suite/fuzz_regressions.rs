//! Runs the fuzz target of the callback over its seeds and 10 000 mutants of them, in every test run.

// The included modules are public in the crate of the fuzz targets.
#![allow(clippy::missing_panics_doc, unreachable_pub)]

#[path = "../../../../fuzz/src/callback.rs"]
mod callback;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;

use std::path::Path;

const WORDS: [&str; 24] = [
    "state=",
    "known-state",
    "code=",
    "iss=",
    "error=",
    "&",
    "=",
    "&&",
    "+",
    "%",
    "%3D",
    "%26",
    "%00",
    "%ff",
    "%F0%9F",
    "access_denied",
    "invalid_scope",
    "https://as.example.com",
    "https%3A%2F%2Fas.example.com",
    "<script>",
    "%3Cscript%3E",
    "state=known-state&",
    "&iss=https://as.example.com",
    "error_description=",
];

#[test]
fn the_fuzz_target_of_the_callback_passes() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    replay::replay(&fuzz, "callback", Vec::new(), &WORDS, 10_000, callback::callback);
}
