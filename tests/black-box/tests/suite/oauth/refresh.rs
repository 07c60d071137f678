//! Many callers find the same token expiring: one of them renews it, and the grant is never lost.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use black_box::{Integration, api::Api, mcp::Request};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{World, read_whoami};

/// The number of callers at the same time.
const CALLERS: usize = 200;
/// The number of grants, each of a user of its own.
const GRANTS: usize = 7;
/// How often each grant's token expires: more than 10 000 attempts in all.
const EXPIRIES: usize = 8;
/// How long an instance uses what it remembers.
const FORGOTTEN: Duration = Duration::from_millis(5_300);

/// Users with a grant each.
struct Grants {
    world: World,
    integration: Integration,
    users: Vec<(Api, String)>,
}

impl Grants {
    /// Connects `count` users. With `lossy`, Postern uses the token endpoint that loses answers.
    async fn new(count: usize, lossy: bool) -> Result<Self> {
        let world = World::new(json!({})).await?;
        let oauth = if lossy { json!({"tokenUrl": world.provider.lossy()}) } else { json!({}) };
        let integration = world.integration("Rotating", &world.provider.mcp(), oauth).await?;
        let mut users = Vec::new();
        for n in 0..count {
            let (api, account) = (world.user("caller").await?, format!("account-{n}"));
            world.connect(&api, &account, &integration).await?;
            users.push((api, account));
        }
        world.tools_known(&integration).await?;
        Ok(Self { world, integration, users })
    }

    /// Leaves every token half a minute of life: too little to be used.
    async fn expire(&self) -> Result<()> {
        let sql = "UPDATE credentials SET expires_at = CAST(unixepoch('now') * 1000 + 30000 AS INTEGER) RETURNING id";
        let rows = self.world.postern.sql(sql, json!([])).await?;
        ensure!(rows.len() == self.users.len(), "{} credentials", rows.len());
        tokio::time::sleep(FORGOTTEN).await;
        Ok(())
    }

    /// Calls `callers` times at once as one user. Returns the failures; every other answer must be that user's.
    async fn call(&self, (api, account): &(Api, String), callers: usize) -> Result<Vec<Value>> {
        let path = self.integration.path();
        let calls = (0..callers).map(|n| {
            let path = &path;
            async move {
                let params = json!({"name": "whoami", "arguments": {"nonce": n.to_string()}});
                let reply = Request::modern(json!(n), "tools/call", params)?.send(api, path).await?;
                anyhow::Ok((n, reply.result(&json!(n))?.clone()))
            }
        });
        let mut failed = Vec::new();
        for answer in join_all(calls).await {
            let (n, result) = answer?;
            if result["isError"] == true {
                failed.push(result);
                continue;
            }
            let (answer, nonce) = (read_whoami(&result)?, n.to_string());
            ensure!(answer["sub"] == *account && answer["nonce"] == nonce, "{account} {n}: {answer}");
        }
        Ok(failed)
    }

    /// Checks that every user is still connected, and that every stored token can be renewed once more.
    async fn none_is_lost(&self) -> Result<()> {
        let sql = "SELECT count(*) AS n FROM credentials WHERE status = 'active' AND lease_until = 0";
        let active = self.world.postern.sql(sql, json!([])).await?;
        ensure!(active[0]["n"] == self.users.len(), "{active:?} of {}", self.users.len());
        let (before, refused) = self.world.provider.token_requests("refresh_token").await?;
        ensure!(refused == 0, "{refused} refreshes were refused");
        self.expire().await?;
        for user in &self.users {
            let failed = self.call(user, 1).await?;
            ensure!(failed.is_empty(), "{failed:?}");
        }
        let after = self.world.provider.token_requests("refresh_token").await?;
        ensure!(after == (before + self.users.len(), 0), "{before} before, {after:?} after");
        Ok(())
    }
}

