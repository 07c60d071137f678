//! Every function, with its routes and what it says of them.

use web::Routes;
use utoipa::openapi::OpenApi;

/// A function.
pub struct Function {
    /// Its folder.
    pub name: &'static str,
    /// Its route tables.
    pub tables: Vec<Routes>,
    /// Its part of the OpenAPI document.
    pub openapi: OpenApi,
}

/// All of them, in the order of the document.
pub fn functions() -> Vec<Function> {
    vec![
        Function {
            name: "integrations",
            tables: vec![
                integrations::routes(),
                integrations::hoziron_routes(),
                integrations::about_routes(),
            ],
            openapi: integrations::openapi(),
        },
        Function {
            name: "connections",
            tables: vec![connections::routes(), connections::feather_routes()],
            openapi: connections::openapi(),
        },
        Function { name: "admin", tables: vec![admin::routes()], openapi: admin::openapi() },
        Function {
            name: "oauth-callback",
            tables: vec![oauth_callback::routes()],
            openapi: oauth_callback::openapi(),
        },
        Function {
            name: "gateway",
            tables: vec![gateway::routes(), gateway::integration_routes()],
            openapi: gateway::openapi(),
        },
        Function { name: "scheduled", tables: vec![scheduled::routes()], openapi: scheduled::openapi() },
    ]
}
