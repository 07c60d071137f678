//! Runs the bodies of the fuzz targets on their seeds and on 40 000 mutants of these, so that every test run checks
//! what the fuzzer checks.

// The included files belong to the crate of the fuzz targets, where their functions are public.
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

/// Returns every URL of the corpora; all of them are seeds.
fn urls() -> Vec<String> {
    corpus::hostile().into_iter().map(|form| form.url).chain(corpus::ordinary()).collect()
}

#[test]
fn the_fuzz_target_holds_for_urls() {
    let seeds = urls().into_iter().map(String::into_bytes).collect();
    replay::replay(&fuzz(), "url", seeds, &WORDS, 40_000, bodies::url);
}

#[test]
fn the_fuzz_target_holds_for_challenges() {
    let seed = |url: String| format!("Bearer scope=\"a\", resource_metadata=\"{url}\"").into_bytes();
    let seeds = urls().into_iter().step_by(20).map(seed).collect();
    replay::replay(&fuzz(), "challenge", seeds, &WORDS, 40_000, bodies::challenge);
}

#[test]
fn the_fuzz_target_holds_for_protected_resource_metadata() {
    let seed = |url: String| {
        let metadata = serde_json::json!({ "resource": url, "authorization_servers": [url] });
        metadata.to_string().into_bytes()
    };
    let seeds = urls().into_iter().step_by(20).map(seed).collect();
    replay::replay(&fuzz(), "resource_metadata", seeds, &WORDS, 40_000, bodies::resource_metadata);
}

#[test]
fn the_fuzz_target_holds_for_authorization_server_metadata() {
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

/// The oracle is a second implementation of the rules for URLs. It must object to every hostile URL in normal form,
/// except for names that only a list shows to be private.
#[test]
fn the_oracle_objects_to_hostile_urls_and_to_no_ordinary_one() {
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
