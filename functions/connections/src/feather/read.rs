//! `GET /v1/integrations/connections`, and for one connection `GET` and `DELETE …/{id}` and `POST …/{id}/test-lease`.

use http::HeaderValue;
use http::header::LINK;
use kernel::{Error, Result};
use postern_core::auth::{Admin, ApiKeys};
use postern_core::model::credential::ORGANIZATION;
use postern_core::model::entry::Kind;
use postern_core::model::integration::{AuthMode, Integration};
use postern_core::oauth::disconnect::disconnect;
use postern_core::store::{connections, credentials, entries, integrations};
use postern_core::upstream::validation::{Verdict, validate};
use postern_core::{Family, Platform};
use serde::Serialize;
use web::paging::{Cursor, Keyset, Link, Page};
use web::{Answer, Json, NoContent, Path, Query, Response};

use super::view::{ConnectionView, ToolView};
use super::{ConnectionId, load, words};

const CURSOR: &str = "connections";
const PAGE: u32 = 200;
/// Most tools that are shown with one connection.
const MOST_TOOLS: u32 = 500;

pub(super) fn routes(family: Family<ApiKeys>) -> Family<ApiKeys> {
    family
        .get("/connections", list)
        .summary("listConnections", "List connections, in order of creation")
        .returns("A page of them.")
        .header("Link", "The next page, where there is one (RFC 8288).")
        .error(400, "`cursor` is not usable.")
        .get("/connections/{id}", get)
        .summary("readConnection", "Read a connection, with its tools")
        .returns("As it is now.")
        .error(404, NOT_FOUND)
        .delete("/connections/{id}", remove)
        .summary("disconnect", "Disconnect an MCP server")
        .description("Its grant is revoked at the provider, its credentials and its catalogue are deleted.")
        .returns("Disconnected.")
        .error(404, NOT_FOUND)
        .post("/connections/{id}/test-lease", test_lease)
        .summary("testLease", "Try a connection's credential")
        .description("Asks the server now, with the organization's credential.")
        .returns("The result, also where the server cannot be used.")
        .error(404, NOT_FOUND)
}

const NOT_FOUND: &str = "No such connection.";

/// Connections, in order of creation.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = FeatherConnections)]
struct Connections(Vec<ConnectionView>);

/// The answer of a list: 200 with the connections, and a `Link` header (RFC 8288) to the next page if there is one.
struct Listed {
    connections: Connections,
    /// The cursor of the next page; `None` on the last one.
    next: Option<String>,
}

impl Answer for Listed {
    fn into_response(self) -> Result<Response> {
        let mut response = Json(self.connections).into_response()?;
        if let Some(next) = self.next {
            let link = format!("</v1/integrations/connections?cursor={next}>; rel=\"next\"");
            let link = HeaderValue::try_from(link).map_err(|error| Error::internal(error.to_string()))?;
            response.headers_mut().insert(LINK, link);
        }
        Ok(response)
    }

    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut web::openapi::Described<'_>) {
        Json::<Connections>::describe(operation);
    }
}

async fn list(platform: &Platform, _: Admin, Query(cursor): Query<Cursor<Link>>) -> Result<Listed> {
    let keys = &platform.settings.keys;
    let after: Option<Keyset> = cursor.place(keys, CURSOR)?;
    let found = integrations::list(platform, ORGANIZATION, after.as_ref(), None, PAGE + 1).await?;
    let Page { rows, next } = Page::cut(keys, CURSOR, found, PAGE as usize, |row| Keyset {
        created_at: row.created_at.millis(),
        id: row.id.clone(),
    })?;
    Ok(Listed { connections: Connections(views(platform, rows).await?), next })
}

/// Returns what is shown of integrations that were read for the organization.
async fn views(platform: &Platform, integrations: Vec<Integration>) -> Result<Vec<ConnectionView>> {
    let ids: Vec<&str> = integrations.iter().map(|integration| integration.id.as_str()).collect();
    let mut times = connections::times(platform, &ids).await?;
    let view = |integration: Integration| {
        let times = times.remove(&integration.id).unwrap_or_default();
        ConnectionView::of(integration, times)
    };
    Ok(integrations.into_iter().map(view).collect())
}

/// Answers 200 with the connection and its tools; 404 for an unknown id.
async fn get(platform: &Platform, _: Admin, Path(id): Path<ConnectionId>) -> Result<Json<ConnectionView>> {
    let integration = load(platform, id).await?;
    let found = entries::review(platform, Kind::Tool, &integration.id, None, None, MOST_TOOLS).await?;
    let tools = found.into_iter().map(|tool| ToolView::of(tool, &integration)).collect::<Result<_>>()?;
    let times = connections::times(platform, &[&integration.id]).await?.remove(&integration.id);
    Ok(Json(ConnectionView::of(integration, times.unwrap_or_default()).with_tools(tools)))
}

/// What a probe of the credential said.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = TestLease)]
struct Lease {
    /// Whether the server can be used.
    ok: bool,
    /// The server's MCP endpoint, which was asked.
    #[schema(format = "uri")]
    url: String,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
}

/// Probes the server with the organization's credential. Answers 200 `{ok, url, detail?}`, also when the server cannot
/// be used; 404 for an unknown id.
async fn test_lease(platform: &Platform, _: Admin, Path(id): Path<ConnectionId>) -> Result<Json<Lease>> {
    let integration = load(platform, id).await?;
    let verdict = validate(platform, &integration, ORGANIZATION).await?;
    let has_credential = !integration.has_user_credentials()
        || credentials::of_organization(platform, &integration.id).await?.is_some();
    let detail = match verdict {
        Verdict::Usable if has_credential => None,
        Verdict::Usable if integration.content.auth_mode == AuthMode::UserToken => {
            Some("reachable, but each user has a token of their own".to_owned())
        }
        Verdict::Usable => Some("reachable, but nobody has signed in yet".to_owned()),
        Verdict::Unusable(reason) => Some(words::text(&reason)),
        Verdict::CredentialsMissing(keys) => Some(format!("credentials are missing: {}", keys.join(", "))),
    };
    Ok(Json(Lease { ok: detail.is_none(), url: integration.content.url, detail }))
}

/// Revokes the grant at the provider, then archives the connection, which deletes its secrets. Answers 204; 404 for an
/// unknown id.
async fn remove(platform: &Platform, admin: Admin, Path(id): Path<ConnectionId>) -> Result<NoContent> {
    let integration = load(platform, id).await?;
    disconnect(platform, &integration, ORGANIZATION, &admin.subject).await?;
    integrations::archive(platform, &integration.id, true).await?;
    Ok(NoContent)
}
