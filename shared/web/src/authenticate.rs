//! Who sends a request: a family names one way to find out, and each of its handlers says first whom it serves.
//!
//! The two are joined by types. A family's [`Authenticate`] yields a caller; a handler's first extractor is an
//! [`Identity`] that such a caller may be admitted as. So a handler that names no identity does not compile, and
//! neither does one that demands an administrator in a family that authenticates nobody.

use async_trait::async_trait;
use kernel::Result;

use crate::request::Head;

/// A way to find out who sends a request.
///
/// Implementations differ by family: API keys, the scheduler's token, tokens of foreign issuers, the rules of one
/// published server (which the path names), a browser's session (which needs the method, to demand a CSRF token).
#[async_trait(?Send)]
pub trait Authenticate<C>: 'static {
    /// Who was found.
    type Caller: 'static;

    /// Finds out who sends the request with this head. [`kernel::Code::Unauthenticated`] when nobody is known.
    async fn authenticate(&self, context: &C, head: &Head) -> Result<Self::Caller>;

    /// The security schemes (OpenAPI) by which a client can authenticate; none where nobody has to.
    #[cfg(not(target_family = "wasm"))]
    fn schemes(&self) -> Vec<crate::openapi::Scheme>;
}

/// Whom a handler serves. Its first extractor is one.
pub trait Identity<Caller>: Sized {
    /// Admits the caller, or refuses ([`kernel::Code::Forbidden`]).
    fn admit(caller: Caller) -> Result<Self>;
}

/// Whoever was authenticated.
impl<Caller> Identity<Caller> for Caller {
    fn admit(caller: Caller) -> Result<Self> {
        Ok(caller)
    }
}

/// For families that anybody may call.
pub struct Public;

/// Somebody who was not asked to authenticate.
pub struct Anyone;

#[async_trait(?Send)]
impl<C: 'static> Authenticate<C> for Public {
    type Caller = Anyone;

    async fn authenticate(&self, _context: &C, _head: &Head) -> Result<Anyone> {
        Ok(Anyone)
    }

    #[cfg(not(target_family = "wasm"))]
    fn schemes(&self) -> Vec<crate::openapi::Scheme> {
        Vec::new()
    }
}
