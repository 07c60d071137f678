//! API keys: `pst_<public id>_<secret>`. The public id (16 hex characters) is looked up, the SHA-256 of the whole
//! text is compared in constant time. A key holds 256 random bits, so no slow hash is needed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::model::api_key::ApiKey;
use kernel::ports::Random;
use kernel::secret::Secret;
use kernel::digest::{hex, sha256_hex};
use crate::{Platform, store};
use kernel::Result;

const PREFIX: &str = "pst_";
const ID_LENGTH: usize = 16;
const SECRET_LENGTH: usize = 43;

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

/// The key row that `text` proves to hold; `None` for an unknown, wrong or expired key.
///
/// While no key exists at all, the `BOOTSTRAP_ADMIN_KEY` setting becomes the first one, with the role `admin`.
pub async fn verify(platform: &Platform, text: &str) -> Result<Option<std::rc::Rc<ApiKey>>> {
    let Some(id) = public_id(text) else {
        return Ok(None);
    };
    let row = match store::api_keys::find(platform, id).await? {
        Some(row) => Some(row),
        None => bootstrap(platform, id).await?,
    };
    // An unknown id does the same work as a known one.
    let stored = row.as_ref().map_or("", |row| row.hash.as_str());
    let matches: bool = sha256_hex(text.as_bytes()).as_bytes().ct_eq(stored.as_bytes()).into();
    let now = platform.now();
    Ok(row.filter(|row| matches && row.expires_at.is_none_or(|at| now < at)))
}

async fn bootstrap(platform: &Platform, id: &str) -> Result<Option<std::rc::Rc<ApiKey>>> {
    let Some(key) = &platform.settings.bootstrap_admin_key else {
        return Ok(None);
    };
    if public_id(key.expose()) != Some(id) {
        return Ok(None);
    }
    let row = ApiKey {
        id: id.to_owned(),
        name: "bootstrap".to_owned(),
        hash: sha256_hex(key.expose().as_bytes()),
        email: None,
        roles: vec![crate::policy::persona::ADMIN.to_owned()],
        expires_at: None,
    };
    store::api_keys::insert_first(platform, &row).await?;
    store::api_keys::find(platform, id).await
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
