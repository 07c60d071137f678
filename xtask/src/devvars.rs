//! `.dev.vars`: the settings and secrets of the Worker on this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::fs_ext;

/// The setting that lets callers on this machine in without a key, and its value for administrators.
pub(crate) const ANONYMOUS: (&str, &str) = ("ANONYMOUS_PERSONA", "admin");

/// Secrets in the forms that Postern accepts.
pub(crate) struct Secrets {
    /// `ENCRYPTION_KEY`: base64 of 32 random bytes.
    pub(crate) encryption_key: String,
    /// `BOOTSTRAP_ADMIN_KEY`: `pst_<public id>_<secret>`.
    pub(crate) admin_key: String,
}

impl Secrets {
    /// Fresh secrets from the system's randomness.
    pub(crate) fn generate() -> Result<Self> {
        use std::fmt::Write as _;
        let public_id = random::<8>()?.iter().fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        });
        Ok(Self {
            encryption_key: STANDARD.encode(random::<32>()?),
            admin_key: format!("pst_{public_id}_{}", URL_SAFE_NO_PAD.encode(random::<32>()?)),
        })
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("the system gives no randomness")?;
    Ok(bytes)
}

/// The contents of the file.
pub(crate) struct DevVars {
    path: PathBuf,
    text: String,
}

impl DevVars {
    /// Reads the file; `None` when there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(Self { path: path.to_path_buf(), text })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the file with fresh secrets, readable by its owner only.
    pub(crate) fn create(path: &Path, port: u16) -> Result<Self> {
        let secrets = Secrets::generate()?;
        let text = format!(
            "# Settings of Postern on this machine, made by `cargo xtask dev`. Not for the repository.\n\
             # Without this ENCRYPTION_KEY, the credentials in the local database cannot be read.\n\
             ENCRYPTION_KEY={}\n\
             BOOTSTRAP_ADMIN_KEY={}\n\
             PUBLIC_URL={}\n\
             ALLOW_LOOPBACK_UPSTREAMS=true\n",
            secrets.encryption_key,
            secrets.admin_key,
            local_url(port),
        );
        fs_ext::write_private(path, &text)?;
        Ok(Self { path: path.to_path_buf(), text })
    }

    /// A setting's value, without quotes around it.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.text.lines().rev().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().trim_matches(['"', '\'']))
        })
    }

    /// Puts the port into a `PUBLIC_URL` of this machine. A public URL of the user's own stays.
    pub(crate) fn follow_port(&mut self, port: u16) -> Result<()> {
        let Some(current) = self.get("PUBLIC_URL").map(str::to_owned) else {
            return Ok(());
        };
        let is_local =
            current.strip_prefix("http://127.0.0.1:").is_some_and(|port| port.parse::<u16>().is_ok());
        if is_local && current != local_url(port) {
            self.text = self.text.replace(&current, &local_url(port));
            fs_ext::write_private(&self.path, &self.text)?;
        }
        Ok(())
    }
}

fn local_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_have_the_documented_shape() {
        let secrets = Secrets::generate().unwrap();
        assert_eq!(STANDARD.decode(&secrets.encryption_key).unwrap().len(), 32);
        let parts: Vec<&str> = secrets.admin_key.splitn(3, '_').collect();
        assert_eq!(parts[0], "pst");
        assert!(
            parts[1].len() == 16
                && parts[1].bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
        );
        assert_eq!(parts[2].len(), 43);
        assert_ne!(secrets.admin_key, Secrets::generate().unwrap().admin_key);
    }

    #[test]
    fn the_file_is_private_and_follows_the_port() {
        let dir = std::env::temp_dir().join(format!("postern-devvars-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(".dev.vars");
        let mut vars = DevVars::create(&path, 8787).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        vars.follow_port(9000).unwrap();
        let read = DevVars::read(&path).unwrap().unwrap();
        assert_eq!(read.get("PUBLIC_URL"), Some("http://127.0.0.1:9000"));
        assert_eq!(read.get("BOOTSTRAP_ADMIN_KEY"), vars.get("BOOTSTRAP_ADMIN_KEY"));
        assert!(DevVars::read(&dir.join("absent")).unwrap().is_none());
        fs_ext::remove_dir(&dir).unwrap();
    }

    #[test]
    fn a_public_url_of_the_user_stays() {
        let text = "PUBLIC_URL=\"https://mcp.example.com\"\n".to_owned();
        let mut vars = DevVars { path: PathBuf::from("/nowhere"), text: text.clone() };
        vars.follow_port(9000).unwrap();
        assert_eq!((vars.get("PUBLIC_URL"), &vars.text), (Some("https://mcp.example.com"), &text));
    }
}
