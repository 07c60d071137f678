//! The fuzz targets' bodies over their seeds and some ten thousand mutants of them: what the fuzzer checks, in every run.

// The bodies are public in the crate of the fuzz targets.
#![allow(clippy::missing_panics_doc, unreachable_pub)]

#[path = "../../../../fuzz/src/bodies.rs"]
mod bodies;
#[path = "../../../../fuzz/src/oracle.rs"]
mod oracle;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;

use std::path::PathBuf;

use crate::corpus;

const WORDS: [&str; 40] = [
    "https://",
    "http://",
    "https:",
    "//",
    "@",
    ":",
    "/",
    "\\",
    "#",
    "?",
    "%",
    "%2e",
    "%00",
    ".",
    "..",
    "\u{3002}",
    "\u{ad}",
    "[",
    "]",
    "::",
    "::ffff:",
    "127.0.0.1",
    "0x7f",
    "017",
    "localhost",
    ".local",
    ".nip.io",
    "xn--",
    "mcp",
    "example.com",
    "443",
    "8443",
    "\"",
    "\\\"",
    ",",
    "=",
    "Bearer ",
    "resource_metadata=",
    "scope=\"",
    "S256",
];

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Every URL of the corpora, as a seed.
fn urls() -> Vec<String> {
    corpus::hostile().into_iter().map(|form| form.url).chain(corpus::ordinary()).collect()
}

#[test]
fn urls_hold() {
    let seeds = urls().into_iter().map(String::into_bytes).collect();
    replay::replay(&fuzz(), "url", seeds, &WORDS, 40_000, bodies::url);
}

#[test]
fn challenges_hold() {
    let seed = |url: String| format!("Bearer scope=\"a\", resource_metadata=\"{url}\"").into_bytes();
    let seeds = urls().into_iter().step_by(20).map(seed).collect();
    replay::replay(&fuzz(), "challenge", seeds, &WORDS, 40_000, bodies::challenge);
}

#[test]
fn protected_resource_metadata_holds() {
    let seed = |url: String| {
        let metadata = serde_json::json!({ "resource": url, "authorization_servers": [url] });
        metadata.to_string().into_bytes()
    };
    let seeds = urls().into_iter().step_by(20).map(seed).collect();
    replay::replay(&fuzz(), "resource_metadata", seeds, &WORDS, 40_000, bodies::resource_metadata);
}

#[test]
fn authorization_server_metadata_holds() {
    let seed = |url: String| {
        let metadata = serde_json::json!({
            "issuer": "https://as.example.com",
            "authorization_endpoint": url,
            "token_endpoint": url,
            "code_challenge_methods_supported": ["S256"],
        });
        metadata.to_string().into_bytes()
    };
    let seeds = urls().into_iter().step_by(20).map(seed).collect();
    replay::replay(&fuzz(), "server_metadata", seeds, &WORDS, 40_000, bodies::server_metadata);
}

/// The second opinion is one: it objects to every hostile form that is in normal form, but for names that only a list of
/// them gives away.
#[test]
fn the_oracle_objects() {
    let mut objections = 0;
    for form in corpus::hostile() {
        let is_listed = form.class.starts_with("private name") || form.class == "wildcard DNS";
        if url::Url::parse(&form.url).is_ok_and(|url| url.as_str() == form.url) && !is_listed {
            assert!(oracle::objection(&form.url).is_some(), "{form:?}");
            objections += 1;
        }
    }
    assert!(objections >= 100, "{objections}");
    for listed in ["https://a.localhost/", "https://printer.local/", "https://127.0.0.1.nip.io/"] {
        assert!(oracle::objection(listed).is_some(), "{listed}");
    }
    for url in corpus::ordinary() {
        let normal = url::Url::parse(&url).unwrap();
        assert_eq!(oracle::objection(normal.as_str()), None, "{url}");
    }
}
