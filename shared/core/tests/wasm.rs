//! Tests of code that must behave inside WASM as it does natively: sealing, randomness, JSON. Run by
//! `wasm-bindgen-test` under Node.

#![cfg(target_arch = "wasm32")]

use kernel::Result;
use kernel::digest::sha256_hex;
use kernel::ports::Random;
use kernel::seal::{Cell, KeyRing};
use mcp::message::{Message, RawObject};
use wasm_bindgen_test::wasm_bindgen_test;

struct WebCrypto;

impl Random for WebCrypto {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|error| kernel::Error::internal(error.to_string()))
    }
}

fn ring() -> KeyRing {
    KeyRing::parse("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap()
}

const CELL: Cell<'static> =
    Cell { table: "credentials", row: "1", column: "sealed", owner: "organization", within: &[] };

#[wasm_bindgen_test]
fn a_sealed_value_opens_in_its_cell_only() {
    let sealed = ring().seal(&WebCrypto, CELL, b"canary").unwrap();
    assert_eq!(ring().open(CELL, &sealed).unwrap().expose(), b"canary");
    assert!(ring().open(Cell { owner: "apikey:eve", ..CELL }, &sealed).is_none());
}

#[wasm_bindgen_test]
fn an_envelope_made_outside_of_wasm_opens() {
    // The envelope was made by another implementation of AES-256-GCM: nonce 1…12, the key and cell of this file.
    let sealed = include_str!("../../kernel/tests/sealed.txt").trim();
    assert_eq!(ring().open(CELL, sealed).unwrap().expose(), b"canary");
}

#[wasm_bindgen_test]
fn randomness_does_not_repeat() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1000 {
        let mut bytes = [0; 32];
        WebCrypto.fill(&mut bytes).unwrap();
        assert!(seen.insert(bytes));
    }
    let values: std::collections::HashSet<u8> = seen.iter().flatten().copied().collect();
    assert_eq!(values.len(), 256);
}

#[wasm_bindgen_test]
fn keys_and_hashes_are_the_same_as_natively() {
    assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let (key, id) = postern_core::model::api_key::generate(&WebCrypto).unwrap();
    assert_eq!(postern_core::model::api_key::public_id(key.expose()), Some(id.as_str()));
    let token = ring().sign("cursor", b"42").unwrap();
    assert_eq!(ring().verify("cursor", &token).unwrap(), b"42");
}

#[wasm_bindgen_test]
fn json_keeps_large_numbers_and_order() {
    let text = r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"m","params":{"b":1.50,"a":1e400}}"#;
    let message = Message::parse(text).unwrap();
    assert_eq!(message.id.unwrap().get(), "9007199254740993");
    let params = RawObject::parse(message.params.unwrap().get()).unwrap();
    assert_eq!(params.to_raw().get(), r#"{"b":1.50,"a":1e400}"#);
}
