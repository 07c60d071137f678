//! Create, list, get and validate, in the Kontext dialect.

use anyhow::{Context as _, Result, ensure};
use black_box::Integration;
use reqwest::Method;
use serde_json::{Value, json};

use super::{UNKNOWN, integration, is_timestamp, kontext_refuses, quiet, world};
use crate::{
    dialects::{keys, kontext_refusal},
    fixtures,
    registry::{self, INTEGRATIONS, path},
};

#[tokio::test]
async fn create_an_integration() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;

    // A body with the required members only.
    let answer =
        admin.post(INTEGRATIONS, &json!({"name": "Creation", "url": world.stub.url("/modern")})).await?;
    let least = integration(&answer, 201)?;
    assert_eq!(answer.header("location"), path(&least.id, ""));
    let defaults = json!({
        "id": least.id, "slug": "creation", "name": "Creation", "url": world.stub.url("/modern"),
        "category": "gateway_remote_mcp", "authMode": "none", "serverTokenConfigured": false,
        "credentialHeadersConfigured": false, "toolPolicy": "auto", "state": "running",
        "validationStatus": "pending", "consecutiveFailures": 0,
        "createdAt": least.object["createdAt"], "updatedAt": least.object["createdAt"],
    });
    assert_eq!(least.object, defaults);

    // Bodies with every member that each mode takes.
    let oauth =
        json!({"provider": "github", "issuer": "https://login.example.com", "scopes": ["repo", "read:user"]});
    let schema = json!({"type": "string", "minLength": 8});
    let headers = json!([{"name": "X-Api-Key", "value": "{token}"}]);
    for (n, (body, shown)) in [
        (json!({"authMode": "oauth", "oauth": oauth}), json!({"oauth": oauth})),
        (json!({"authMode": "oauth"}), json!({})),
        (json!({"authMode": "user_token", "credentialSchema": schema}), json!({"credentialSchema": schema})),
        (
            json!({"authMode": "server_token", "serverToken": "the-token", "credentialHeaders": headers}),
            json!({"serverTokenConfigured": true, "credentialHeadersConfigured": true}),
        ),
        (json!({"authMode": "none", "toolPolicy": "review"}), json!({"toolPolicy": "review"})),
        (
            json!({"capabilities": {"tools": {}, "prompts": {}}}),
            json!({"capabilities": {"tools": {}, "prompts": {}}}),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut sent = quiet(&format!("Creation most {n}"));
        merge(&mut sent, &body);
        let created = integration(&admin.post(INTEGRATIONS, &sent).await?, 201)?.object;
        for (name, value) in shown.as_object().context("not an object")? {
            let shows = match name.as_str() {
                "oauth" => {
                    value.as_object().is_some_and(|oauth| oauth.iter().all(|(k, v)| created[name][k] == *v))
                }
                _ => created[name] == *value,
            };
            assert!(shows, "{name}: {created}");
        }
        assert!(!created.to_string().contains("the-token"), "{created}");
    }
    refusals_of_a_creation(&least).await
}

/// Values that are just within the limits are accepted.
#[tokio::test]
async fn create_at_the_limits() -> Result<()> {
    let admin = world().await?.postern.admin()?;
    let long = "ü".repeat(200);
    for (name, members) in [
        (long.as_str(), json!({})),
        ("R", json!({})),
        ("Creation token", json!({"authMode": "server_token", "serverToken": "t".repeat(16 * 1024)})),
        (
            "Creation schema",
            json!({"authMode": "user_token", "credentialSchema": {"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"}}),
        ),
        ("Creation address", json!({"url": format!("https://limits.example.com/{}", "a".repeat(2000))})),
    ] {
        let mut body = quiet(name);
        merge(&mut body, &members);
        let created = integration(&admin.post(INTEGRATIONS, &body).await?, 201).context(name.to_owned())?;
        assert_eq!(created.object["name"], name);
        assert_eq!(created.object["url"], body["url"]);
    }
    Ok(())
}

