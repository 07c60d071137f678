//! What the last page of a sign-in says: who is connected to what.
//!
//! The sign-in ends with a redirect, to the last page or to a page of the application that began it. The text travels in
//! a signed cookie, so that the redirect's URL is what the application asked for, and no link makes the page say
//! something else.

use serde::{Deserialize, Serialize};

use super::browser;
use super::flow::LIFETIME;
use crate::Platform;
use crate::auth::caller::name_of;
use crate::model::credential::ORGANIZATION;
use crate::model::integration::Integration;
use kernel::Result;
use kernel::net::without_query;
use web::{Head, Html, html};

const PURPOSE: &str = "oauth connected";

#[derive(Serialize, Deserialize)]
struct Receipt {
    text: String,
    /// In milliseconds since the Unix epoch.
    expires_at: i64,
}

/// Returns what pages call the owner of a credential; `None` if the owner's key was deleted or has expired.
pub async fn owner_name(platform: &Platform, owner: &str) -> Result<Option<String>> {
    if owner == ORGANIZATION {
        return Ok(Some("The organization (everybody who may use this Postern)".to_owned()));
    }
    user_name(platform, owner).await
}

/// Returns what pages call the user `subject`; `None` once the user's key was deleted or has expired.
pub async fn user_name(platform: &Platform, subject: &str) -> Result<Option<String>> {
    Ok(name_of(platform, subject).await?.map(|name| format!("Postern's user “{name}”")))
}

/// Returns what pages call an integration: its name, and the upstream's URL without the query, which may contain a key.
pub fn integration_name(integration: &Integration) -> String {
    format!("“{}” ({})", integration.content.name, without_query(&integration.content.url))
}

/// Returns the `Set-Cookie` from which the last page reads that `owner`, as [`owner_name`] says it, is connected to
/// `integration`; `host` is where the person signed in.
pub fn cookie(
    platform: &Platform,
    owner: &str,
    integration: &Integration,
    host: Option<&str>,
) -> Result<String> {
    let at = host.map(|host| format!(", with the account that signed in at {host}")).unwrap_or_default();
    let text = format!("{owner} is connected to {}{at}.", integration_name(integration));
    let receipt = Receipt { text, expires_at: (platform.now() + LIFETIME).millis() };
    let payload = serde_json::to_vec(&receipt).map_err(|error| kernel::Error::internal(error.to_string()))?;
    let token = platform.settings.keys.sign(PURPOSE, &payload)?;
    Ok(browser::cookie(platform, browser::CONNECTED, &token))
}

/// Returns the last page of a sign-in. It names who is connected to what, if a sign-in has just ended in this browser.
pub fn page(platform: &Platform, head: &Head) -> Html {
    html::connected(read(platform, head).as_deref())
}

fn read(platform: &Platform, head: &Head) -> Option<String> {
    let token = browser::value(platform, head, browser::CONNECTED)?;
    let payload = platform.settings.keys.verify(PURPOSE, &token)?;
    let receipt: Receipt = serde_json::from_slice(&payload).ok()?;
    (platform.now().millis() < receipt.expires_at).then_some(receipt.text)
}
