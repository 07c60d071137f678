//! The OpenAPI document against the code: the committed file, the routes, and real answers of the whole router.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use stub_upstream::{Options, Stub};

use crate::document::{self, Document, Site};

const SUCCESSES: [char; 2] = ['2', '3'];
const INTEGRATIONS: &str = "/api/v1/integrations";
const INTEGRATION: &str = "/api/v1/integrations/{id}";

/// The document that is committed.
fn committed() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    fs::read_to_string(file).unwrap()
}

#[test]
fn the_committed_file_is_what_the_code_says() {
    // `assert_eq` would print both documents.
    assert!(
        committed() == all::openapi::text().unwrap(),
        "docs/openapi.json is out of date: run `cargo xtask openapi`"
    );
}

#[test]
fn every_operation_is_described() {
    let document = Document::generated();
    let tags: BTreeSet<&str> =
        document.0["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for operation in document.operations() {
        let name = format!("{} {}", operation.method, operation.path);
        let text = |member: &str| operation.text[member].as_str().unwrap_or_default().to_owned();
        assert!(!text("summary").is_empty(), "{name} has no summary");
        assert!(!text("operationId").is_empty(), "{name} has no operationId");
        assert!(ids.insert(text("operationId")), "{name} has the operationId of another one");
        let own: BTreeSet<&str> =
            operation.text["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(own.len() == 1 && own.is_subset(&tags), "{name} has the tags {own:?}");
        let responses = operation.text["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with(SUCCESSES)), "{name} cannot succeed");
        for (status, response) in responses {
            let response = document.resolve(response);
            assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{name} {status}");
            let has_body = response["content"].as_object().is_some_and(|content| !content.is_empty());
            let may_be_empty = ["202", "204", "302"].contains(&status.as_str());
            assert!(has_body || may_be_empty, "{name} {status} does not say what its body is");
        }
        let declared: BTreeSet<&str> = operation
            .parameters()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let in_path: BTreeSet<&str> =
            operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(declared, in_path, "{name}: path parameters");
        assert_eq!(operation.is_protected(), responses.contains_key("401"), "{name}: 401 and security");
    }
}

#[test]
fn every_reference_leads_to_a_part_of_the_document() {
    fn visit(document: &Document, value: &Value, found: &mut usize) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| visit(document, item, found)),
            Value::Object(members) => {
                if let Some(Value::String(target)) = members.get("$ref") {
                    let pointer =
                        target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads outside"));
                    assert!(document.0.pointer(pointer).is_some(), "{target} leads nowhere");
                    *found += 1;
                }
                members.values().for_each(|member| visit(document, member, found));
            }
            _ => {}
        }
    }
    let document = Document::generated();
    let mut found = 0;
    visit(&document, &document.0, &mut found);
    assert!(found > 100, "{found} references");
}

/// Values for path parameters: ids of the right and of the wrong form, none of which exists.
const IDS: [&str; 3] = ["00000000-0000-4000-8000-000000000000", "nobody", "%21"];

#[tokio::test]
async fn an_unknown_caller_gets_what_the_document_says() {
    let site = Site::new();
    for operation in site.document.operations() {
        for id in IDS {
            let path = operation.path_with(|_| id.to_owned());
            let reply = site.app.send(operation.method.clone(), &path, &[], "").await;
            site.document.check(&operation, &reply);
            let is_refused = reply.status == StatusCode::UNAUTHORIZED;
            assert_eq!(is_refused, operation.is_protected(), "{} {path}: {}", operation.method, reply.status);
        }
    }
}