/// The refusals of a create: 400, 401, 403, and 409 both for a name that is taken and for an archived integration's
/// name; `confirmUnarchive` then revives the archived integration.
async fn refusals_of_a_creation(taken: &Integration) -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    // The mode `server_token` needs a token.
    let mut body = quiet("Creation vector");
    merge(&mut body, &json!({"authMode": "server_token"}));
    let refused = kontext_refusal(&admin.post(INTEGRATIONS, &body).await?, 400, "validation_error")?;
    assert!(refused.contains("serverToken"), "{refused}");
    body["serverToken"] = json!("canary-of-creation");
    let created = integration(&admin.post(INTEGRATIONS, &body).await?, 201)?;
    let got = admin.get(&path(&created.id, "")).await?;
    assert_eq!(got.json()?["integration"]["serverTokenConfigured"], true);
    assert!(!got.text.contains("canary-of-creation"), "{}", got.text);

    let again = quiet(taken.object["name"].as_str().context("no name")?);
    kontext_refusal(&admin.post(INTEGRATIONS, &again).await?, 409, "duplicate")?;
    let stranger = world.postern.stranger()?.post(INTEGRATIONS, &quiet("Creation stranger")).await?;
    kontext_refusal(&stranger, 401, "authentication_required")?;
    let developer = world.postern.caller(&world.developer)?;
    kontext_refusal(&developer.post(INTEGRATIONS, &quiet("Creation developer")).await?, 403, "forbidden")?;

    // The name of an archived integration needs a confirmation.
    assert_eq!(admin.delete(&path(&created.id, "")).await?.status, 204);
    let mut body = quiet("Creation vector");
    let refused = kontext_refusal(&admin.post(INTEGRATIONS, &body).await?, 409, "conflict")?;
    assert!(refused.contains("confirmUnarchive"), "{refused}");
    body["confirmUnarchive"] = json!(true);
    let answer = admin.post(INTEGRATIONS, &body).await?;
    let revived = integration(&answer, 201)?;
    assert_eq!((&revived.id, &revived.slug), (&created.id, &created.slug));
    assert_eq!(answer.header("location"), path(&created.id, ""));
    // The revived integration is what the body says; the old token was deleted when the integration was archived.
    assert_eq!(
        (&revived.object["authMode"], &revived.object["serverTokenConfigured"]),
        (&json!("none"), &json!(false))
    );
    Ok(())
}

