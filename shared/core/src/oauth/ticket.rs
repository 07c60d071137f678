//! The link that lets a person connect: signed, for one user and one integration, valid for ten minutes. The link
//! grants nothing by itself: the page behind it shows who will be connected to what, and only its button starts an
//! authorization.

use serde::{Deserialize, Serialize};

use super::client::public_url;
use super::flow::LIFETIME;
use crate::Platform;
use kernel::Result;

const PURPOSE: &str = "oauth connect";
/// Path of the link.
pub const PATH: &str = "/oauth/connect";

/// Which user connects to which integration.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Id of the integration.
    pub integration_id: String,
    /// The user's subject.
    pub subject: String,
    /// When the ticket expires, in milliseconds since the Unix epoch.
    pub expires_at: i64,
}

/// Returns the link for `subject` to connect to `integration`. Fails if `PUBLIC_URL` is not set.
pub fn link(platform: &Platform, integration: &str, subject: &str) -> Result<String> {
    let ticket = Ticket {
        integration_id: integration.to_owned(),
        subject: subject.to_owned(),
        expires_at: (platform.now() + LIFETIME).millis(),
    };
    let payload = serde_json::to_vec(&ticket).map_err(|error| kernel::Error::internal(error.to_string()))?;
    let token = platform.settings.keys.sign(PURPOSE, &payload)?;
    Ok(format!("{}{PATH}?ticket={token}", public_url(platform)?))
}

/// Reads a ticket; `None` if the ticket is forged or has expired.
pub fn read(platform: &Platform, token: &str) -> Option<Ticket> {
    let payload = platform.settings.keys.verify(PURPOSE, token)?;
    let ticket: Ticket = serde_json::from_slice(&payload).ok()?;
    (platform.now().millis() < ticket.expires_at).then_some(ticket)
}
