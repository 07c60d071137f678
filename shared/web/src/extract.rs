//! Extractors: the typed arguments of handlers. Each reads a part of the request, fails if that part has the wrong
//! form, and describes that part in the OpenAPI document.

use std::mem;

use kernel::Result;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::json;
#[cfg(not(target_family = "wasm"))]
use crate::openapi::Described;
use crate::request::{Head, Request, RequestId};

/// A part of the request that a handler takes as an argument.
pub trait FromRequest: Sized {
    /// Reads the part. Fails if the request does not have it in the right form; the route then answers the error.
    fn from_request(request: &mut Request) -> Result<Self>;

    /// Describes the part in the OpenAPI document.
    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>);
}

/// A JSON body, read strictly (see [`json::parse`]). As an answer: 200 with this body.
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

/// The field that `T` names in a form (`application/x-www-form-urlencoded`); empty if the form does not have the field.
pub struct Form<T: FormField>(pub T);

/// The field of a [`Form`].
pub trait FormField: From<String> {
    /// The field's name.
    const NAME: &'static str;

    /// Returns the field's schema for the OpenAPI document.
    #[cfg(not(target_family = "wasm"))]
    fn schema() -> utoipa::openapi::ObjectBuilder;
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
        operation.takes_form(T::NAME, T::schema());
    }
}

/// The path parameter that `T` names.
pub struct Path<T>(pub T);

/// A path parameter of a known form.
pub trait PathParam: Sized {
    /// The parameter's name in the route's path, without braces.
    const NAME: &'static str;

    /// Reads the percent-decoded parameter. Fails if it is malformed; the route then answers the error.
    fn from_param(text: &str) -> Result<Self>;

    /// Returns the parameter's description and schema for the OpenAPI document.
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

/// The query parameters that `T` declares.
pub struct Query<T>(pub T);

/// A set of query parameters. Other parameters are ignored; a parameter with an empty value counts as absent.
pub trait QueryParams: Sized {
    /// Reads the parameters. Fails if one is malformed; the route then answers the error.
    fn from_query(head: &Head) -> Result<Self>;

    /// Returns the parameters' names, descriptions and schemas for the OpenAPI document.
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

/// The request's head, for handlers that read further headers. The extractor takes the head out of the request, so it
/// has to be the last one of a handler.
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

/// Reads a query parameter that is `true` or `false`; absent means `false`. Fails for any other value.
pub fn flag(head: &Head, name: &str) -> Result<bool> {
    match head.query(name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(kernel::Error::invalid_field(name, "must be true or false")),
    }
}
