//! Sealing (authenticated encryption) of stored secrets, and signing of values that a client carries and sends back.
//!
//! A sealed value is `v1.<key id>.<base64url(nonce ‖ ciphertext)>`: AES-256-GCM with a random 96-bit nonce. The
//! associated data names the cell (table, row, column) and the owner, each length-prefixed, so a ciphertext that was
//! moved to another cell or owner does not open. The associated data of a `v2.` value also names what else the value
//! belongs to (see [`Cell::within`]). A key's id is derived from the key, so that no key can have a wrong id.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use utoipa::openapi::schema::ObjectBuilder;
use zeroize::Zeroizing;

use crate::digest::hex;
use crate::ports::Random;
use crate::schema::{BASE64URL, text};
use crate::secret::Secret;
use crate::{Error, Result};

const NONCE_BYTES: usize = 12;
const MAC_BYTES: usize = 32;

/// The place where a sealed value is stored, and its owner.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The table; for a value that is not stored, the name of its kind.
    pub table: &'a str,
    /// The primary key of the row.
    pub row: &'a str,
    /// The column.
    pub column: &'a str,
    /// The owner: `organization`, or a caller's subject.
    pub owner: &'a str,
    /// What else the value belongs to, such as an integration and an origin; empty if nothing else.
    pub within: &'a [&'a str],
}

impl Cell<'_> {
    fn associated_data(&self, version: Version) -> Vec<u8> {
        let place = [self.table, self.row, self.column, self.owner];
        let within = if version == Version::Two { self.within } else { &[] };
        let mut data = Vec::new();
        for part in place.iter().chain(within) {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

/// What the associated data of a sealed value names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    /// Cell and owner.
    One,
    /// Cell, owner and what else the value belongs to.
    Two,
}

impl Version {
    /// Returns the version of a sealed value, and the value without the version's prefix.
    fn of(sealed: &str) -> Option<(Self, &str)> {
        let one = sealed.strip_prefix(Self::One.prefix()).map(|rest| (Self::One, rest));
        one.or_else(|| sealed.strip_prefix(Self::Two.prefix()).map(|rest| (Self::Two, rest)))
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::One => "v1.",
            Self::Two => "v2.",
        }
    }
}

struct RingKey {
    id: String,
    cipher: Aes256Gcm,
    bytes: Zeroizing<[u8; 32]>,
}

/// The deployment's encryption keys. The first key seals; every key opens.
pub struct KeyRing(Vec<RingKey>);

impl KeyRing {
    /// Reads the setting `ENCRYPTION_KEY`: keys of 32 bytes in base64, separated by commas. Returns `None` if any
    /// part is not such a key.
    pub fn parse(text: &str) -> Option<Self> {
        let keys = text.split(',').map(|part| {
            let decoded = Zeroizing::new(STANDARD.decode(part.trim()).ok()?);
            let bytes = Zeroizing::new(<[u8; 32]>::try_from(decoded.as_slice()).ok()?);
            let id = hex(Sha256::digest(*bytes).get(..4)?);
            let cipher = Aes256Gcm::new(&Key::<Aes256Gcm>::from(*bytes));
            Some(RingKey { id, cipher, bytes })
        });
        keys.collect::<Option<Vec<_>>>().filter(|keys| !keys.is_empty()).map(Self)
    }

    /// Seals `plain` for `cell` with the first key. Fails if the runtime has no entropy for the nonce.
    pub fn seal(&self, random: &dyn Random, cell: Cell<'_>, plain: &[u8]) -> Result<String> {
        let key = self.0.first().ok_or_else(|| Error::internal("empty key ring"))?;
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce)?;
        let version = if cell.within.is_empty() { Version::One } else { Version::Two };
        let payload = Payload { msg: plain, aad: &cell.associated_data(version) };
        let sealed = key
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::internal("sealing failed"))?;
        let mut envelope = nonce.to_vec();
        envelope.extend_from_slice(&sealed);
        Ok(format!("{}{}.{}", version.prefix(), key.id, URL_SAFE_NO_PAD.encode(envelope)))
    }

    /// Opens a value that [`KeyRing::seal`] made for the same cell. Returns `None` if the value was sealed for another
    /// cell or owner or with a key that the ring does not have, or if it was changed. A `v1.` value opens whatever the
    /// cell is `within`: it was sealed before that was bound.
    pub fn open(&self, cell: Cell<'_>, sealed: &str) -> Option<Secret<Vec<u8>>> {
        let (version, rest) = Version::of(sealed)?;
        let (key_id, envelope) = rest.split_once('.')?;
        let key = self.0.iter().find(|key| key.id == key_id)?;
        let envelope = URL_SAFE_NO_PAD.decode(envelope).ok()?;
        let (nonce, ciphertext) = envelope.split_at_checked(NONCE_BYTES)?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).ok()?;
        let payload = Payload { msg: ciphertext, aad: &cell.associated_data(version) };
        key.cipher.decrypt(&Nonce::from(nonce), payload).ok().map(Secret::new)
    }

    /// Returns a token of a MAC and `payload`, in base64url: a client can carry the token and cannot forge one. A token
    /// for one `purpose` is not valid for another.
    pub fn sign(&self, purpose: &str, payload: &[u8]) -> Result<String> {
        let key = self.0.first().ok_or_else(|| Error::internal("empty key ring"))?;
        let mut token = mac(key, purpose, payload).to_vec();
        token.extend_from_slice(payload);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Returns the payload of a token that [`KeyRing::sign`] made for the same purpose; `None` for any other token.
    pub fn verify(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, payload) = token.split_at_checked(MAC_BYTES)?;
        let genuine = self.0.iter().any(|key| mac(key, purpose, payload).ct_eq(tag).into());
        genuine.then(|| payload.to_vec())
    }
}

