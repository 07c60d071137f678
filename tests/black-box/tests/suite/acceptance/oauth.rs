//! The OAuth configuration: get, replace, remove.

use anyhow::{Context as _, Result};
use black_box::api::Api;
use serde_json::{Value, json};

use super::{UNKNOWN, integration, kontext::merge, kontext_refuses, quiet, world};
use crate::{
    dialects::{keys, kontext_refusal},
    registry::{INTEGRATIONS, path},
};

async fn create(admin: &Api, name: &str, members: Value) -> Result<String> {
    let mut body = quiet(name);
    merge(&mut body, &members);
    Ok(integration(&admin.post(INTEGRATIONS, &body).await?, 201)?.id)
}

/// Reads the configuration.
async fn get(admin: &Api, id: &str) -> Result<Value> {
    let body = admin.get(&path(id, "oauth")).await?.expect(200)?;
    assert_eq!(keys(&body), ["oauth"]);
    Ok(body["oauth"].clone())
}

/// Replaces the configuration, and checks that GET and the integration show what the answer shows.
async fn put(admin: &Api, id: &str, body: &Value) -> Result<Value> {
    let put = admin.put(&path(id, "oauth"), body).await?.expect(200)?;
    assert_eq!(keys(&put), ["oauth"]);
    assert_eq!(put["oauth"], get(admin, id).await?);
    let integration = admin.get(&path(id, "")).await?.expect(200)?;
    assert_eq!(put["oauth"], integration["integration"]["oauth"]);
    Ok(put["oauth"].clone())
}

#[tokio::test]
async fn get_the_oauth_configuration() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    let given =
        json!({"provider": "github", "issuer": "https://login.example.com", "scopes": ["repo", "read:user"]});
    let id = create(&admin, "Configuration", json!({"authMode": "oauth", "oauth": given})).await?;
    let mut expected = given;
    expected["clientSecretConfigured"] = json!(false);
    assert_eq!(get(&admin, &id).await?, expected);
    let id = create(&admin, "Configuration without", json!({"authMode": "oauth"})).await?;
    let nothing = json!({"provider": null, "issuer": null, "scopes": [], "clientSecretConfigured": false});
    assert_eq!(get(&admin, &id).await?, nothing);

    for (name, members) in [
        ("Configuration none", json!({})),
        ("Configuration token", json!({"authMode": "server_token", "serverToken": "t"})),
    ] {
        let id = create(&admin, name, members).await?;
        let answer = admin.get(&path(&id, "oauth")).await?;
        kontext_refusal(&answer, 404, "not_found").context(name)?;
    }
    kontext_refuses("GET", |id| path(id, "oauth"), None).await
}

