//! API keys as Postern defines them, made without Postern's code: `pst_<16 hex>_<43 base64url>`, stored as SHA-256.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A fresh API key.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The whole text, which only its holder knows.
    pub text: String,
    /// The public id, a part of the text.
    pub id: String,
}

impl ApiKey {
    /// Makes a key.
    pub fn generate() -> Result<Self> {
        let id = hex(&random::<8>()?);
        let text = format!("pst_{id}_{}", URL_SAFE_NO_PAD.encode(random::<32>()?));
        Ok(Self { text, id })
    }

    /// The hash of the key, which the table `api_keys` stores.
    pub fn hash(&self) -> String {
        sha256(&self.text)
    }
}

/// A fresh value for the setting `ENCRYPTION_KEY`.
pub fn encryption_key() -> Result<String> {
    Ok(STANDARD.encode(random::<32>()?))
}

/// The SHA-256 of a text in lowercase hex.
pub fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system gives no randomness")?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
