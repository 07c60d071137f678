//! Authorization servers that other people wrote, each with an MCP server behind it: found, connected, called, renewed,
//! ended, as far as each server offers that. `tests/peers/oauth` has the programs.

use anyhow::{Context as _, Result, ensure};
use black_box::{Integration, api::Api};
use serde_json::{Value, json};

use super::{World, identity::renew, link, whoami};
use crate::fixtures;

/// A server and what it offers.
struct Server {
    /// Its name in `tests/peers/oauth`.
    provider: &'static str,
    client: Client,
    /// How Postern authenticates at its token endpoint.
    auth: &'static str,
    /// The subject of the tokens of the account `alice`; none where tokens name no one.
    subject: Option<&'static str>,
    revocation: Revocation,
}

/// How Postern comes to a client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    /// Postern registers one (RFC 7591).
    Registered,
    /// The operator registered one by hand; the endpoints are in the server's metadata.
    Given,
    /// The operator registered one by hand; the server publishes no metadata, so the operator gave the endpoints, too.
    GivenWithEndpoints,
}

/// What becomes of the tokens of a connection that ends.
enum Revocation {
    /// The server revokes the grant, and the access token with it.
    Access,
    /// The server revokes the refresh token; the access token is signed and good until it expires.
    Refresh,
    /// The server answers 200 and revokes nothing.
    Ignored,
    /// The server refuses the request.
    Refused,
    /// No revocation endpoint is announced.
    NotOffered,
}

/// A server with one connection to it.
struct Life {
    server: Server,
    world: World,
    alice: Api,
    integration: Integration,
}

impl Life {
    /// Discovery, registration, consent.
    async fn begin(server: Server) -> Result<Self> {
        let world = World::new(json!({"provider": server.provider})).await?;
        let issuer = world.provider.issuer.trim_end_matches('/');
        let mut oauth = json!({});
        if server.client != Client::Registered {
            oauth = json!({"clientId": "confidential", "clientSecret": world.provider.client_secret});
        }
        if server.client == Client::GivenWithEndpoints {
            oauth["authorizationUrl"] = json!(format!("{issuer}/authorize"));
            oauth["tokenUrl"] = json!(format!("{issuer}/token"));
        }
        let integration = world.integration("Real server", &world.provider.mcp(), oauth).await?;
        let alice = world.user("alice").await?;
        let life = Self { server, world, alice, integration };
        life.world.connect_first(&life.alice, "alice", &life.integration).await?;
        let seen = life.world.provider.seen().await?;
        let asked = &seen["authorizations"][0];
        assert_eq!(asked["response_type"], "code", "{asked}");
        assert_eq!(asked["code_challenge_method"], "S256", "{asked}");
        assert_eq!(asked["resource"], life.world.provider.mcp(), "{asked}");
        assert_eq!(asked["client_id"], life.client(&seen)?, "{asked}");
        Ok(life)
    }

    /// The client that Postern is at the server.
    fn client(&self, seen: &Value) -> Result<Value> {
        let registered = seen["registrations"].as_array().context("no registrations")?;
        match (self.server.client, registered.as_slice()) {
            (Client::Registered, [one]) => Ok(one["client_id"].clone()),
            (Client::Given | Client::GivenWithEndpoints, []) => Ok(json!("confidential")),
            _ => anyhow::bail!("{} registrations", registered.len()),
        }
    }

    /// A call is made with a token of this person and this client.
    async fn call(&self) -> Result<()> {
        let me = fixtures::seen(&self.world.postern, "a call goes through", async || {
            Ok(whoami(&self.alice, &self.integration.slug).await.ok())
        })
        .await?;
        assert_eq!(me["sub"].as_str(), self.server.subject, "{me}");
        assert_eq!(me["client"], self.client(&self.world.provider.seen().await?)?, "{me}");
        Ok(())
    }

    /// Every token request so far was granted, carried the resource and was authenticated as agreed.
    async fn all_granted(&self) -> Result<()> {
        let seen = self.world.provider.seen().await?;
        let requests = seen["tokens"].as_array().context("no token requests")?;
        ensure!(requests.len() >= 2, "{requests:?}");
        for request in requests {
            assert_eq!(request["ok"], true, "{request}");
            assert_eq!(request["resource"], self.world.provider.mcp(), "{request}");
            assert_eq!(request["auth"], self.server.auth, "{request}");
            assert_eq!(request["client"], self.client(&seen)?, "{request}");
        }
        Ok(())
    }

