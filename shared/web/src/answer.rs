//! The types that handlers return: each determines the status and headers of the response and its description in the
//! OpenAPI document.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use kernel::{Error, Result};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Body;
use crate::extract::Json;
#[cfg(not(target_family = "wasm"))]
use crate::openapi::Described;
use crate::request::Response;

/// A value that a handler can return.
pub trait Answer {
    /// Returns the response. Fails if the body cannot be serialized or a header's value is malformed.
    fn into_response(self) -> Result<Response>;

    /// Describes status and content in the OpenAPI document.
    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>);
}

/// 200 with a JSON body.
impl<T: Serialize + ToSchema> Answer for Json<T> {
    fn into_response(self) -> Result<Response> {
        json(StatusCode::OK, &self.0)
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        operation.answer_json::<T>(200);
    }
}

/// 201 with a JSON body, and with `Location` if the new resource has a path of its own.
pub struct Created<T> {
    /// The body.
    pub body: T,
    /// The path of the new resource.
    pub location: Option<String>,
}

impl<T: Serialize + ToSchema> Answer for Created<T> {
    fn into_response(self) -> Result<Response> {
        let mut response = json(StatusCode::CREATED, &self.body)?;
        if let Some(location) = self.location.and_then(|path| HeaderValue::try_from(path).ok()) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        operation.answer_json::<T>(201);
    }
}

/// 204, without a body.
pub struct NoContent;

impl Answer for NoContent {
    fn into_response(self) -> Result<Response> {
        Ok(empty(StatusCode::NO_CONTENT))
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        operation.answer_empty(204);
    }
}

/// A page for people, with 200 or another status that the handler chose.
pub struct Html(pub Response);

impl Answer for Html {
    fn into_response(self) -> Result<Response> {
        Ok(self.0)
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        operation.answer_text(200, "text/html");
    }
}

/// 302 to another URL, or a page that says why there is no redirect.
pub enum Redirect {
    /// The URL, and the cookie that the browser gets.
    To {
        /// The URL.
        place: String,
        /// The value of `Set-Cookie`.
        cookie: String,
    },
    /// The page.
    Page(Html),
}

impl Answer for Redirect {
    fn into_response(self) -> Result<Response> {
        match self {
            Self::Page(page) => page.into_response(),
            Self::To { place, cookie } => {
                let mut response = empty(StatusCode::FOUND);
                for (name, value) in [(LOCATION, place), (SET_COOKIE, cookie)] {
                    let value =
                        HeaderValue::from_str(&value).map_err(|error| Error::internal(error.to_string()))?;
                    response.headers_mut().insert(name, value);
                }
                Ok(response)
            }
        }
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>) {
        operation.answer_empty(302);
    }
}

/// A response that the handler built itself, which the route describes with `Family::answer`.
impl Answer for Response {
    fn into_response(self) -> Result<Response> {
        Ok(self)
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(_operation: &mut Described<'_>) {}
}

/// Returns a response with `body` as JSON. Fails if `body` cannot be serialized.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let text = serde_json::to_string(body).map_err(|error| Error::internal(error.to_string()))?;
    Ok(with_type(status, "application/json", text))
}

/// Returns a response without a body.
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// Returns a response with a text body of the given media type.
pub fn with_type(status: StatusCode, media_type: &'static str, text: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::Whole(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
