//! Extractors: the typed arguments of handlers. Each reads its part of the request and refuses what does not fit, and
//! each tells the OpenAPI document what it reads.

use std::mem;

use bytes::Bytes;
use kernel::Result;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::json;
#[cfg(not(target_family = "wasm"))]
use crate::openapi::Described;
use crate::request::{Head, Request, RequestId};

/// A part of the request that a handler wants.
pub trait FromRequest: Sized {
    /// Reads it. The error is what the route answers when the request does not have it in the right form.
    fn from_request(request: &mut Request) -> Result<Self>;

    /// Tells the OpenAPI document what is read.
    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>);
}

/// A JSON body, read strictly (see [`json::parse`]); as an answer, 200 with this body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + ToSchema> FromRequest for Json<T> {
    fn from_request(request: &mut Request) -> Result<Self> {
        json::parse(&request.body).map(Self)
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        operation.takes_json::<T>(true);
    }
}

/// A JSON body that may be left out.
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned + ToSchema> FromRequest for OptionalJson<T> {
    fn from_request(request: &mut Request) -> Result<Self> {
        if request.body.is_empty() { Ok(Self(None)) } else { json::parse(&request.body).map(Some).map(Self) }
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        operation.takes_json::<T>(false);
    }
}

/// A form with the one field that `T` names (`application/x-www-form-urlencoded`); empty when it is missing.
pub struct Form<T: FormField>(pub T);

/// The field of a [`Form`].
pub trait FormField: From<String> {
    /// The field's name.
    const NAME: &'static str;
}

impl<T: FormField> FromRequest for Form<T> {
    fn from_request(request: &mut Request) -> Result<Self> {
        let value = url::form_urlencoded::parse(&request.body)
            .find(|(key, _)| key == T::NAME)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default();
        Ok(Self(value.into()))
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        operation.takes_form(T::NAME);
    }
}

/// The path parameter that `T` names.
pub struct Path<T>(pub T);

/// A path parameter of a known form.
pub trait PathParam: Sized {
    /// Its name in the route's path, without braces.
    const NAME: &'static str;

    /// Reads it, percent-decoded. The error is what the route answers for a malformed one.
    fn from_param(text: &str) -> Result<Self>;

    /// Its description and schema in the OpenAPI document.
    #[cfg(not(target_family = "wasm"))]
    fn document() -> crate::openapi::Param;
}

impl<T: PathParam> FromRequest for Path<T> {
    fn from_request(request: &mut Request) -> Result<Self> {
        T::from_param(request.head.param(T::NAME)).map(Self)
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        operation.takes_path(T::NAME, T::document());
    }
}

/// The query parameters that `T` has.
pub struct Query<T>(pub T);

/// A set of query parameters. Others are ignored, and an empty one counts as absent.
pub trait QueryParams: Sized {
    /// Reads them.
    fn from_query(head: &Head) -> Result<Self>;

    /// Their names, descriptions and schemas in the OpenAPI document.
    #[cfg(not(target_family = "wasm"))]
    fn document() -> Vec<(&'static str, crate::openapi::Param)>;
}

impl<T: QueryParams> FromRequest for Query<T> {
    fn from_request(request: &mut Request) -> Result<Self> {
        T::from_query(&request.head).map(Self)
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        for (name, param) in T::document() {
            operation.takes_query(name, param);
        }
    }
}

/// The request's head, for handlers that read headers of their own. It is taken out of the request, so that this
/// extractor comes after all others.
impl FromRequest for Head {
    fn from_request(request: &mut Request) -> Result<Self> {
        Ok(mem::take(&mut request.head))
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(_operation: &mut Described<'_>) {}
}

/// The request's id.
impl FromRequest for RequestId {
    fn from_request(request: &mut Request) -> Result<Self> {
        Ok(request.head.id.clone())
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(_operation: &mut Described<'_>) {}
}

/// The body as it came; the route says what it is (`Family::body`).
impl FromRequest for Bytes {
    fn from_request(request: &mut Request) -> Result<Self> {
        Ok(mem::take(&mut request.body))
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(_operation: &mut Described<'_>) {}
}

/// Reads a query parameter that is `true` or `false`; absent means `false`.
pub fn flag(head: &Head, name: &str) -> Result<bool> {
    match head.query(name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(kernel::Error::invalid_field(name, "must be true or false")),
    }
}
