//! Acceptance: what each operation of the registry's API does when it succeeds, and with which errors it refuses.

mod catalogue;
mod change;
mod connection;
mod hoziron;
mod kontext;
mod lifecycle;
mod oauth;

use anyhow::{Context as _, Result, ensure};
use black_box::{Integration, Postern, api::Answer};
use serde_json::{Value, json};
use stub_upstream::Stub;
use tokio::sync::OnceCell;

use crate::{dialects, fixtures, registry};

/// A Postern that the tests of this subject share: each test uses integrations with names of its own.
struct World {
    postern: Postern,
    stub: Stub,
    /// The key of a user who may use every integration and manage none.
    developer: String,
    /// The key of another such user.
    colleague: String,
    /// The key of a user who may use no integration.
    guest: String,
    /// The key of a program, which has no credentials of its own.
    service: String,
}

async fn world() -> Result<&'static World> {
    static WORLD: OnceCell<World> = OnceCell::const_new();
    WORLD
        .get_or_try_init(async || {
            let postern = fixtures::postern_with(registry::settings()?).await?;
            Ok(World {
                stub: fixtures::stub()?,
                developer: postern.insert_key("developer", &["developer"], None).await?,
                colleague: postern.insert_key("colleague", &["developer"], None).await?,
                guest: postern.insert_key("guest", &["guest"], None).await?,
                service: postern.insert_key("service", &["developer", "service"], None).await?,
                postern,
            })
        })
        .await
}

/// The id of no integration.
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Reads an answer of the form `{integration}` and checks the object's form.
fn integration(answer: &Answer, status: u16) -> Result<Integration> {
    let body = answer.expect(status)?;
    ensure!(dialects::keys(&body) == ["integration"], "{body}");
    check_form(&body["integration"])?;
    Integration::of(&body)
}

/// Checks that an integration has every required member, no unknown one, and each of its type.
fn check_form(object: &Value) -> Result<()> {
    type Check = fn(&Value) -> bool;
    const TEXT: Check = |value| value.as_str().is_some_and(|text| !text.is_empty());
    const OBJECT: Check = Value::is_object;
    let required: [(&str, Check); 14] = [
        ("id", |value| value.as_str().is_some_and(is_uuid)),
        ("slug", TEXT),
        ("name", TEXT),
        ("url", TEXT),
        ("category", |value| one_of(value, &["gateway_remote_mcp", "internal_mcp_credentials"])),
        ("authMode", |value| one_of(value, &["oauth", "user_token", "server_token", "none"])),
        ("serverTokenConfigured", Value::is_boolean),
        ("credentialHeadersConfigured", Value::is_boolean),
        ("toolPolicy", |value| one_of(value, &["auto", "review"])),
        ("state", |value| one_of(value, &["running", "stopped"])),
        ("validationStatus", |value| one_of(value, &["pending", "valid", "invalid"])),
        ("consecutiveFailures", Value::is_u64),
        ("createdAt", is_timestamp),
        ("updatedAt", is_timestamp),
    ];
    let optional: [(&str, Check); 7] = [
        ("description", TEXT),
        ("oauth", OBJECT),
        ("capabilities", OBJECT),
        ("credentialSchema", OBJECT),
        ("validationMessage", TEXT),
        ("lastValidatedAt", is_timestamp),
        ("userConnection", OBJECT),
    ];
    for (name, check) in required {
        let value = object.get(name).with_context(|| format!("no {name} in {object}"))?;
        ensure!(check(value), "{name} of {object}");
    }
    for (name, value) in object.as_object().context("not an object")? {
        if !required.iter().any(|(required, _)| required == name) {
            let known = optional.iter().find(|(optional, _)| optional == name);
            let (_, check) = known.with_context(|| format!("unexpected {name} in {object}"))?;
            ensure!(check(value), "{name} of {object}");
        }
    }
    let per_user = one_of(&object["authMode"], &["oauth", "user_token"]);
    ensure!(object.get("userConnection").is_some() == per_user, "userConnection of {object}");
    Ok(())
}

fn one_of(value: &Value, texts: &[&str]) -> bool {
    value.as_str().is_some_and(|text| texts.contains(&text))
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// ISO 8601 in UTC, such as `2026-01-31T12:00:00.123Z`.
fn is_timestamp(value: &Value) -> bool {
    let shape = |text: &str| {
        let plain: String = text.chars().map(|char| if char.is_ascii_digit() { '0' } else { char }).collect();
        let (seconds, fraction) = plain.split_at(plain.len().min(19));
        let fraction = fraction.strip_prefix('.').map_or(fraction, |digits| digits.trim_start_matches('0'));
        seconds == "0000-00-00T00:00:00" && fraction == "Z"
    };
    value.as_str().is_some_and(shape)
}

/// The refusals that every operation of the Kontext dialect on one integration shares: without a key, without the
/// right to manage integrations, and for an id of no integration.
async fn kontext_refuses(method: &str, path: impl Fn(&str) -> String, body: Option<&Value>) -> Result<()> {
    let world = world().await?;
    let send = async |api: black_box::api::Api, id: &str| -> Result<Answer> {
        let request = api.request(method.parse()?, &path(id));
        Answer::of(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    };
    let stranger = send(world.postern.stranger()?, UNKNOWN).await?;
    dialects::kontext_refusal(&stranger, 401, "authentication_required").context("a stranger")?;
    let developer = send(world.postern.caller(&world.developer)?, UNKNOWN).await?;
    dialects::kontext_refusal(&developer, 403, "forbidden").context("a developer")?;
    for id in [UNKNOWN, "not-a-uuid", "developer"] {
        let nothing = send(world.postern.admin()?, id).await?;
        let message = dialects::kontext_refusal(&nothing, 404, "not_found").with_context(|| id.to_owned())?;
        ensure!(message == "Integration not found", "{id}: {message}");
    }
    Ok(())
}

/// The refusals that every operation of the Hoziron dialect on one integration shares.
async fn hoziron_refuses(method: &str, path: impl Fn(&str) -> String) -> Result<()> {
    let world = world().await?;
    let stranger = world.postern.stranger()?.call(method, &path("nobody")).await?;
    dialects::hoziron(&stranger, "Unauthorized").context("a stranger")?;
    let developer = world.postern.caller(&world.developer)?.call(method, &path("nobody")).await?;
    dialects::hoziron(&developer, "Forbidden").context("a developer")?;
    for (id, category) in [
        ("nobody", "NotFound"),
        (UNKNOWN, "ValidationError"),
        ("Not_A-Slug", "ValidationError"),
        ("%00", "ValidationError"),
    ] {
        let nothing = world.postern.admin()?.call(method, &path(id)).await?;
        dialects::hoziron(&nothing, category).with_context(|| id.to_owned())?;
    }
    Ok(())
}

/// A body for an integration that Postern never dials.
fn quiet(name: &str) -> Value {
    json!({"name": name, "url": "https://quiet.invalid/mcp", "category": "internal_mcp_credentials"})
}
