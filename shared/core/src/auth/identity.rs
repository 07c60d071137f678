//! Whom a handler serves. A handler's first argument is one of these, so that forgetting to demand an administrator is
//! an error of the compiler.

use std::ops::Deref;

use async_trait::async_trait;
use kernel::{Code, Error, Result};
use web::{Authenticate, Head, Identity};

use super::caller::{Caller, SERVICE, authenticate};
use crate::Platform;

/// Authenticates by API key: the caller is whoever holds the key.
pub struct ApiKeys;

#[async_trait(?Send)]
impl Authenticate<Platform> for ApiKeys {
    type Caller = Caller;

    async fn authenticate(&self, platform: &Platform, head: &Head) -> Result<Caller> {
        authenticate(platform, &head.headers).await
    }

    #[cfg(not(target_family = "wasm"))]
    fn schemes(&self) -> Vec<web::openapi::Scheme> {
        schemes()
    }
}

/// Authenticates by API key, for the admin API: to callers other than administrators it looks as if they had no key
/// (401, not 403).
pub struct AdminKeys;

#[async_trait(?Send)]
impl Authenticate<Platform> for AdminKeys {
    type Caller = Admin;

    async fn authenticate(&self, platform: &Platform, head: &Head) -> Result<Admin> {
        let caller = authenticate(platform, &head.headers).await?;
        Admin::admit(caller).map_err(|_| Error::new(Code::Unauthenticated, "authentication required"))
    }

    #[cfg(not(target_family = "wasm"))]
    fn schemes(&self) -> Vec<web::openapi::Scheme> {
        schemes()
    }
}

/// A caller with the built-in `admin` persona.
pub struct Admin(Caller);

impl Identity<Caller> for Admin {
    fn admit(caller: Caller) -> Result<Self> {
        if caller.persona.as_ref().is_some_and(|persona| persona.unrestricted) {
            return Ok(Self(caller));
        }
        Err(Error::new(Code::Forbidden, "this needs the admin persona"))
    }
}

impl Deref for Admin {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

/// A caller who may have connections of their own: everybody but service accounts.
pub struct User(Caller);

impl Identity<Caller> for User {
    fn admit(caller: Caller) -> Result<Self> {
        if caller.roles.iter().any(|role| role == SERVICE) {
            return Err(Error::new(Code::Forbidden, "a service account has no connections of its own"));
        }
        Ok(Self(caller))
    }
}

impl Deref for User {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

#[cfg(not(target_family = "wasm"))]
fn schemes() -> Vec<web::openapi::Scheme> {
    use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("pst_…")
        .description(Some("An API key of Postern's."));
    let header = ApiKeyValue::with_description("X-API-Key", "The same API key; wins where both are sent.");
    vec![
        web::openapi::Scheme { name: "bearer", scheme: SecurityScheme::Http(bearer.build()) },
        web::openapi::Scheme { name: "apiKey", scheme: SecurityScheme::ApiKey(ApiKey::Header(header)) },
    ]
}