#[tokio::test]
async fn one_of_many_callers_renews() -> Result<()> {
    let grants = Grants::new(GRANTS, false).await?;
    let mut attempts = 0;
    for expiry in 1..=EXPIRIES {
        grants.expire().await?;
        for (n, user) in grants.users.iter().enumerate() {
            let failed = grants.call(user, CALLERS).await?;
            ensure!(failed.is_empty(), "{} of {CALLERS} calls failed: {}", failed.len(), failed[0]);
            attempts += CALLERS;
            let expected = (expiry - 1) * GRANTS + n + 1;
            let refreshes = grants.world.provider.token_requests("refresh_token").await?;
            ensure!(refreshes == (expected, 0), "{refreshes:?} refreshes instead of {expected}");
        }
    }
    assert!(attempts >= 10_000, "{attempts}");
    grants.none_is_lost().await?;
    let sql = "SELECT event_type, count(*) AS n FROM auth_events WHERE event_type LIKE 'refresh%' GROUP BY event_type";
    let events = grants.world.postern.sql(sql, json!([])).await?;
    assert_eq!(events, [json!({"event_type": "refresh_succeeded", "n": (EXPIRIES + 1) * GRANTS})]);
    Ok(())
}

/// The provider has rotated the token, but its answer is lost.
#[tokio::test]
async fn a_lost_answer_does_not_lose_the_grant() -> Result<()> {
    const ROUNDS: usize = 4;
    let grants = Grants::new(3, true).await?;
    let (mut lost, mut failed) = (0, 0);
    for round in 0..ROUNDS {
        grants.expire().await?;
        for user in &grants.users {
            // One answer is lost, or two in a row.
            let in_a_row = 1 + round % 2;
            lost += in_a_row;
            grants.world.provider.set(json!({"lose": in_a_row})).await?;
            let failures = grants.call(user, CALLERS).await?;
            for failure in &failures {
                let text = black_box::mcp::text(failure);
                ensure!(text.contains("the token endpoint did not answer"), "{failure}");
            }
            ensure!(
                failures.len() <= in_a_row,
                "{} calls failed for {in_a_row} lost answers",
                failures.len()
            );
            failed += failures.len();
        }
    }
    let seen = grants.world.provider.seen().await?;
    assert_eq!((&seen["lost"], &seen["lose"]), (&json!(lost), &json!(0)));
    assert!(seen["replayed"].as_u64() >= Some(u64::try_from(lost)?), "{} for {lost}", seen["replayed"]);
    assert!(failed > 0, "no call noticed that an answer was lost");
    // Each expiry led to one refresh at the provider itself.
    let expected = (ROUNDS * grants.users.len(), 0);
    assert_eq!(grants.world.provider.token_requests("refresh_token").await?, expected);
    grants.none_is_lost().await
}

/// A token endpoint that is down gets few requests, however many callers wait.
#[tokio::test]
async fn an_endpoint_that_is_down_is_left_alone() -> Result<()> {
    let grants = Grants::new(1, false).await?;
    grants.expire().await?;
    let unavailable = json!({"status": 503, "body": {"error": "temporarily_unavailable"}});
    grants.world.provider.set(json!({"failToken": unavailable})).await?;
    let tokens = async || {
        let seen = grants.world.provider.seen().await?;
        seen["tokens"].as_array().map(Vec::len).context("no token requests")
    };
    let before = tokens().await?;
    let user = &grants.users[0];
    let failed = grants.call(user, CALLERS).await?;
    assert_eq!(failed.len(), CALLERS);
    // A caller's turn may not come before it stops waiting.
    let texts: Vec<_> = failed.iter().map(black_box::mcp::text).collect();
    let refused = texts.iter().filter(|text| text.contains("503")).count();
    let waited = texts.iter().filter(|text| text.contains("the token is being renewed")).count();
    assert!(refused > 0 && refused + waited == CALLERS, "{texts:?}");
    let asked = tokens().await? - before;
    println!("{asked} requests to an endpoint that is down, for {CALLERS} callers");
    assert!(asked <= CALLERS, "{asked}");
    grants.world.provider.set(json!({"failToken": null})).await?;
    grants.none_is_lost().await
}
