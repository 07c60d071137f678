//! A stored API key.

use kernel::ports::Timestamp;

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