#[tokio::test]
async fn list_integrations() -> Result<()> {
    let postern = fixtures::postern_with(registry::settings()?).await?;
    let admin = postern.admin()?;
    let empty = admin.get(INTEGRATIONS).await?.expect(200)?;
    assert_eq!(empty, json!({"items": []}));

    let mut names: Vec<String> = (0..53).map(|n| format!("Listing no. {n}")).collect();
    names.extend(["100% sure".to_owned(), "under_score".to_owned(), "Ünïcode".to_owned()]);
    for name in &names {
        integration(&admin.post(INTEGRATIONS, &quiet(name)).await?, 201)?;
    }
    let all: Vec<&str> = names.iter().map(String::as_str).collect();

    // A page has 50 items unless the request says otherwise; the last page has no cursor.
    let first = page(&admin, "").await?;
    assert_eq!(first.names, all[..50]);
    assert!(first.next.is_some());
    let second = page(&admin, &format!("cursor={}", first.next.context("no cursor")?)).await?;
    assert_eq!(second.names, all[50..]);
    assert_eq!(second.next, None);
    for limit in [1, 7, 28, 56, 200] {
        let mut seen = Vec::new();
        let mut query = format!("limit={limit}");
        loop {
            let page = page(&admin, &query).await?;
            assert!(page.names.len() <= limit && !page.names.is_empty(), "limit {limit}: {:?}", page.names);
            seen.extend(page.names);
            match page.next {
                Some(next) => query = format!("limit={limit}&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, all, "limit {limit}, in order of creation");
    }

    // The filter takes its text literally, and its result has pages too.
    for (filter, expected) in [
        ("no.%201", vec!["1", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19"]),
        ("no.%2042", vec!["42"]),
        ("%25", vec![]),
        ("_", vec![]),
        ("*", vec![]),
        ("nothing", vec![]),
    ] {
        let expected: Vec<String> = match filter {
            "%25" => vec!["100% sure".to_owned()],
            "_" => vec!["under_score".to_owned()],
            _ => expected.iter().map(|n| format!("Listing no. {n}")).collect(),
        };
        assert_eq!(page(&admin, &format!("name={filter}")).await?.names, expected, "name={filter}");
    }
    let filtered = page(&admin, "name=no.%201&limit=10").await?;
    let rest = format!("name=no.%201&limit=10&cursor={}", filtered.next.context("no cursor")?);
    assert_eq!(page(&admin, &rest).await?.names, ["Listing no. 19"]);
    assert_eq!(page(&admin, "name=%C3%9Cn%C3%AF").await?.names, ["Ünïcode"]);
    stable_pages(&postern, &all).await?;

    kontext_refusal(&postern.stranger()?.get(INTEGRATIONS).await?, 401, "authentication_required")?;
    let developer = postern.insert_key("developer", &["developer"], None).await?;
    kontext_refusal(&postern.caller(&developer)?.get(INTEGRATIONS).await?, 403, "forbidden")?;
    for query in ["limit=0", "limit=201", "limit=-1", "limit=1.5", "cursor=x"] {
        let answer = admin.get(&format!("{INTEGRATIONS}?{query}")).await?;
        kontext_refusal(&answer, 400, "validation_error").context(query)?;
    }
    Ok(())
}

/// An integration that is created or archived between two pages neither repeats nor hides another one; a forged
/// cursor is refused.
async fn stable_pages(postern: &black_box::Postern, all: &[&str]) -> Result<()> {
    let admin = postern.admin()?;
    let first = page(&admin, "limit=20").await?;
    let cursor = first.next.context("no cursor")?;
    // Archives the integration at which the cursor points.
    let found = admin.get(&format!("{INTEGRATIONS}?limit=200")).await?.expect(200)?;
    let id = found["items"][19]["id"].as_str().context("no id")?.to_owned();
    assert_eq!(admin.delete(&path(&id, "")).await?.status, 204);
    integration(&admin.post(INTEGRATIONS, &quiet("Late")).await?, 201)?;
    let second = page(&admin, &format!("limit=200&cursor={cursor}")).await?;
    assert_eq!(second.names, [&all[20..], &["Late"]].concat());
    let listed = page(&admin, "limit=200").await?.names;
    assert!(!listed.iter().any(|name| name == all[19]), "an archived integration is listed");

    for position in [0, cursor.len() / 2, cursor.len() - 1] {
        let mut forged = cursor.clone().into_bytes();
        forged[position] = if forged[position] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged)?;
        let answer = admin.get(&format!("{INTEGRATIONS}?cursor={forged}")).await?;
        let message = kontext_refusal(&answer, 400, "validation_error")?;
        assert!(message.contains("cursor"), "{message}");
    }
    Ok(())
}

struct Page {
    names: Vec<String>,
    next: Option<String>,
}

async fn page(admin: &black_box::api::Api, query: &str) -> Result<Page> {
    let body = admin.get(&format!("{INTEGRATIONS}?{query}")).await?.expect(200)?;
    let items = body["items"].as_array().with_context(|| format!("no items: {body}"))?;
    for item in items {
        super::check_form(item)?;
    }
    let next = body.get("nextCursor").map(|next| next.as_str().map(str::to_owned).context("not a text"));
    ensure!(keys(&body).len() == 1 + usize::from(next.is_some()), "{:?}", keys(&body));
    let names = items.iter().map(|item| item["name"].as_str().unwrap_or_default().to_owned()).collect();
    Ok(Page { names, next: next.transpose()? })
}

#[tokio::test]
async fn get_an_integration() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    let created = integration(&admin.post(INTEGRATIONS, &quiet("Reading")).await?, 201)?;
    registry::settled(&world.postern, &created.id).await?;
    let settled = integration(&admin.get(&path(&created.id, "")).await?, 200)?;
    for name in keys(&created.object) {
        if name != "validationStatus" {
            assert_eq!(settled.object[name], created.object[name], "{name}");
        }
    }
    let upper = admin.get(&path(&created.id.to_uppercase(), "")).await?;
    assert_eq!(integration(&upper, 200)?.id, created.id, "a UUID may be written in upper case");
    let head = admin.call("HEAD", &path(&created.id, "")).await?;
    assert_eq!((head.status, head.text.as_str()), (200, ""));

    assert_eq!(admin.delete(&path(&created.id, "")).await?.status, 204);
    kontext_refusal(&admin.get(&path(&created.id, "")).await?, 404, "not_found")?;
    kontext_refuses("GET", |id| path(id, ""), None).await
}

#[tokio::test]
async fn validate_an_integration() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    let validate = async |id: &str| -> Result<Value> {
        let answer = admin.call("POST", &path(id, "validate")).await?;
        Ok(integration(&answer, 200)?.object)
    };
    let gone = fixtures::stub()?.url("/modern");
    for (name, body, status, message) in [
        ("good", json!({"url": world.stub.url("/dual"), "authMode": "none"}), "valid", "7 tools"),
        ("gone", json!({"url": gone, "authMode": "none"}), "invalid", "cannot be reached"),
        (
            "guarded",
            json!({"url": world.stub.url("/guarded/plain/dual"), "authMode": "user_token"}),
            "valid",
            "reachable, authorization required",
        ),
        ("brokered", quiet("-"), "valid", "not dialled"),
    ] {
        let mut sent = json!({"name": format!("Validation {name}")});
        let mut body = body;
        body.as_object_mut().context("not an object")?.remove("name");
        merge(&mut sent, &body);
        let created = integration(&admin.post(INTEGRATIONS, &sent).await?, 201)?;
        registry::settled(&world.postern, &created.id).await?;
        let validated = validate(&created.id).await?;
        assert_eq!(validated["validationStatus"], status, "{name}: {validated}");
        assert!(
            validated["validationMessage"].as_str().unwrap_or_default().contains(message),
            "{name}: {validated}"
        );
        assert!(is_timestamp(&validated["lastValidatedAt"]), "{name}: {validated}");
        assert!(validated["lastValidatedAt"].as_str() >= created.object["createdAt"].as_str(), "{validated}");
        let failures = validated["consecutiveFailures"].as_u64().context("no number")?;
        assert_eq!(failures > 0, status == "invalid", "{name}: {validated}");
        assert_eq!(validated, world.postern.integration(&created.id).await?.object, "{name}");
    }
    // The operation takes no body; an empty object counts as none.
    let found = admin.get(&format!("{INTEGRATIONS}?name=Validation%20good")).await?.expect(200)?;
    let id = found["items"][0]["id"].as_str().context("no id")?.to_owned();
    let answer = admin.post(&path(&id, "validate"), &json!({})).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    kontext_refuses("POST", |id| path(id, "validate"), None).await?;
    let wrong = admin.request(Method::GET, &path(UNKNOWN, "validate"));
    assert_eq!(black_box::api::Answer::of(wrong).await?.status, 405);
    Ok(())
}

/// Copies the members of one object into another.
pub(super) fn merge(object: &mut Value, members: &Value) {
    for (name, value) in members.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
}
