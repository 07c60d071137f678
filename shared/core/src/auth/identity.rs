//! The identities of callers (`Admin`, `User`) and the authentication of families by API key. Each handler takes an
//! identity or a `Caller` after the context, so a handler that demands none does not compile.

use std::ops::Deref;

use async_trait::async_trait;
use kernel::{Code, Error, Result};
use web::{Authenticate, Head, Identity};

use super::caller::{Caller, authenticate};
use crate::Platform;
use crate::model::audit::Actor;

/// Authenticates callers by API key.
pub struct ApiKeys;

#[async_trait(?Send)]
impl Authenticate<Platform> for ApiKeys {
    type Caller = Caller;

    async fn authenticate(&self, platform: &Platform, head: &Head) -> Result<Caller> {
        authenticate(platform, &head.headers).await
    }

    fn writer(&self, caller: &Caller) -> Option<Actor> {
        Some(caller.actor())
    }

    fn source<'a>(&self, caller: &'a Caller) -> Option<&'a str> {
        caller.source()
    }

    #[cfg(not(target_family = "wasm"))]
    fn schemes(&self) -> Vec<web::openapi::Scheme> {
        schemes()
    }
}

/// Authenticates administrators by API key, for the admin API. Every other caller gets 401, as if without a key, and
/// not 403.
pub struct AdminKeys;

#[async_trait(?Send)]
impl Authenticate<Platform> for AdminKeys {
    type Caller = Admin;

    async fn authenticate(&self, platform: &Platform, head: &Head) -> Result<Admin> {
        let caller = authenticate(platform, &head.headers).await?;
        Admin::admit(caller).map_err(|_| Error::new(Code::Unauthenticated, "authentication required"))
    }

    fn writer(&self, caller: &Admin) -> Option<Actor> {
        Some(caller.actor())
    }

    fn source<'a>(&self, caller: &'a Admin) -> Option<&'a str> {
        caller.source()
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

/// A caller that may have connections of its own: every caller but a program.
pub struct User(Caller);

impl Identity<Caller> for User {
    fn admit(caller: Caller) -> Result<Self> {
        if caller.is_service() {
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
