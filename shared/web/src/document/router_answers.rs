//! The errors that the router itself returns in every family: no valid credential, an origin that is not allowed, a
//! body that is too large, too many requests, a defect, and a deployment that is not ready.

use http::Method;
use utoipa::openapi::content::Content;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Components, Object, Ref, RefOr, Response, ResponseBuilder, Type};

use crate::family::{Route, Routes};
use crate::openapi::ErrorForm;

struct RouterAnswer {
    status: u16,
    name: &'static str,
    description: &'static str,
    /// A header's name and description.
    header: Option<(&'static str, &'static str)>,
}

const ANSWERS: [RouterAnswer; 6] = [
    RouterAnswer {
        status: 401,
        name: "Unauthenticated",
        description: "No credential, or one that is unknown or expired.",
        header: Some(("WWW-Authenticate", "The scheme to authenticate with.")),
    },
    RouterAnswer {
        status: 403,
        name: "Forbidden",
        description: "The caller may not do this, or the request comes from a page of a browser origin that is not allowed.",
        header: None,
    },
    RouterAnswer {
        status: 413,
        name: "TooLarge",
        description: "The request's body is larger than this route takes.",
        header: None,
    },
    RouterAnswer {
        status: 429,
        name: "TooMany",
        description: "The caller, or without a valid credential the client's address, has made too many requests within a \
                      minute.",
        header: Some(("Retry-After", "Seconds after which to try again.")),
    },
    RouterAnswer { status: 500, name: "Internal", description: "A defect of Postern's.", header: None },
    RouterAnswer {
        status: 503,
        name: "Unavailable",
        description: "A setting is missing or wrong, and the message names it; or the store is overloaded.",
        header: Some(("Retry-After", "Seconds after which to try again, where that may help.")),
    },
];

/// Adds the router's errors to `operation`, and the security schemes by which callers authenticate.
pub(super) fn add<C>(
    operation: &mut Operation,
    family: &Routes<C>,
    route: &Route<C>,
    errors: &ErrorForm,
    components: &mut Components,
) {
    let schemes = &family.document.schemes;
    if !schemes.is_empty() {
        let requirement = |name| SecurityRequirement::new::<_, [&str; 0], _>(name, []);
        operation.security = Some(schemes.iter().map(|scheme| requirement(scheme.name)).collect());
    }
    for answer in ANSWERS.iter().filter(|answer| answer.may_answer(route, schemes.is_empty())) {
        let name = format!("{}{}", family.dialect.name(), answer.name);
        let response = Ref::from_response_name(&name);
        operation.responses.responses.entry(answer.status.to_string()).or_insert(response.into());
        let content = Content::new(Some(Ref::from_schema_name(&errors.schema)));
        let described = answer.response().content(errors.media_type, content);
        components.responses.entry(name).or_insert(RefOr::<Response>::from(described));
    }
}

impl RouterAnswer {
    /// Returns `true` if the router may return this error for `route`.
    fn may_answer<C>(&self, route: &Route<C>, is_public: bool) -> bool {
        match self.status {
            401 => !is_public,
            413 => [Method::POST, Method::PUT, Method::PATCH].contains(&route.method),
            _ => true,
        }
    }

    fn response(&self) -> ResponseBuilder {
        let response = ResponseBuilder::new().description(self.description);
        match self.header {
            Some((name, description)) => {
                let header = HeaderBuilder::new().schema(Some(Object::with_type(Type::String)));
                response.header(name, header.description(Some(description)).build())
            }
            None => response,
        }
    }
}