#[tokio::test]
async fn replace_the_oauth_configuration() -> Result<()> {
    const SECRET: &str = "canary-client-secret-8";
    let world = world().await?;
    let admin = world.postern.admin()?;
    let given = json!({"authMode": "oauth", "oauth": {"provider": "github", "scopes": ["repo"]}});
    let id = create(&admin, "Replacement", given).await?;

    // A PUT replaces the whole configuration: absent members are removed.
    let full = json!({
        "provider": "gitlab", "issuer": "https://login.example.com", "scopes": ["api", "read_user"],
        "clientId": "client-1", "clientSecret": SECRET,
        "authorizationUrl": "https://login.example.com/authorize", "tokenUrl": "https://login.example.com/token",
    });
    let mut shown = full.clone();
    shown.as_object_mut().context("not an object")?.remove("clientSecret");
    shown["clientSecretConfigured"] = json!(true);
    assert_eq!(put(&admin, &id, &full).await?, shown);
    assert_eq!(put(&admin, &id, &full).await?, shown, "the same again changes nothing");
    let whole = admin.get(&path(&id, "")).await?.text + &admin.get(INTEGRATIONS).await?.text;
    assert!(!whole.contains(SECRET));

    // The secret stays while the client and its authorization server are the same; another one of them or `null` removes
    // the secret.
    let mut same = shown.clone();
    same["scopes"] = json!(["api"]);
    same.as_object_mut().context("not an object")?.remove("clientSecretConfigured");
    for (body, configured) in [
        (same, true),
        (json!({"clientId": "client-1", "scopes": ["api"]}), false),
        (json!({"clientId": "client-1", "clientSecret": null}), false),
        (json!({"clientId": "client-1"}), false),
        (json!({"clientId": "client-1", "clientSecret": SECRET}), true),
        (json!({"clientId": "client-2"}), false),
        (json!({"clientId": "client-2", "clientSecret": SECRET}), true),
        (json!({}), false),
    ] {
        let oauth = put(&admin, &id, &body).await?;
        let mut expected =
            json!({"provider": null, "issuer": null, "scopes": [], "clientSecretConfigured": configured});
        merge(&mut expected, &body);
        expected.as_object_mut().context("not an object")?.remove("clientSecret");
        assert_eq!(oauth, expected, "{body}");
    }

    put(&admin, &id, &full).await?;
    for (body, named) in [
        (json!({"scopes": "repo"}), "scopes"),
        (json!({"scopes": [7]}), ""),
        (json!({"issuer": "http://login.example.com"}), "issuer"),
        (json!({"tokenUrl": "https://169.254.169.254/token"}), "tokenUrl"),
        (json!({"authorizationUrl": "javascript:alert(1)"}), "authorizationUrl"),
        (json!({"clientSecret": SECRET}), "clientId"),
        (json!({"clientId": "c", "clientSecret": ""}), "clientSecret"),
        (json!({"provider": "a\u{7}b"}), "provider"),
        (json!({"client_id": "snake"}), "client_id"),
        (json!([]), ""),
    ] {
        let answer = admin.put(&path(&id, "oauth"), &body).await?;
        let message = kontext_refusal(&answer, 400, "validation_error").with_context(|| body.to_string())?;
        assert!(message.contains(named) && !message.contains(SECRET), "{body}: {message}");
    }
    assert_eq!(get(&admin, &id).await?, shown, "a refused configuration changes nothing");

    for (name, members) in
        [("Replacement none", json!({})), ("Replacement user", json!({"authMode": "user_token"}))]
    {
        let id = create(&admin, name, members).await?;
        let answer = admin.put(&path(&id, "oauth"), &full).await?;
        let message = kontext_refusal(&answer, 400, "validation_error").context(name)?;
        assert!(message.contains("authMode"), "{message}");
    }
    kontext_refuses("PUT", |id| path(id, "oauth"), Some(&json!({}))).await
}

#[tokio::test]
async fn remove_the_oauth_configuration() -> Result<()> {
    let world = world().await?;
    let admin = world.postern.admin()?;
    let given = json!({"authMode": "oauth", "oauth": {"provider": "github", "scopes": ["repo"]}});
    let id = create(&admin, "Deconfiguration", given).await?;
    put(&admin, &id, &json!({"clientId": "c", "clientSecret": "canary-client-secret-9"})).await?;
    let answer = admin.delete(&path(&id, "oauth")).await?;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    kontext_refusal(&admin.get(&path(&id, "oauth")).await?, 404, "not_found")?;
    let left = integration(&admin.get(&path(&id, "")).await?, 200)?.object;
    assert_eq!((&left["authMode"], left.get("oauth")), (&json!("oauth"), None));
    // The secret is deleted with the configuration: a new configuration does not have it.
    assert_eq!(put(&admin, &id, &json!({"clientId": "c"})).await?["clientSecretConfigured"], false);
    kontext_refuses("DELETE", |id| path(id, "oauth"), None).await?;
    assert_eq!(admin.call("PATCH", &path(UNKNOWN, "oauth")).await?.status, 405);
    Ok(())
}
