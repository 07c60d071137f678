//! Authenticates the caller of a request: from the presented API key to a subject, roles and one persona.

use std::rc::Rc;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};

use super::api_key;
use crate::Platform;
use crate::model::api_key::{BOOTSTRAP, BOOTSTRAP_PRINCIPAL};
use crate::model::audit::Actor;
use crate::policy::persona::Persona;
use crate::store::principals;
use kernel::net::is_loopback_url;
use kernel::{Code, Error, Result};

/// An authenticated caller. The type does not contain the caller's credential, which must never be sent to an upstream.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Id of the principal, which no other principal ever gets; [`ANONYMOUS`] for a caller without a key.
    pub subject: String,
    /// The key's name, for people.
    pub name: String,
    /// The email address of the person or service that holds the key; `<name>@apikey.local` if none is known.
    pub email: Option<String>,
    /// The roles of the key.
    pub roles: Vec<String>,
    /// The persona that the roles select; without a persona every tool is denied.
    pub persona: Option<Rc<Persona>>,
    /// Public id of the key; `None` for a caller without one.
    key_id: Option<String>,
}

impl Caller {
    /// Returns `true` if the key stands for a program, which has no connections of its own.
    pub fn is_service(&self) -> bool {
        self.roles.iter().any(|role| role == SERVICE)
    }

    /// Returns `false` once the caller's key was deleted or has expired, for answers that go on for long. A deletion by
    /// another instance is seen within [`kernel::memory::FRESH`].
    pub async fn is_still_valid(&self, platform: &Platform) -> Result<bool> {
        match &self.key_id {
            Some(id) => api_key::is_valid(platform, id).await,
            None => Ok(true),
        }
    }

    /// Returns the name by which the caller's requests are counted; `None` for a caller that presented no credential.
    pub(crate) fn source(&self) -> Option<&str> {
        (self.subject != ANONYMOUS).then_some(self.subject.as_str())
    }

    /// Returns the caller as the audit names it.
    pub fn actor(&self) -> Actor {
        Actor {
            subject: self.subject.clone(),
            email: self.email.clone(),
            persona: self.persona.as_ref().map(|persona| persona.name.clone()),
        }
    }
}

/// Returns the name that people know the principal `subject` by; `None` once its key was deleted or has expired.
pub async fn name_of(platform: &Platform, subject: &str) -> Result<Option<String>> {
    let settings = &platform.settings;
    match subject {
        BOOTSTRAP_PRINCIPAL => Ok(settings.bootstrap_admin_key.as_ref().map(|_| BOOTSTRAP.to_owned())),
        ANONYMOUS => Ok(settings.anonymous_persona.as_ref().map(|_| ANONYMOUS.to_owned())),
        _ => principals::live_name(platform, subject).await,
    }
}

/// The role of keys that stand for a program, not for a user.
pub const SERVICE: &str = "service";

/// The subject of callers that present no credential, where the setting `ANONYMOUS_PERSONA` admits these.
pub const ANONYMOUS: &str = "anonymous";

/// Returns the caller of a request. The credential is `X-API-Key: <key>` or `Authorization: Bearer <key>`. Fails with
/// [`Code::Unauthenticated`] if there is none, or if the key is unknown or expired.
pub async fn authenticate(platform: &Platform, headers: &HeaderMap) -> Result<Caller> {
    if let Some(caller) = anonymous(platform, headers) {
        return Ok(caller);
    }
    let presented = credential(headers).ok_or_else(|| {
        Error::new(Code::Unauthenticated, "authentication required: send Authorization: Bearer <key>")
    })?;
    let key = api_key::verify(platform, presented)
        .await?
        .ok_or_else(|| Error::new(Code::Unauthenticated, "the API key is unknown or expired"))?;
    Ok(Caller {
        subject: key.principal.clone(),
        name: key.name.clone(),
        email: Some(key.email.clone()),
        roles: key.roles.clone(),
        persona: platform.settings.personas.resolve(&key.roles),
        key_id: Some(key.id.clone()),
    })
}

/// Returns the caller that a request without any credential has, if the setting `ANONYMOUS_PERSONA` admits such
/// callers. The request must be addressed to this machine (`Host`): a page of a browser whose name was rebound to a
/// loopback address (DNS rebinding) is not let in, nor is a caller from the network.
fn anonymous(platform: &Platform, headers: &HeaderMap) -> Option<Caller> {
    let persona = platform.settings.personas.named(platform.settings.anonymous_persona.as_deref()?)?;
    let has_credential = headers.contains_key("x-api-key") || headers.contains_key(AUTHORIZATION);
    let host = headers.get(HOST)?.to_str().ok()?;
    if has_credential || !is_loopback_url(&format!("http://{host}")) {
        return None;
    }
    Some(Caller {
        subject: ANONYMOUS.to_owned(),
        name: ANONYMOUS.to_owned(),
        email: None,
        roles: persona.roles.clone(),
        persona: Some(persona),
        key_id: None,
    })
}

fn credential(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().ok();
    }
    // RFC 9110 §11.1: the scheme is case-insensitive.
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn the_credential_is_read_from_two_headers_and_no_other() {
        assert_eq!(credential(&headers("x-api-key", "k")), Some("k"));
        assert_eq!(credential(&headers("authorization", "Bearer k")), Some("k"));
        assert_eq!(credential(&headers("authorization", "bearer  k ")), Some("k"));
        assert_eq!(credential(&headers("authorization", "Basic k")), None);
        assert_eq!(credential(&headers("cookie", "key=k")), None);
    }
}
