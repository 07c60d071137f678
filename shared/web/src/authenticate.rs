//! Authentication and identities: a family has one way to authenticate callers, and each of its handlers names the
//! identity that it serves.
//!
//! The compiler checks that the two fit. A family's [`Authenticate`] returns a caller; a handler's first extractor is
//! an [`Identity`] that such a caller may be admitted as. A handler without an identity does not compile, and neither
//! does a handler that demands an administrator in a family without authentication.

use async_trait::async_trait;
use kernel::Result;

use crate::context::Context;
use crate::request::Head;

/// A way to authenticate the caller of a request, such as an API key or the scheduler's token.
///
/// Implementations get the whole head of the request, not only a credential: the rules of a published server depend
/// on the path, and a browser's session needs the method, to demand a CSRF token.
#[async_trait(?Send)]
pub trait Authenticate<C: Context>: 'static {
    /// The caller that a request is authenticated as.
    type Caller: 'static;

    /// Returns the caller of the request with this head. Fails with [`kernel::Code::Unauthenticated`] if the request
    /// has no valid credential.
    async fn authenticate(&self, context: &C, head: &Head) -> Result<Self::Caller>;

    /// Returns the caller as the audit names it; `None` if the writes of such callers are not recorded.
    fn writer(&self, _caller: &Self::Caller) -> Option<C::Actor> {
        None
    }

    /// Returns the stable name by which the caller's requests are counted, the same for all requests of a caller;
    /// `None` if the caller did not have to authenticate, so that the client's address is counted instead.
    fn source<'a>(&self, caller: &'a Self::Caller) -> Option<&'a str>;

    /// Returns the security schemes (OpenAPI) by which a client can authenticate; none if clients need not
    /// authenticate.
    #[cfg(not(target_family = "wasm"))]
    fn schemes(&self) -> Vec<crate::openapi::Scheme>;
}

/// The identity that a handler serves: the type of the handler's first extractor.
pub trait Identity<Caller>: Sized {
    /// Admits the caller as this identity. Fails with [`kernel::Code::Forbidden`] if the caller may not have it.
    fn admit(caller: Caller) -> Result<Self>;
}

/// Admits every authenticated caller.
impl<Caller> Identity<Caller> for Caller {
    fn admit(caller: Caller) -> Result<Self> {
        Ok(caller)
    }
}

/// The authentication of families that need none.
pub struct Public;

/// A caller that did not have to authenticate.
pub struct Anyone;

#[async_trait(?Send)]
impl<C: Context> Authenticate<C> for Public {
    type Caller = Anyone;

    async fn authenticate(&self, _context: &C, _head: &Head) -> Result<Anyone> {
        Ok(Anyone)
    }

    fn source<'a>(&self, _caller: &'a Anyone) -> Option<&'a str> {
        None
    }

    #[cfg(not(target_family = "wasm"))]
    fn schemes(&self) -> Vec<crate::openapi::Scheme> {
        Vec::new()
    }
}
