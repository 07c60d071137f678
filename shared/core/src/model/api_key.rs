//! API keys: the form `pst_<public id>_<secret>`, and the stored row.
//!
//! A key is found by its public id (16 hex characters) and compared by the SHA-256 of its whole text. A key holds 256
//! random bits, so no slow hash is needed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::Result;
use kernel::digest::hex;
use kernel::ports::{Random, Timestamp};
use kernel::secret::Secret;

const PREFIX: &str = "pst_";
const ID_LENGTH: usize = 16;
const SECRET_LENGTH: usize = 43;

/// The name of the key in the setting `BOOTSTRAP_ADMIN_KEY`, which no other key can have.
pub const BOOTSTRAP: &str = "bootstrap";
/// The principal of the key in the setting `BOOTSTRAP_ADMIN_KEY`, whatever its value is.
pub const BOOTSTRAP_PRINCIPAL: &str = "apikey:bootstrap";

/// A row of `api_keys`. The key itself is never stored.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Public id.
    pub id: String,
    /// Unique name, for people; a later key may have the name again.
    pub name: String,
    /// Id of the principal that the key stands for, which owns credentials and sessions. Never given to another one.
    pub principal: String,
    /// SHA-256 of the whole key text, lowercase hex.
    pub hash: String,
    /// The holder's email address; `<name>@apikey.local` if none was given.
    pub email: String,
    /// Free text.
    pub description: Option<String>,
    /// The holder's roles.
    pub roles: Vec<String>,
    /// When the key expires; `None` means never.
    pub expires_at: Option<Timestamp>,
}

impl ApiKey {
    /// Returns `true` if the key has expired at `now`.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// Returns the principal of a new key with this public id.
pub fn principal(id: &str) -> String {
    format!("key:{id}")
}

/// Returns the address that stands for the holder of the key `name` if no other is known.
pub fn local_email(name: &str) -> String {
    format!("{name}@apikey.local")
}

/// Returns the text of a new key, and its public id.
pub fn generate(random: &dyn Random) -> Result<(Secret<String>, String)> {
    let (mut id, mut secret) = ([0; ID_LENGTH / 2], [0; 32]);
    random.fill(&mut id)?;
    random.fill(&mut secret)?;
    let id = hex(&id);
    let text = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
    zeroize::Zeroize::zeroize(&mut secret);
    Ok((Secret::new(text), id))
}

/// Returns `true` if `text` has the form of a key.
pub fn is_well_formed(text: &str) -> bool {
    public_id(text).is_some()
}

/// Returns the public id in `text`, `None` if `text` does not have the form of a key.
pub fn public_id(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let id_fits =
        id.len() == ID_LENGTH && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let secret_fits = secret.len() == SECRET_LENGTH
        && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    (id_fits && secret_fits).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(0xff);
            Ok(())
        }
    }

    #[test]
    fn a_generated_key_is_well_formed_even_with_separators_in_the_secret() {
        let (key, id) = generate(&Fixed).unwrap();
        assert!(key.expose().ends_with("__________________________________________8"));
        assert_eq!(public_id(key.expose()), Some(id.as_str()));
    }

    #[test]
    fn text_of_another_form_is_no_key() {
        let secret = "A".repeat(43);
        for text in [
            String::new(),
            format!("mdp_0123456789abcdef_{secret}"),
            format!("pst_0123456789ABCDEF_{secret}"),
            format!("pst_0123456789abcde_{secret}"),
            format!("pst_0123456789abcdef_{secret}A"),
            format!("pst_0123456789abcdef{secret}"),
            format!("pst_0123456789abcdef_{}é", "A".repeat(41)),
        ] {
            assert!(!is_well_formed(&text), "{text}");
        }
    }
}
