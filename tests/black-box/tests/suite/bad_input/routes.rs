//! Paths, methods, ids and pages.

use anyhow::{Context as _, Result};
use black_box::{api::Answer, mcp::Request};
use serde_json::json;

use super::{INTEGRATIONS, json_rpc, kontext, problem, refused, world};

#[tokio::test]
async fn an_unknown_route_is_404_in_the_dialect_of_its_prefix() -> Result<()> {
    for (path, dialect) in [
        ("/api/v1/integrations/", kontext as fn(&Answer) -> Result<String>),
        ("/api/v1/integrations/a/b/c", kontext),
        ("/mcp/no/such", json_rpc),
        ("/nowhere", problem),
        ("/", problem),
        ("/api/v1/integrationsx", problem),
        ("//health", problem),
        ("/HEALTH", problem),
    ] {
        let answer = refused(path, 404, async |world| world.postern.admin()?.get(path).await).await?;
        dialect(&answer).with_context(|| path.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_method_is_405_and_names_the_right_ones() -> Result<()> {
    let id = &world().await?.taken.id;
    let one = format!("{INTEGRATIONS}/{id}");
    let validate = format!("{one}/validate");
    for (method, path, allowed) in [
        ("DELETE", INTEGRATIONS, "GET, POST"),
        ("PUT", INTEGRATIONS, "GET, POST"),
        ("POST", one.as_str(), "DELETE, GET"),
        ("GET", validate.as_str(), "POST"),
        ("GET", "/mcp", "POST"),
        ("DELETE", "/mcp", "POST"),
        ("PUT", "/mcp", "POST"),
        ("GET", "/integrations/taken/mcp", "POST"),
        ("DELETE", "/integrations/taken/mcp", "POST"),
        ("POST", "/health", "GET"),
        ("TRACE", "/health", "GET"),
    ] {
        let answer = refused(method, 405, async |world| world.postern.admin()?.call(method, path).await)
            .await
            .with_context(|| path.to_owned())?;
        let allow: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        for method in allowed.split(", ") {
            assert!(allow.contains(&method), "{path}: Allow: {allow:?}");
        }
        assert!(!allow.contains(&method), "{path}: {method} is refused and allowed");
    }
    Ok(())
}

#[tokio::test]
async fn head_and_options_are_understood_everywhere() -> Result<()> {
    let postern = &world().await?.postern;
    let head = postern.stranger()?.call("HEAD", "/health").await?;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    for path in ["/health", INTEGRATIONS, "/mcp"] {
        let options = postern.stranger()?.call("OPTIONS", path).await?;
        assert_eq!(options.status, 204, "{path}");
        assert!(options.header("allow").contains("OPTIONS"), "{path}: {:?}", options.headers);
    }
    Ok(())
}

/// A text that is no UUID is refused exactly like the id of no integration.
#[tokio::test]
async fn an_invalid_or_unknown_id_is_404() -> Result<()> {
    let unknown = "00000000-0000-4000-8000-000000000000";
    for id in [unknown, "not-a-uuid", "1", "taken", "%00", "..%2f..%2fhealth", &"a".repeat(2000)] {
        for (method, suffix) in [("GET", ""), ("DELETE", ""), ("POST", "/validate")] {
            let path = format!("{INTEGRATIONS}/{id}{suffix}");
            let answer =
                refused(&path, 404, async |world| world.postern.admin()?.call(method, &path).await).await?;
            assert_eq!(kontext(&answer)?, "Integration not found", "{method} {path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_page_request_is_400() -> Result<()> {
    for query in ["limit=0", "limit=201", "limit=-1", "limit=ten", "cursor=forged", "cursor=e30"] {
        let path = format!("{INTEGRATIONS}?{query}");
        let answer = refused(&path, 400, async |world| world.postern.admin()?.get(&path).await).await?;
        let named = query.split('=').next().unwrap_or_default();
        assert!(kontext(&answer)?.contains(named), "{query}: {}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn an_endpoint_of_no_integration_is_404() -> Result<()> {
    for segment in ["nobody", "00000000-0000-4000-8000-000000000000", "%00", &"a".repeat(2000)] {
        let path = format!("/integrations/{segment}/mcp");
        let answer = refused(&path, 404, async |world| {
            Ok(Request::modern(json!(1), "tools/list", json!({}))?
                .send(&world.postern.admin()?, &path)
                .await?
                .http)
        })
        .await?;
        json_rpc(&answer)?;
    }
    Ok(())
}

/// An integration whose credentials Postern only keeps for its users (`internal_mcp_credentials`) has no endpoint and
/// no tools.
#[tokio::test]
async fn an_integration_that_is_not_proxied_has_no_endpoint() -> Result<()> {
    let answer = refused("internal", 404, async |world| {
        let request = Request::modern(json!(1), "tools/list", json!({}))?;
        Ok(request.send(&world.postern.admin()?, "/integrations/taken/mcp").await?.http)
    })
    .await?;
    json_rpc(&answer)?;
    Ok(())
}