#[tokio::test]
async fn every_request_of_an_administrator_gets_what_the_document_says() {
    let site = Site::new();
    let mut statuses = BTreeSet::new();
    for operation in site.document.operations() {
        for id in IDS {
            for (query, body) in [
                ("", ""),
                ("", "{}"),
                ("", "[]"),
                ("", "null"),
                ("", "{"),
                ("", r#"{"unknown":1}"#),
                ("?limit=0&cursor=x&status=x&category=x&force=x", "{}"),
            ] {
                let path = format!("{}{query}", operation.path_with(|_| id.to_owned()));
                let bearer = format!("Bearer {}", site.app.admin);
                let headers = [("authorization", bearer.as_str()), ("accept", "application/json")];
                let reply = site.app.send(operation.method.clone(), &path, &headers, body).await;
                site.document.check(&operation, &reply);
                statuses.insert(reply.status.as_u16());
            }
        }
    }
    // Without these statuses the table above would test no errors.
    assert!(statuses.is_superset(&BTreeSet::from([200, 400, 401, 404])), "{statuses:?}");
}

#[tokio::test]
async fn answers_of_the_kontext_dialect_fit() {
    let site = Site::new();
    let stub = Stub::start(Options::default()).unwrap();
    let id = reviewed_tools(&site, &stub).await;
    let at = [("id", id.as_str())];
    let everything = json!({
        "name": "Full", "url": stub.url("/modern"), "authMode": "oauth", "category": "internal_mcp_credentials",
        "description": "All there is.", "capabilities": { "tools": true }, "credentialSchema": { "type": "string" },
        "credentialHeaders": [{ "name": "X-Token", "value": "{token}" }], "toolPolicy": "auto",
        "oauth": { "provider": "p", "issuer": "https://as.example.com", "scopes": ["a"], "clientId": "c",
                   "clientSecret": "s", "authorizationUrl": "https://as.example.com/a",
                   "tokenUrl": "https://as.example.com/t" },
    });
    let full = site.ask(Method::POST, INTEGRATIONS, &[], "", everything.clone()).await;
    assert_eq!(full["integration"]["oauth"]["clientSecretConfigured"], true);
    site.refused(409, Method::POST, INTEGRATIONS, &[], everything).await;
    let full = full["integration"]["id"].as_str().unwrap().to_owned();
    let oauth = [("id", full.as_str())];
    let page = site.ask(Method::GET, INTEGRATIONS, &[], "?limit=1", None).await;
    assert!(page["nextCursor"].is_string());
    site.ask(Method::GET, INTEGRATIONS, &[], "", None).await;
    site.ask(Method::GET, INTEGRATION, &oauth, "", None).await;
    let oauth_path = "/api/v1/integrations/{id}/oauth";
    site.ask(Method::GET, oauth_path, &oauth, "", None).await;
    site.ask(Method::PUT, oauth_path, &oauth, "", json!({ "scopes": ["b"], "clientSecret": null })).await;
    site.ask(Method::DELETE, oauth_path, &oauth, "", None).await;
    let cleared = json!({ "description": null, "capabilities": null, "credentialSchema": null, "oauth": null,
                          "credentialHeaders": null });
    site.ask(Method::PATCH, INTEGRATION, &oauth, "", cleared).await;
    site.ask(Method::DELETE, INTEGRATION, &oauth, "", None).await;
    let personal = json!({ "authMode": "user_token" });
    let changed = site.ask(Method::PATCH, INTEGRATION, &at, "", personal).await;
    assert!(changed["integration"]["userConnection"].is_object());
    let connection = "/api/v1/integrations/{id}/connection";
    site.ask(Method::POST, connection, &at, "", json!({ "token": "t" })).await;
    site.ask(Method::POST, connection, &at, "", json!({ "credentials": { "token": "t" } })).await;
    let connected = site.ask(Method::GET, connection, &at, "", None).await;
    assert_eq!(connected["connection"]["connected"], true);
    let own = site.ask(Method::GET, "/mcp/integrations", &[], "", None).await;
    assert_eq!(own["items"][0]["connection"]["connected"], true);
    site.ask(Method::DELETE, connection, &at, "", None).await;
}

#[tokio::test]
async fn a_member_that_the_document_does_not_know_is_noticed() {
    let site = Site::new();
    let body = json!({ "name": "One", "url": "http://127.0.0.1:9/mcp", "authMode": "oauth" });
    let answer = site.ask(Method::POST, INTEGRATIONS, &[], "", body).await;
    let schema = json!({ "$ref": "#/components/schemas/IntegrationAnswer" });
    assert_eq!(site.document.fits(&schema, &answer, true), Ok(()));
    for place in ["", "/integration", "/integration/oauth", "/integration/userConnection"] {
        let mut more = answer.clone();
        more.pointer_mut(place).unwrap()["unheardOf"] = json!(1);
        assert!(site.document.fits(&schema, &more, true).is_err(), "{place:?}");
        let mut less = answer.clone();
        let members = less.pointer_mut(place).unwrap().as_object_mut().unwrap();
        let required = ["integration", "createdAt", "clientSecretConfigured", "connected"];
        assert!(required.iter().any(|member| members.remove(*member).is_some()));
        assert!(site.document.fits(&schema, &less, true).is_err(), "{place:?}");
    }
}

/// Registers `stub` under review and brings one of its tools into every state. Returns the integration's id.
async fn reviewed_tools(site: &Site, stub: &Stub) -> String {
    let tool =
        |text: &str| json!({ "name": "drifting", "description": text, "inputSchema": { "type": "object" } });
    stub.set_tool(tool("one"));
    let body = json!({ "name": "Reviewed", "url": stub.url("/modern"), "toolPolicy": "review" });
    let created = site.ask(Method::POST, INTEGRATIONS, &[], "", body).await;
    let id = created["integration"]["id"].as_str().unwrap().to_owned();
    let at = [("id", id.as_str())];
    let validate = "/api/v1/integrations/{id}/validate";
    let tools = "/api/v1/integrations/{id}/tools";
    site.ask(Method::POST, validate, &at, "", None).await;
    let found = site.ask(Method::GET, tools, &at, "?status=new&limit=200", None).await;
    let drifting = found["items"].as_array().unwrap().iter().find(|tool| tool["name"] == "drifting").unwrap();
    let on_tool = [at[0], ("tool", drifting["id"].as_str().unwrap())];
    site.ask(Method::POST, "/api/v1/integrations/{id}/tools/{tool}/approve", &on_tool, "", None).await;
    stub.set_tool(tool("two"));
    site.ask(Method::POST, validate, &at, "", None).await;
    let changed = site.ask(Method::GET, tools, &at, "?status=changed", None).await;
    assert_eq!(changed["items"][0]["diff"][0]["change"], "changed");
    site.ask(Method::POST, "/api/v1/integrations/{id}/tools/{tool}/reject", &on_tool, "", None).await;
    stub.remove_tool("drifting");
    site.ask(Method::POST, validate, &at, "", None).await;
    site.ask(Method::GET, tools, &at, "", None).await;
    id
}

#[tokio::test]
async fn answers_of_the_hoziron_dialect_fit() {
    let site = Site::new();
    let stub =
        Stub::start(Options { require_bearer: Some("right".to_owned()), ..Options::default() }).unwrap();
    let source = json!({
        "url": stub.url("/modern"), "name": "Inline", "description": "One.", "auth_mode": "server_token",
        "headers": [{ "name": "Authorization", "value": "Bearer {API_KEY}" }],
        "credentials": [{ "key": "API_KEY", "label": "Key", "secret": true }],
    });
    let body = json!({ "source": source, "id": "inline", "config": { "tool_policy": "auto" } });
    site.ask(Method::POST, "/integrations/install", &[], "", body.clone()).await;
    site.refused(409, Method::POST, "/integrations/install", &[], body).await;
    let second = json!({ "source": stub.url("/legacy"), "id": "second", "credentials": { "token": "t" } });
    site.ask(Method::POST, "/integrations/install", &[], "", second).await;
    let at = [("id", "inline")];
    let (start, status) = ("/integrations/{id}/start", "/integrations/{id}/status");
    let missing = site.refused(409, Method::POST, start, &at, None).await;
    assert_eq!(missing["error"]["details"]["missing"], json!(["API_KEY"]));
    site.refused(409, Method::GET, "/integrations/{id}/tools", &at, None).await;
    site.refused(502, Method::POST, start, &at, json!({ "credentials": { "API_KEY": "wrong" } })).await;
    site.ask(Method::GET, status, &at, "", None).await;
    site.ask(Method::POST, start, &at, "", json!({ "credentials": { "API_KEY": "right" } })).await;
    site.ask(Method::POST, start, &at, "", None).await;
    let running = site.ask(Method::GET, status, &at, "", None).await;
    assert!(running["pid"].is_number());
    let tools = site.ask(Method::GET, "/integrations/{id}/tools", &at, "", None).await;
    assert!(!tools["tools"].as_array().unwrap().is_empty());
    site.ask(Method::GET, "/integrations", &[], "", None).await;
    let page = site.ask(Method::GET, "/integrations", &[], "?limit=1", None).await;
    assert!(page["next_cursor"].is_string());
    site.ask(Method::POST, "/integrations/{id}/restart", &at, "", None).await;
    site.refused(409, Method::DELETE, "/integrations/{id}", &at, None).await;
    site.ask(Method::POST, "/integrations/{id}/stop", &at, "", None).await;
    site.ask(Method::DELETE, "/integrations/{id}", &at, "?force=true", None).await;
    let catalog = site.ask(Method::GET, "/integrations/catalog", &[], "", None).await;
    assert!(catalog["total"].as_u64().unwrap() > 10);
}

#[tokio::test]
async fn other_answers_fit() {
    let site = Site::new();
    let stub = Stub::start(Options::default()).unwrap();
    let connections = "/v1/integrations/connections";
    let body = json!({ "nickname": "Mine", "server_url": stub.url("/modern"), "auth_type": "api_key", "api_key": "k",
                       "api_key_header": "X-Key", "headers": { "X-Team": "7" } });
    let custom = format!("{connections}/custom-mcp");
    let connected = site.ask(Method::POST, &custom, &[], "", body.clone()).await;
    site.refused(409, Method::POST, &custom, &[], body).await;
    let at = [("id", connected["connection_id"].as_str().unwrap())];
    site.ask(Method::POST, &format!("{connections}/{{id}}/test-lease"), &at, "", None).await;
    site.ask(Method::GET, connections, &[], "", None).await;
    let one = site.ask(Method::GET, &format!("{connections}/{{id}}"), &at, "", None).await;
    assert!(!one["tools"].as_array().unwrap().is_empty());
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let tools = site.ask(Method::POST, "/mcp", &[], "", list.clone()).await;
    assert!(!tools["result"]["tools"].as_array().unwrap().is_empty());
    site.ask(Method::POST, "/integrations/{id}/mcp", &[("id", "mine")], "", list).await;
    site.ask(Method::DELETE, &format!("{connections}/{{id}}"), &at, "", None).await;
    let bearer = format!("Bearer {}", document::SCHEDULER_TOKEN);
    let tick = site.document.operation(&Method::POST, "/_scheduled/{job}");
    let reply = site.app.send(Method::POST, "/_scheduled/validate", &[("authorization", &bearer)], "").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    site.document.check(&tick, &reply);
    let health = site.ask(Method::GET, "/health", &[], "", None).await;
    assert_eq!(health["status"], "healthy");
    let served = site.ask(Method::GET, "/openapi.json", &[], "", None).await;
    assert_eq!(served, Document::generated().0);
}
