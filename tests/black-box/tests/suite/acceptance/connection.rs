//! Each user's own connection: add a token, read the connection, revoke it.

use anyhow::{Context as _, Result};
use black_box::{
    Integration,
    api::{Answer, Api},
};
use serde_json::{Value, json};

use super::{UNKNOWN, integration, kontext::merge, quiet, world};
use crate::{
    dialects::kontext_refusal,
    registry::{INTEGRATIONS, path},
};

async fn create(name: &str, members: Value) -> Result<Integration> {
    let admin = world().await?.postern.admin()?;
    let mut body = quiet(name);
    merge(&mut body, &json!({"authMode": "user_token"}));
    merge(&mut body, &members);
    integration(&admin.post(INTEGRATIONS, &body).await?, 201)
}

/// Returns `true` if the caller is connected, and checks the form of the answer.
async fn connected(api: &Api, id: &str) -> Result<bool> {
    let body = api.get(&path(id, "connection")).await?.expect(200)?;
    let connected = body["connection"]["connected"] == true;
    let status = if connected { "connected" } else { "disconnected" };
    assert_eq!(body, json!({"connection": {"connected": connected, "status": status}}));
    Ok(connected)
}

/// The refusals of the connection's route: without a key, to a program, to a caller who may not use the integration,
/// and for an id of no integration.
async fn refusals(method: &str, body: Option<&Value>) -> Result<()> {
    let world = world().await?;
    let existing = create(&format!("Row {method} refused"), json!({})).await?;
    let send = async |api: Api, id: &str| -> Result<Answer> {
        let request = api.request(method.parse()?, &path(id, "connection"));
        Answer::of(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    };
    kontext_refusal(&send(world.postern.stranger()?, &existing.id).await?, 401, "authentication_required")?;
    let service = send(world.postern.caller(&world.service)?, &existing.id).await?;
    kontext_refusal(&service, 403, "forbidden").context("a service")?;
    let guest = send(world.postern.caller(&world.guest)?, &existing.id).await?;
    kontext_refusal(&guest, 404, "not_found").context("a guest")?;
    for id in [UNKNOWN, "no-uuid"] {
        let nothing = send(world.postern.caller(&world.developer)?, id).await?;
        let message = kontext_refusal(&nothing, 404, "not_found").context("nothing there")?;
        assert_eq!(message, "Integration not found");
        assert_eq!(
            guest.json()?["message"],
            message,
            "a guest cannot tell a hidden integration from an unknown one"
        );
    }
    Ok(())
}

#[tokio::test]
async fn add_a_users_token() -> Result<()> {
    let world = world().await?;
    let (admin, developer) = (world.postern.admin()?, world.postern.caller(&world.developer)?);
    let created = create("Adding", json!({})).await?;
    let connection = path(&created.id, "connection");
    let expected = json!({"connection": {"connected": true, "status": "connected"}});
    for body in [
        json!({"token": "canary-of-adding"}),
        json!({"token": "canary-of-adding-again"}),
        json!({"credentials": {"email": "a@example.com", "token": "canary-of-adding"}}),
    ] {
        let answer = developer.post(&connection, &body).await?;
        assert_eq!(answer.expect(201)?, expected, "{body}");
        assert!(!answer.text.contains("canary"));
    }
    assert!(connected(&developer, &created.id).await?);
    let rows = "SELECT k.name FROM credentials c LEFT JOIN api_keys k ON c.owner = 'key:' || k.id WHERE integration_id = ?1";
    let rows = world.postern.sql(rows, json!([created.id])).await?;
    assert_eq!(rows, [json!({"name": "developer"})], "the last token replaced the others");

    for body in [
        json!({}),
        json!({"token": "a", "credentials": {"token": "b"}}),
        json!({"token": ""}),
        json!({"token": 7}),
        json!({"token": "two\nlines"}),
        json!({"token": "x".repeat(16 * 1024 + 1)}),
        json!({"credentials": {}}),
        json!({"credentials": {"": "v"}}),
        json!({"credentials": {"key": 7}}),
        json!({"credentials": "v"}),
        json!({"accessToken": "v"}),
    ] {
        let what = body.to_string().chars().take(60).collect::<String>();
        kontext_refusal(&developer.post(&connection, &body).await?, 400, "validation_error").context(what)?;
    }
    for mode in [
        json!({"authMode": "none"}),
        json!({"authMode": "oauth"}),
        json!({"authMode": "server_token", "serverToken": "t"}),
    ] {
        let name = format!("Adding {}", mode["authMode"]);
        let other = create(&name, mode).await?;
        let answer = developer.post(&path(&other.id, "connection"), &json!({"token": "t"})).await?;
        let message = kontext_refusal(&answer, 400, "validation_error").context(name)?;
        assert!(message.contains("authMode"), "{message}");
    }
    assert!(
        !connected(&admin, &created.id).await?,
        "another user's token does not connect the administrator"
    );
    refusals("POST", Some(&json!({"token": "t"}))).await
}

/// A schema of type string describes a token, one of type object describes credentials; a refusal names the place in
/// the schema, not the value.
#[tokio::test]
async fn a_credential_has_to_match_its_schema() -> Result<()> {
    let developer = world().await?.postern.caller(&world().await?.developer)?;
    let text = json!({"type": "string", "pattern": "^ghp_[a-z]{8}$"});
    let object = json!({
        "type": "object", "required": ["email", "token"], "additionalProperties": false,
        "properties": {"email": {"type": "string", "minLength": 5}, "token": {"type": "string", "maxLength": 12}},
    });
    let canary = "canary-of-a-value";
    for (n, (schema, body, place)) in [
        (&text, json!({"token": "ghp_abcdefgh"}), None),
        (&text, json!({"token": canary}), Some("")),
        (&text, json!({"credentials": {"token": "ghp_abcdefgh"}}), Some("")),
        (&object, json!({"credentials": {"email": "a@b.c", "token": "short"}}), None),
        (&object, json!({"credentials": {"email": "a@b.c", "token": canary}}), Some("token")),
        (&object, json!({"credentials": {"email": "a@b.c"}}), Some("token")),
        (&object, json!({"credentials": {"email": "a@b.c", "token": "t", "extra": canary}}), Some("")),
        (&object, json!({"token": "ghp_abcdefgh"}), Some("")),
    ]
    .into_iter()
    .enumerate()
    {
        let created = create(&format!("Adding schema {n}"), json!({"credentialSchema": schema})).await?;
        let answer = developer.post(&path(&created.id, "connection"), &body).await?;
        match place {
            None => assert_eq!(answer.status, 201, "{body}: {}", answer.text),
            Some(place) => {
                let message =
                    kontext_refusal(&answer, 400, "validation_error").with_context(|| body.to_string())?;
                assert!(message.contains(place), "{body}: {message}");
                assert!(!answer.text.contains(canary), "{body}: {}", answer.text);
                assert!(!connected(&developer, &created.id).await?, "{body}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn get_a_users_connection() -> Result<()> {
    let world = world().await?;
    let created = create("Standing", json!({})).await?;
    let (developer, colleague, admin) = (
        world.postern.caller(&world.developer)?,
        world.postern.caller(&world.colleague)?,
        world.postern.admin()?,
    );
    let all = [&developer, &colleague, &admin];
    for (who, expected) in
        [(None, [false; 3]), (Some(1), [false, true, false]), (Some(2), [false, true, true])]
    {
        if let Some(who) = who {
            let api: &Api = all[who];
            api.post(&path(&created.id, "connection"), &json!({"token": "mine"})).await?.expect(201)?;
        }
        for (api, expected) in all.into_iter().zip(expected) {
            assert_eq!(connected(api, &created.id).await?, expected);
        }
        // The integration shows the caller's own connection, alone and in a list.
        let shown = world.postern.integration(&created.id).await?.object;
        let status = if expected[2] { "connected" } else { "disconnected" };
        assert_eq!(shown["userConnection"], json!({"connected": expected[2], "status": status}));
        let listed = admin.get(&format!("{INTEGRATIONS}?name=Standing")).await?.expect(200)?;
        assert_eq!(listed["items"][0]["userConnection"], shown["userConnection"]);
    }
    refusals("GET", None).await
}

#[tokio::test]
async fn revoke_a_users_connection() -> Result<()> {
    let world = world().await?;
    let created = create("Revoking", json!({})).await?;
    let connection = path(&created.id, "connection");
    let (developer, colleague) =
        (world.postern.caller(&world.developer)?, world.postern.caller(&world.colleague)?);
    for api in [&developer, &colleague] {
        api.post(&connection, &json!({"token": "mine"})).await?.expect(201)?;
    }
    for _ in 0..2 {
        let answer = developer.delete(&connection).await?;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (204, ""),
            "also when the caller has no connection"
        );
        assert!(!connected(&developer, &created.id).await?);
        assert!(connected(&colleague, &created.id).await?, "another user stays connected");
    }
    let none = create("Revoking none", json!({"authMode": "none"})).await?;
    assert_eq!(developer.delete(&path(&none.id, "connection")).await?.status, 204);
    refusals("DELETE", None).await
}
