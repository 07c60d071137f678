//! SHA-256 hashes in hex, for stored API keys and for comparing tool definitions, and a comparison of secrets in
//! constant time.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Returns the SHA-256 of `bytes` in lowercase hex: the form in which API keys are stored and tool definitions
/// compared.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns `true` if both secrets are equal. The time that this takes does not show where they differ.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    // Hashes are of equal length, so the time does not show either whether the secrets' lengths differ.
    Sha256::digest(a).as_slice().ct_eq(Sha256::digest(b).as_slice()).into()
}

/// Returns `bytes` in lowercase hex.
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
