//! What the router does on every route, said in the OpenAPI document: who may call, and the answers that no handler
//! gives.

use http::Method;
use utoipa::ToSchema;
use utoipa::openapi::content::Content;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, Object, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema, Type};

use super::dialect::{Dialect, FeatherError, HozironError, JsonRpcError, KontextError, Problem};
use super::router::{Route, Routes};

/// The security schemes that the router itself understands.
const BEARER: &str = "bearer";
const API_KEY: &str = "apiKey";

/// An answer of the router's own.
struct Refusal {
    status: u16,
    name: &'static str,
    description: &'static str,
    /// Its name and description.
    header: Option<(&'static str, &'static str)>,
}

const REFUSALS: [Refusal; 5] = [
    Refusal {
        status: 401,
        name: "Unauthenticated",
        description: "No credential, or one that is unknown or expired.",
        header: Some(("WWW-Authenticate", "The scheme to authenticate with.")),
    },
    Refusal {
        status: 403,
        name: "Forbidden",
        description: "The caller may not do this, or the request comes from a page of a browser origin that is not allowed.",
        header: None,
    },
    Refusal {
        status: 413,
        name: "TooLarge",
        description: "The request's body is larger than this route takes.",
        header: None,
    },
    Refusal { status: 500, name: "Internal", description: "A defect of Postern's.", header: None },
    Refusal {
        status: 503,
        name: "Unavailable",
        description: "A setting is missing or wrong, and the message names it; or the store is overloaded.",
        header: Some(("Retry-After", "Seconds after which to try again, where that may help.")),
    },
];

impl Routes {
    /// Adds to what `document` says of these routes who may call them and what the router may answer by itself. Routes
    /// that the document does not have stay out of it.
    pub fn describe(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_with(Components::new);
        let (schema, media_type) = error_schema(self.dialect, components);
        for route in &self.table {
            let item = document.paths.paths.get_mut(route.path);
            let Some(operation) = item.and_then(|item| operation(item, &route.method)) else { continue };
            if !route.public {
                protect(operation, components);
            }
            for refusal in REFUSALS.iter().filter(|refusal| refusal.may_answer(route)) {
                let name = format!("{:?}{}", self.dialect, refusal.name);
                let response = Ref::from_response_name(&name);
                operation.responses.responses.entry(refusal.status.to_string()).or_insert(response.into());
                let content = Content::new(Some(Ref::from_schema_name(&schema)));
                let refused = refusal.response().content(media_type, content);
                components.responses.entry(name).or_insert(RefOr::<Response>::from(refused));
            }
        }
    }
}

impl Refusal {
    /// Whether the router itself may answer `route` with it.
    fn may_answer(&self, route: &Route) -> bool {
        match self.status {
            401 => !route.public,
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

fn protect(operation: &mut Operation, components: &mut Components) {
    let requirements = [BEARER, API_KEY].map(|name| SecurityRequirement::new::<_, [&str; 0], _>(name, []));
    operation.security = Some(requirements.to_vec());
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("pst_…")
        .description(Some("An API key of Postern's."));
    let header = ApiKeyValue::with_description("X-API-Key", "The same API key; wins where both are sent.");
    let schemes = &mut components.security_schemes;
    schemes.entry(BEARER.to_owned()).or_insert(SecurityScheme::Http(bearer.build()).into());
    schemes.entry(API_KEY.to_owned()).or_insert(SecurityScheme::ApiKey(ApiKey::Header(header)).into());
}

fn operation<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Operation> {
    match method.as_str() {
        "DELETE" => item.delete.as_mut(),
        "GET" => item.get.as_mut(),
        "PATCH" => item.patch.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        _ => None,
    }
}

/// Adds the schema of the dialect's errors; its name, and the errors' media type.
fn error_schema(dialect: Dialect, components: &mut Components) -> (String, &'static str) {
    fn add<T: ToSchema>(components: &mut Components) -> String {
        let mut schemas: Vec<(String, RefOr<Schema>)> = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut schemas);
        components.schemas.extend(schemas);
        T::name().into_owned()
    }
    match dialect {
        Dialect::Kontext => (add::<KontextError<'_>>(components), "application/json"),
        Dialect::Hoziron => (add::<HozironError<'_>>(components), "application/json"),
        Dialect::Feather => (add::<FeatherError<'_>>(components), "application/json"),
        Dialect::Problem => (add::<Problem<'_>>(components), "application/problem+json"),
        Dialect::JsonRpc => (add::<JsonRpcError<'_>>(components), "application/json"),
    }
}
