//! Bad input: every mistake gets its status and a text that names it, in the dialect of its route, and nothing is
//! written.

use anyhow::{Context as _, Result, ensure};
use black_box::{
    Integration, Postern, Settings,
    api::{Answer, Api},
    mcp::Request,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::fixtures;

const INTEGRATIONS: &str = "/api/v1/integrations";

struct World {
    postern: Postern,
    taken: Integration,
    expired: String,
    developer: String,
}

/// A Postern that only refuses from here on: no test of this subject writes to it.
async fn world() -> Result<&'static World> {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    WORLD
        .get_or_try_init(async || {
            let personas = json!([{"name": "developer", "roles": ["developer"], "allow_tools": ["*"], "allow_connections": ["*"]}]);
            let settings = Settings::new()?.without("ALLOW_LOOPBACK_UPSTREAMS").with("PERSONAS", personas.to_string());
            let postern = fixtures::postern_with(settings).await?;
            let body = json!({"name": "Taken", "url": "https://taken.invalid/mcp", "category": "internal_mcp_credentials"});
            let taken = postern.create(body).await?;
            let expired = postern.insert_key("expired", &["admin"], Some(1)).await?;
            let developer = postern.insert_key("developer", &["developer"], None).await?;
            settle(&postern).await?;
            Ok(World { postern, taken, expired, developer })
        })
        .await
}

/// Waits until what happens after an answer (the first probe) has happened.
async fn settle(postern: &Postern) -> Result<()> {
    let mut before = Value::Null;
    black_box::eventually("the database comes to rest", async || {
        let now = postern.contents().await?;
        let at_rest = now == before;
        before = now;
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        Ok(at_rest.then_some(()))
    })
    .await
}

/// Runs a request that must be refused, and shows that nothing was written.
async fn refused(
    what: &str,
    status: u16,
    request: impl AsyncFnOnce(&World) -> Result<Answer>,
) -> Result<Answer> {
    let world = world().await?;
    let before = world.postern.contents().await?;
    let answer = request(world).await?;
    ensure!(
        answer.status == status,
        "{what}: expected {status}, got {}: {}",
        answer.status,
        answer.text
    );
    ensure!(
        world.postern.contents().await? == before,
        "{what}: something was written"
    );
    ensure!(
        answer.header("x-content-type-options") == "nosniff",
        "{what}: {:?}",
        answer.headers
    );
    Ok(answer)
}

/// `{message, statusCode, code, requestId}`; returns the message.
fn kontext(answer: &Answer) -> Result<String> {
    let body = answer.json()?;
    ensure!(
        answer.header("content-type").starts_with("application/json"),
        "{:?}",
        answer.headers
    );
    ensure!(body["statusCode"] == answer.status, "{body}");
    ensure!(body["code"].is_string(), "{body}");
    ensure!(body["requestId"] == answer.header("x-request-id"), "{body}");
    ensure!(!answer.header("x-request-id").is_empty(), "no request id");
    body["message"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no message in {body}"))
}

/// RFC 9457.
fn problem(answer: &Answer) -> Result<String> {
    let body = answer.json()?;
    ensure!(
        answer
            .header("content-type")
            .starts_with("application/problem+json"),
        "{:?}",
        answer.headers
    );
    ensure!(
        body["status"] == answer.status && body["title"].is_string(),
        "{body}"
    );
    body["detail"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no detail in {body}"))
}

/// A JSON-RPC error; returns its message.
fn json_rpc(answer: &Answer) -> Result<String> {
    let body = answer.json()?;
    ensure!(
        answer.header("content-type").starts_with("application/json"),
        "{:?}",
        answer.headers
    );
    ensure!(
        body["jsonrpc"] == "2.0" && body["error"]["code"].is_i64(),
        "{body}"
    );
    body["error"]["message"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no message in {body}"))
}

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
        ("BREW", "/health", "GET"),
    ] {
        let answer = refused(method, 405, async |world| {
            world.postern.admin()?.call(method, path).await
        })
        .await
        .with_context(|| path.to_owned())?;
        let allow: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        for method in allowed.split(", ") {
            assert!(allow.contains(&method), "{path}: Allow: {allow:?}");
        }
        assert!(
            !allow.contains(&method),
            "{path}: {method} is refused and allowed"
        );
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
        assert!(
            options.header("allow").contains("OPTIONS"),
            "{path}: {:?}",
            options.headers
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() -> Result<()> {
    let padding = "x".repeat(2 * 1024 * 1024);
    let body = format!(r#"{{"name":"Big","url":"https://big.example.com/mcp","serverToken":"{padding}"}}"#);
    let answer = refused("integrations", 413, async |world| {
        world.postern.admin()?.post_text(INTEGRATIONS, body).await
    })
    .await?;
    kontext(&answer)?;

    let huge = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"x":"{}"}}}}"#,
        "x".repeat(5 * 1024 * 1024)
    );
    for path in ["/mcp", "/integrations/taken/mcp"] {
        let body = huge.clone();
        let answer = refused(path, 413, async |world| {
            world.postern.admin()?.post_text(path, body).await
        })
        .await?;
        json_rpc(&answer)?;
    }
    Ok(())
}

