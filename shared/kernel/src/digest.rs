//! Hashes and their text form: how API keys are stored, tool definitions compared and presented secrets checked.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// SHA-256 in lowercase hex: how API keys are stored and tool definitions compared.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Compares two secrets without telling where they differ.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    // Hashed first, so that not even the length decides how long it takes.
    Sha256::digest(a).as_slice().ct_eq(Sha256::digest(b).as_slice()).into()
}

/// Lowercase hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from_digit(nibble.into(), 16))
        .fold(String::with_capacity(bytes.len() * 2), |mut text, digit| {
            text.extend(digit);
            text
        })
}