/// Returns the schema of a token that [`KeyRing::sign`] makes, as far as a schema can tell a token from other texts.
pub fn token_schema() -> ObjectBuilder {
    text(BASE64URL).min_length(Some((MAC_BYTES * 4).div_ceil(3)))
}

/// Returns the HMAC-SHA-256 of `payload`. HKDF derives a key for each purpose, so that the encryption key itself is
/// only used to encrypt.
fn mac(key: &RingKey, purpose: &str, payload: &[u8]) -> [u8; MAC_BYTES] {
    let mut derived = Zeroizing::new([0; 32]);
    // HKDF can derive 32 bytes, and HMAC takes keys of any length: neither step can fail.
    let expanded = Hkdf::<Sha256>::new(None, key.bytes.as_slice()).expand(purpose.as_bytes(), &mut *derived);
    debug_assert!(expanded.is_ok());
    <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(derived.as_slice()).map_or([0; MAC_BYTES], |mut mac| {
        mac.update(payload);
        mac.finalize().into_bytes().into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(std::cell::Cell<u8>);
    impl Random for Counter {
        fn fill(&self, buffer: &mut [u8]) -> Result<()> {
            for byte in buffer {
                self.0.set(self.0.get().wrapping_add(1));
                *byte = self.0.get();
            }
            Ok(())
        }
    }

    fn ring(seeds: &[u8]) -> KeyRing {
        let text: Vec<_> = seeds.iter().map(|seed| STANDARD.encode([*seed; 32])).collect();
        KeyRing::parse(&text.join(",")).unwrap()
    }

    const CELL: Cell<'static> =
        Cell { table: "credentials", row: "1", column: "sealed", owner: "organization", within: &[] };

    #[test]
    fn opens_only_in_its_own_cell_for_its_own_owner() {
        let ring = ring(&[1]);
        let sealed = ring.seal(&Counter(0.into()), CELL, b"canary").unwrap();
        assert!(!sealed.contains("canary"));
        assert_eq!(ring.open(CELL, &sealed).unwrap().expose(), b"canary");
        for other in [
            Cell { table: "api_keys", ..CELL },
            Cell { row: "2", ..CELL },
            Cell { column: "token", ..CELL },
            Cell { owner: "apikey:eve", ..CELL },
            // The same bytes, divided between row and column at another place.
            Cell { row: "1s", column: "ealed", ..CELL },
        ] {
            assert!(ring.open(other, &sealed).is_none());
        }
    }

    #[test]
    fn opens_only_within_what_it_was_sealed_for() {
        let ring = ring(&[1]);
        let cell = Cell { within: &["one", "https://a"], ..CELL };
        let sealed = ring.seal(&Counter(0.into()), cell, b"canary").unwrap();
        assert_eq!(ring.open(cell, &sealed).unwrap().expose(), b"canary");
        for within in [&["two", "https://a"][..], &["one", "https://b"], &["onehttps://a"], &["one"], &[]] {
            assert!(ring.open(Cell { within, ..CELL }, &sealed).is_none(), "{within:?}");
        }
        let relabelled = sealed.replacen("v2.", "v1.", 1);
        assert_ne!(relabelled, sealed);
        assert!(ring.open(cell, &relabelled).is_none());
    }

    #[test]
    fn a_value_sealed_before_anything_else_was_bound_still_opens() {
        let ring = ring(&[1]);
        let old = ring.seal(&Counter(0.into()), CELL, b"canary").unwrap();
        assert!(old.starts_with("v1."));
        let cell = Cell { within: &["one", "https://a"], ..CELL };
        assert_eq!(ring.open(cell, &old).unwrap().expose(), b"canary");
        assert!(ring.open(cell, &old.replacen("v1.", "v2.", 1)).is_none());
    }

    #[test]
    fn a_changed_or_foreign_envelope_does_not_open() {
        let sealed = ring(&[1]).seal(&Counter(0.into()), CELL, b"canary").unwrap();
        assert!(ring(&[2]).open(CELL, &sealed).is_none());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(ring(&[1]).open(CELL, &changed).is_none(), "position {position}");
        }
    }

    #[test]
    fn an_older_key_still_opens_and_the_first_one_seals() {
        let old = ring(&[1]).seal(&Counter(0.into()), CELL, b"old").unwrap();
        let rotated = ring(&[2, 1]);
        assert_eq!(rotated.open(CELL, &old).unwrap().expose(), b"old");
        let new = rotated.seal(&Counter(0.into()), CELL, b"new").unwrap();
        assert!(ring(&[1]).open(CELL, &new).is_none());
        assert_eq!(ring(&[2]).open(CELL, &new).unwrap().expose(), b"new");
    }

    #[test]
    fn signed_tokens_are_bound_to_their_purpose() {
        let ring = ring(&[1]);
        let token = ring.sign("cursor", b"42").unwrap();
        assert_eq!(ring.verify("cursor", &token).unwrap(), b"42");
        assert!(ring.verify("state", &token).is_none());
        assert!(ring.verify("cursor", "").is_none());
        assert!(ring.verify("cursor", &token.to_uppercase()).is_none());
    }

    #[test]
    fn the_envelope_that_the_wasm_test_opens_has_the_current_format() {
        let ring = KeyRing::parse("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").unwrap();
        let sealed = include_str!("../tests/sealed.txt").trim();
        assert_eq!(ring.open(CELL, sealed).unwrap().expose(), b"canary");
        assert_eq!(ring.seal(&Counter(0.into()), CELL, b"canary").unwrap(), sealed, "the format has changed");
    }

    #[test]
    fn hex_is_lowercase() {
        assert_eq!(hex(&[0, 0xaf, 0xff]), "00afff");
        assert_eq!(
            crate::digest::sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
