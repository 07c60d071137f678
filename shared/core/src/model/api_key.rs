//! API keys: `pst_<public id>_<secret>`, their form and the stored row. The public id (16 hex characters) is looked up,
//! the SHA-256 of the whole text is compared. A key holds 256 random bits, so no slow hash is needed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::Result;
use kernel::digest::hex;
use kernel::ports::{Random, Timestamp};
use kernel::secret::Secret;

const PREFIX: &str = "pst_";
const ID_LENGTH: usize = 16;
const SECRET_LENGTH: usize = 43;

/// A row of `api_keys`; the key itself is never stored.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Public id.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// SHA-256 of the whole key text, lowercase hex.
    pub hash: String,
    /// Address of its holder.
    pub email: Option<String>,
    /// Roles of its holder.
    pub roles: Vec<String>,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// A new key's text and its public id.
pub fn generate(random: &dyn Random) -> Result<(Secret<String>, String)> {
    let (mut id, mut secret) = ([0; ID_LENGTH / 2], [0; 32]);
    random.fill(&mut id)?;
    random.fill(&mut secret)?;
    let id = hex(&id);
    let text = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
    zeroize::Zeroize::zeroize(&mut secret);
    Ok((Secret::new(text), id))
}

/// Whether `text` has the form of a key.
pub fn is_well_formed(text: &str) -> bool {
    public_id(text).is_some()
}

/// The public id inside a key of the right form.
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
    fn other_forms_are_not_keys() {
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