    /// The user ends the connection.
    async fn end(&self) -> Result<()> {
        let provider = &self.world.provider;
        // The access token and the refresh token that were issued last.
        let seen = provider.seen().await?;
        let issued: Vec<String> = serde_json::from_value(seen["issued"].clone())?;
        let live = async |token: &str| provider.accepts(token).await;
        let mut access = Vec::new();
        for token in &issued {
            if live(token).await? {
                access.push(token.clone());
            }
        }
        let last = access.last().context("no access token is accepted")?;

        let place = format!("/mcp/integrations/{}/oauth/connection", self.integration.id);
        self.alice.delete(&place).await?.expect(204)?;
        let seen = provider.seen().await?;
        let revocations = seen["revocations"].as_array().context("no revocations")?;
        let answered: Vec<_> = revocations.iter().map(|asked| asked["ok"] == true).collect();
        let (expected, lives) = match self.server.revocation {
            Revocation::Access => (vec![true], false),
            Revocation::Refresh | Revocation::Ignored => (vec![true], true),
            Revocation::Refused => (vec![false], true),
            Revocation::NotOffered => (vec![], true),
        };
        assert_eq!(answered, expected, "{revocations:?}");
        assert_eq!(live(last).await?, lives, "the access token after the end");
        if matches!(self.server.revocation, Revocation::Refresh) {
            for token in issued.iter().filter(|token| !token.contains('.')) {
                assert!(!provider.is_active(token).await?, "the refresh token after the end");
            }
        }
        fixtures::seen(&self.world.postern, "calls ask to connect", async || {
            let linked = link(&self.alice, &self.integration.slug, "whoami").await.ok();
            Ok(linked.filter(|(reason, _)| reason == "you have not connected it yet"))
        })
        .await?;
        Ok(())
    }

    /// Another connection of the same client, whose grant then ends at the server: the user is told to connect again, and
    /// the next connection works. Postern stays the client that it was.
    async fn again(&self) -> Result<()> {
        self.world.connect(&self.alice, "alice", &self.integration).await?;
        self.call().await?;
        self.world.provider.set(json!({"forget": true})).await?;
        let due = "UPDATE credentials SET refresh_at = 1 WHERE integration_id = ?1 RETURNING id";
        assert_eq!(self.world.postern.sql(due, json!([self.integration.id])).await?.len(), 1);
        self.world.postern.job("refresh").await?.expect(200)?;
        fixtures::seen(&self.world.postern, "calls ask to connect again", async || {
            let linked = link(&self.alice, &self.integration.slug, "whoami").await.ok();
            Ok(linked.filter(|(reason, _)| reason == "the connection has ended and has to be made again"))
        })
        .await?;
        let seen = self.world.provider.seen().await?;
        let last = seen["tokens"].as_array().and_then(|tokens| tokens.last()).context("no token requests")?;
        assert_eq!((&last["grant"], &last["error"]), (&json!("refresh_token"), &json!("invalid_grant")));
        self.world.connect(&self.alice, "alice", &self.integration).await?;
        self.call().await?;
        let client = self.client(&self.world.provider.seen().await?)?;
        ensure!(client.is_string(), "another client: {client}");
        Ok(())
    }
}

async fn whole_life(server: Server) -> Result<()> {
    let keeps_grants = server.provider != "mock";
    let life = Life::begin(server).await?;
    life.call().await?;
    renew(&life.world).await?;
    life.call().await?;
    life.all_granted().await?;
    life.end().await?;
    // oauth2-mock-server forgets no grant, because it remembers none.
    if keeps_grants { life.again().await } else { Ok(()) }
}

/// `FastMCP` 4.2.3 and its own provider, whose endpoints are those of the Python SDK.
#[tokio::test]
async fn fastmcp() -> Result<()> {
    whole_life(Server {
        provider: "fastmcp",
        client: Client::Registered,
        auth: "post",
        subject: None,
        revocation: Revocation::Access,
    })
    .await
}

/// The same with a client for `client_secret_basic`: the Python SDK wants `client_id` in the form as well. Its revocation
/// endpoint also wants the secret there, and so never serves such a client.
#[tokio::test]
async fn fastmcp_with_a_client_for_basic_authentication() -> Result<()> {
    whole_life(Server {
        provider: "fastmcp",
        client: Client::Given,
        auth: "basic",
        subject: None,
        revocation: Revocation::Refused,
    })
    .await
}

/// The TypeScript SDK's `mcpAuthRouter`, which knows `client_secret_post` only.
#[tokio::test]
async fn the_typescript_sdk() -> Result<()> {
    whole_life(Server {
        provider: "sdk",
        client: Client::Registered,
        auth: "post",
        subject: Some("alice"),
        revocation: Revocation::Access,
    })
    .await
}

/// oidc-provider 9: RFC 8414, 7591, 7009, 8707, 9207, rotation with reuse detection.
#[tokio::test]
async fn oidc_provider() -> Result<()> {
    whole_life(Server {
        provider: "oidc",
        client: Client::Registered,
        auth: "basic",
        subject: Some("alice"),
        revocation: Revocation::Refresh,
    })
    .await
}

/// oauth2-mock-server 9: OpenID Connect discovery only; registration is added to it for this suite.
#[tokio::test]
async fn oauth2_mock_server() -> Result<()> {
    whole_life(Server {
        provider: "mock",
        client: Client::Registered,
        auth: "none",
        subject: Some("johndoe"),
        revocation: Revocation::Ignored,
    })
    .await
}

/// @node-oauth/oauth2-server 5, which has neither registration nor revocation.
#[tokio::test]
async fn node_oauth2_server() -> Result<()> {
    whole_life(Server {
        provider: "node-oauth",
        client: Client::Given,
        auth: "basic",
        subject: Some("alice"),
        revocation: Revocation::NotOffered,
    })
    .await
}

/// Authlib 1.9 on Flask: no document says where its endpoints are.
#[tokio::test]
async fn authlib() -> Result<()> {
    whole_life(Server {
        provider: "authlib",
        client: Client::GivenWithEndpoints,
        auth: "basic",
        subject: Some("alice"),
        revocation: Revocation::NotOffered,
    })
    .await
}