/// The same body in chunks, without a length that would give it away.
#[tokio::test]
async fn a_body_over_the_limit_is_413_also_without_a_content_length() -> Result<()> {
    let answer = refused("chunked", 413, async |world| {
        let chunk = || Ok::<_, std::io::Error>("x".repeat(64 * 1024));
        let chunks = std::iter::once_with(|| Ok("{\"name\":\"".to_owned()))
            .chain(std::iter::repeat_with(chunk).take(40));
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        world.postern.admin()?.post_text(INTEGRATIONS, body).await
    })
    .await?;
    kontext(&answer)?;
    Ok(())
}

#[tokio::test]
async fn a_body_that_breaks_a_rule_is_400_and_names_it() -> Result<()> {
    let long = "n".repeat(201);
    let url = "https://mcp.example.com/mcp";
    let json = |value: Value| value.to_string();
    for (body, named) in [
        (String::new(), "JSON"),
        ("{".to_owned(), "JSON"),
        ("not json".to_owned(), "JSON"),
        (format!(r#"{{"name":"A","url":"{url}"}} trailing"#), "JSON"),
        ("[]".to_owned(), ""),
        ("null".to_owned(), ""),
        (json(json!({"url": url})), "name"),
        (json(json!({"name": "A"})), "url"),
        (json(json!({"name": "", "url": url})), "name"),
        (json(json!({"name": "   ", "url": url})), "name"),
        (json(json!({"name": long, "url": url})), "name"),
        (json(json!({"name": "A\u{0}B", "url": url})), "name"),
        (json(json!({"name": 7, "url": url})), "string"),
        (json(json!({"name": "A", "url": 7})), "string"),
        (
            json(json!({"name": "A", "url": url, "authMod": "none"})),
            "authMod",
        ),
        (
            json(json!({"name": "A", "url": url, "server_token": "x"})),
            "server_token",
        ),
        (json(json!({"name": "A", "url": url, "id": "x"})), "id"),
        (
            json(json!({"name": "A", "url": url, "authMode": "basic"})),
            "none",
        ),
        (
            json(json!({"name": "A", "url": url, "category": "other"})),
            "gateway_remote_mcp",
        ),
        (
            json(json!({"name": "A", "url": url, "authMode": "server_token"})),
            "serverToken",
        ),
        (
            json(json!({"name": "A", "url": url, "authMode": "server_token", "serverToken": ""})),
            "serverToken",
        ),
        (
            json(json!({"name": "A", "url": url, "authMode": "server_token", "serverToken": "a\nb"})),
            "serverToken",
        ),
        (
            json(json!({"name": "A", "url": url, "authMode": "none", "serverToken": "x"})),
            "serverToken",
        ),
        (
            json(json!({"name": "A", "url": url, "serverToken": "x"})),
            "serverToken",
        ),
        (format!(r#"{{"name":"A","name":"B","url":"{url}"}}"#), "name"),
    ] {
        let answer = refused(&body, 400, async |world| {
            world.postern.admin()?.post_text(INTEGRATIONS, body.clone()).await
        })
        .await?;
        let message = kontext(&answer)?;
        assert!(message.contains(named), "{body}: {message}");
    }
    Ok(())
}

/// What stands in a refused body may be a secret that slipped into the wrong field.
#[tokio::test]
async fn a_refusal_echoes_no_value() -> Result<()> {
    for body in [
        json!({"name": "A", "url": "canary-in-url"}),
        json!({"name": "A", "url": "https://u:canary-password@mcp.example.com/"}),
        json!({"name": "A", "url": "https://mcp.example.com/", "authMode": "canary-mode"}),
        json!({"name": "A", "url": "https://mcp.example.com/", "serverToken": {"canary": 1}}),
        json!({"name": {"canary": 1}, "url": "https://mcp.example.com/"}),
    ] {
        let answer = refused("echo", 400, async |world| {
            world.postern.admin()?.post(INTEGRATIONS, &body).await
        })
        .await?;
        assert!(!answer.text.contains("canary"), "{body}: {}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn a_url_that_may_not_be_dialled_is_400_and_the_rule_is_named() -> Result<()> {
    let long = format!("https://mcp.example.com/{}", "a".repeat(2048));
    let private = "private or reserved address";
    for (url, rule) in [
        ("http://mcp.example.com/mcp", "https"),
        ("ftp://mcp.example.com/", "https"),
        ("file:///etc/passwd", "https"),
        ("javascript:alert(1)", "https"),
        ("ws://mcp.example.com/", "https"),
        ("mcp.example.com", "absolute https URL"),
        ("/mcp", "absolute https URL"),
        ("", "absolute https URL"),
        ("https://", "absolute https URL"),
        (long.as_str(), "2048"),
        ("https://user@mcp.example.com/", "user information"),
        ("https://user:pw@mcp.example.com/", "user information"),
        ("https://@mcp.example.com/", "user information"),
        ("https://:@mcp.example.com/", "user information"),
        ("https://mcp.example.com/#fragment", "fragment"),
        ("https://mcp.example.com/#", "fragment"),
        ("https://mcp.example.com\\@127.0.0.1/", "backslash"),
        (" https://mcp.example.com/", "white space"),
        ("https://mcp.example.com/\n", "white space"),
        ("https://mcp.exa\tmple.com/", "white space"),
        // Loopback, in the notations that URL parsers understand.
        ("http://127.0.0.1:3001/mcp", "https"),
        ("http://localhost:3001/mcp", "https"),
        ("http://[::1]:3001/mcp", "https"),
        ("https://127.0.0.1/", private),
        ("https://127.1/", private),
        ("https://2130706433/", private),
        ("https://0x7f000001/", private),
        ("https://0x7f.0.0.1/", private),
        ("https://0177.0.0.1/", private),
        ("https://①②⑦.0.0.1/", private),
        ("https://127。0。0。1/", private),
        ("https://%31%32%37.0.0.1/", private),
        ("https://0/", private),
        ("https://0.0.0.0/", private),
        ("https://[::1]/", private),
        ("https://[0:0:0:0:0:0:0:1]/", private),
        ("https://[::]/", private),
        ("https://[::ffff:127.0.0.1]/", private),
        ("https://[::ffff:7f00:1]/", private),
        ("https://[::127.0.0.1]/", private),
        // Private and reserved networks.
        ("https://10.0.0.1/", private),
        ("https://100.64.0.1/", private),
        ("https://169.254.169.254/latest/meta-data/", private),
        ("https://0xa9fea9fe/", private),
        ("https://172.16.0.1/", private),
        ("https://172.31.255.255/", private),
        ("https://192.168.1.1/", private),
        ("https://192.0.2.1/", private),
        ("https://198.18.0.1/", private),
        ("https://203.0.113.7/", private),
        ("https://224.0.0.1/", private),
        ("https://255.255.255.255/", private),
        ("https://[fc00::1]/", private),
        ("https://[fd00:ec2::254]/", private),
        ("https://[fe80::1]/", private),
        ("https://[ff02::1]/", private),
        ("https://[64:ff9b::a9fe:a9fe]/", private),
        ("https://[2002:7f00:1::]/", private),
        ("https://[2001:db8::1]/", private),
        // Names of private hosts.
        ("https://localhost/", "private host name"),
        ("https://LOCALHOST/", "private host name"),
        ("https://ⓛocalhost/", "private host name"),
        ("https://api.localhost/", "private host name"),
        ("https://printer.local/", "private host name"),
        ("https://metadata.google.internal/", "private host name"),
        ("https://127.0.0.1.nip.io/", "private host name"),
        ("https://localtest.me/", "private host name"),
        ("https://router/", "fully qualified"),
        ("https://localhost./", "dot"),
        ("https://mcp.example.com./", "dot"),
        ("https://mcp.example.com:22/", "port"),
        ("https://mcp.example.com:80/", "port"),
        ("https://mcp.example.com:99999/", "absolute https URL"),
    ] {
        let body = json!({"name": "Forbidden", "url": url});
        let answer = refused(url, 400, async |world| {
            world.postern.admin()?.post(INTEGRATIONS, &body).await
        })
        .await?;
        let message = kontext(&answer)?;
        assert!(message.contains(rule), "{url}: {message}");
        assert!(
            message.contains("url"),
            "{url}: the field is not named: {message}"
        );
    }
    Ok(())
}

/// The switch for development opens loopback and nothing else.
#[tokio::test]
async fn with_loopback_allowed_everything_else_is_still_refused() -> Result<()> {
    let postern = fixtures::postern().await?;
    for url in [
        "http://mcp.example.com/",
        "http://10.0.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/",
        "http://0.0.0.0:1/",
        "http://u@127.0.0.1/",
        "http://127.0.0.1/#x",
        "http://printer.local/",
    ] {
        let answer = postern
            .admin()?
            .post(INTEGRATIONS, &json!({"name": "Loop", "url": url}))
            .await?;
        assert_eq!(answer.status, 400, "{url}: {}", answer.text);
    }
    let listed = postern.admin()?.get(INTEGRATIONS).await?.expect(200)?;
    assert_eq!(listed["items"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_duplicate_name_is_409() -> Result<()> {
    for name in ["Taken", "  Taken "] {
        let body = json!({"name": name, "url": "https://other.example.com/mcp"});
        let answer = refused(name, 409, async |world| {
            world.postern.admin()?.post(INTEGRATIONS, &body).await
        })
        .await?;
        kontext(&answer)?;
    }
    Ok(())
}

#[tokio::test]
async fn two_creations_of_one_name_at_the_same_time_make_one_integration() -> Result<()> {
    let postern = fixtures::postern().await?;
    let api = postern.admin()?;
    let body =
        json!({"name": "Race", "url": "https://race.invalid/mcp", "category": "internal_mcp_credentials"});
    let answers = futures_util::future::join_all((0..8).map(|_| api.post(INTEGRATIONS, &body))).await;
    let mut statuses = answers
        .into_iter()
        .map(|answer| Ok(answer?.status))
        .collect::<Result<Vec<_>>>()?;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(
        postern.sql("SELECT id FROM integrations", json!([])).await?.len(),
        1
    );
    Ok(())
}

#[tokio::test]
async fn names_that_lead_to_the_same_slug_get_slugs_of_their_own() -> Result<()> {
    let postern = fixtures::postern().await?;
    let mut slugs = Vec::new();
    for name in ["My Tools", "my-tools", "My  Tools!", "Ünïcode", "日本語", "__"] {
        let body =
            json!({"name": name, "url": "https://slug.invalid/mcp", "category": "internal_mcp_credentials"});
        let slug = postern.create(body).await?.slug;
        assert!(!slug.contains("__") && !slug.is_empty(), "{name}: {slug}");
        assert!(
            slug.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "{name}: {slug}"
        );
        assert!(!slugs.contains(&slug), "{name}: {slug} twice");
        slugs.push(slug);
    }
    assert_eq!(slugs[0], "my-tools");
    Ok(())
}

/// An id that is none answers exactly like one that leads nowhere.
#[tokio::test]
async fn an_invalid_or_unknown_id_is_404() -> Result<()> {
    let unknown = "00000000-0000-4000-8000-000000000000";
    for id in [
        unknown,
        "not-a-uuid",
        "1",
        "taken",
        "%00",
        "..%2f..%2fhealth",
        &"a".repeat(2000),
    ] {
        for (method, suffix) in [("GET", ""), ("DELETE", ""), ("POST", "/validate")] {
            let path = format!("{INTEGRATIONS}/{id}{suffix}");
            let answer = refused(&path, 404, async |world| {
                world.postern.admin()?.call(method, &path).await
            })
            .await?;
            assert_eq!(kontext(&answer)?, "Integration not found", "{method} {path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_page_request_is_400() -> Result<()> {
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=ten",
        "cursor=forged",
        "cursor=e30",
    ] {
        let path = format!("{INTEGRATIONS}?{query}");
        let answer = refused(&path, 400, async |world| world.postern.admin()?.get(&path).await).await?;
        let named = query.split('=').next().unwrap_or_default();
        assert!(kontext(&answer)?.contains(named), "{query}: {}", answer.text);
    }
    Ok(())
}

/// Every way not to be somebody.
fn strangers(world: &World) -> Result<Vec<(&'static str, Api)>> {
    let admin = world.postern.admin_key();
    let (head, secret) = admin.rsplit_once('_').context("no secret in the key")?;
    let wrong = format!("{head}_{}", secret.chars().rev().collect::<String>());
    let unknown = black_box::key::ApiKey::generate()?.text;
    Ok(vec![
        ("no key", world.postern.stranger()?),
        ("an expired key", world.postern.caller(&world.expired)?),
        ("an unknown key", world.postern.caller(&unknown)?),
        ("a wrong secret", world.postern.caller(&wrong)?),
        (
            "a key cut short",
            world.postern.caller(&admin[..admin.len() - 1])?,
        ),
        ("a key with more", world.postern.caller(&format!("{admin}A"))?),
        (
            "a key in upper case",
            world.postern.caller(&admin.to_uppercase())?,
        ),
        ("only the public id", world.postern.caller(head)?),
        ("words", world.postern.caller("let me in")?),
    ])
}

#[tokio::test]
async fn without_a_valid_key_everything_but_health_is_401() -> Result<()> {
    let one = format!("{INTEGRATIONS}/{}", world().await?.taken.id);
    let validate = format!("{one}/validate");
    for (who, api) in strangers(world().await?)? {
        for (method, path, dialect) in [
            ("GET", INTEGRATIONS, kontext as fn(&Answer) -> Result<String>),
            ("POST", INTEGRATIONS, kontext),
            ("GET", one.as_str(), kontext),
            ("DELETE", one.as_str(), kontext),
            ("POST", validate.as_str(), kontext),
            ("POST", "/mcp", json_rpc),
            ("POST", "/integrations/taken/mcp", json_rpc),
            ("POST", "/integrations/nobody/mcp", json_rpc),
        ] {
            let what = format!("{who}: {method} {path}");
            let answer = refused(&what, 401, async |_| api.call(method, path).await).await?;
            dialect(&answer).with_context(|| what.clone())?;
            assert!(
                answer.header("www-authenticate").starts_with("Bearer"),
                "{what}: {:?}",
                answer.headers
            );
        }
        assert_eq!(api.get("/health").await?.status, 200, "{who}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_is_taken_from_two_headers_and_from_nowhere_else() -> Result<()> {
    let world = world().await?;
    let (stranger, key) = (world.postern.stranger()?, world.postern.admin_key());
    let get = |path: &str| stranger.request(Method::GET, path);
    for (what, request, status) in [
        (
            "bearer",
            get(INTEGRATIONS).header("authorization", format!("Bearer {key}")),
            200,
        ),
        (
            "bearer in lower case",
            get(INTEGRATIONS).header("authorization", format!("bearer {key}")),
            200,
        ),
        ("x-api-key", get(INTEGRATIONS).header("x-api-key", key), 200),
        (
            "basic",
            get(INTEGRATIONS).header("authorization", format!("Basic {key}")),
            401,
        ),
        ("no scheme", get(INTEGRATIONS).header("authorization", key), 401),
        (
            "cookie",
            get(INTEGRATIONS).header("cookie", format!("key={key}")),
            401,
        ),
        (
            "query",
            get(&format!("{INTEGRATIONS}?api_key={key}&access_token={key}")),
            401,
        ),
    ] {
        assert_eq!(Answer::of(request).await?.status, status, "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn who_is_no_administrator_may_not_manage_integrations() -> Result<()> {
    let one = format!("{INTEGRATIONS}/{}", world().await?.taken.id);
    let validate = format!("{one}/validate");
    let body = json!({"name": "Mine", "url": "https://mine.example.com/mcp"});
    for (method, path) in [
        ("GET", INTEGRATIONS),
        ("POST", INTEGRATIONS),
        ("GET", &one),
        ("DELETE", &one),
        ("POST", &validate),
    ] {
        let answer = refused(path, 403, async |world| {
            let api = world.postern.caller(&world.developer)?;
            Answer::of(
                api.request(Method::from_bytes(method.as_bytes())?, path)
                    .json(&body),
            )
            .await
        })
        .await?;
        kontext(&answer).with_context(|| format!("{method} {path}"))?;
    }
    Ok(())
}

/// DNS rebinding: a page of a foreign origin may not speak to Postern, also with a key.
#[tokio::test]
async fn a_foreign_origin_is_403() -> Result<()> {
    for origin in [
        "https://evil.example.com",
        "http://evil.example.com:8787",
        "null",
        "https://127.0.0.1.evil.example.com",
    ] {
        for (method, path) in [
            ("POST", "/mcp"),
            ("POST", "/integrations/taken/mcp"),
            ("GET", INTEGRATIONS),
        ] {
            refused(&format!("{origin} {path}"), 403, async |world| {
                let api = world.postern.admin()?;
                Answer::of(
                    api.request(Method::from_bytes(method.as_bytes())?, path)
                        .header("origin", origin),
                )
                .await
            })
            .await?;
        }
    }
    let api = world().await?.postern.admin()?;
    let ping = Request::legacy(None, json!(1), "ping", json!({}))?;
    let local = ping.with_header("origin", &world().await?.postern.url(""))?;
    assert_eq!(local.send(&api, "/mcp").await?.http.status, 200, "a local page");
    Ok(())
}

#[tokio::test]
async fn an_endpoint_of_no_integration_is_404() -> Result<()> {
    for segment in [
        "nobody",
        "00000000-0000-4000-8000-000000000000",
        "%00",
        &"a".repeat(2000),
    ] {
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

/// Credentials that are brokered and never proxied: no endpoint, no tools.
#[tokio::test]
async fn an_integration_that_is_not_proxied_has_no_endpoint() -> Result<()> {
    let answer = refused("internal", 404, async |world| {
        let request = Request::modern(json!(1), "tools/list", json!({}))?;
        Ok(request
            .send(&world.postern.admin()?, "/integrations/taken/mcp")
            .await?
            .http)
    })
    .await?;
    json_rpc(&answer)?;
    Ok(())
}
