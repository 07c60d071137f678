//! Two users act at the same time, in random steps: neither ever sees anything of the other's.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use black_box::{Integration, Runtime, api::Api, mcp::Request, oauth::PUBLIC_URL};
use futures_util::future::{join_all, try_join};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::{World, read_whoami};
use crate::dialects::keys;

/// The number of steps of each user; every call counts as one.
const STEPS: usize = 5_100;
/// The most calls at the same time.
const BURST: usize = 8;
/// The seed of the random steps: fixed, so that a failed run can be repeated.
const SEED: u64 = 0x5eed_0005;
/// How long another instance may use what it remembers: five seconds, and two for a busy machine.
const STALE: Duration = Duration::from_secs(7);

/// `SplitMix64`: a small generator with the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap_or_default()
    }
}

/// One user, and what the answers to this user must show.
struct User<'w> {
    world: &'w World,
    name: &'static str,
    api: Api,
    integrations: &'w [Integration],
    /// The user's account at each integration; `None` while the user is not connected.
    accounts: Vec<Option<String>>,
    /// Former accounts, each with the time until which another instance may still use it.
    former: Vec<Vec<(Option<String>, Instant)>>,
    may_write: bool,
    random: Random,
    steps: usize,
    done: BTreeMap<&'static str, usize>,
}

impl<'w> User<'w> {
    async fn new(
        world: &'w World,
        name: &'static str,
        role: &str,
        integrations: &'w [Integration],
        seed: u64,
    ) -> Result<Self> {
        let key = world.postern.insert_key(name, &[role], None).await?;
        Ok(Self {
            world,
            name,
            api: world.postern.caller(&key)?,
            integrations,
            accounts: vec![None; integrations.len()],
            former: vec![Vec::new(); integrations.len()],
            may_write: role == "developer",
            random: Random(seed),
            steps: 0,
            done: BTreeMap::new(),
        })
    }

    async fn run(mut self) -> Result<(usize, BTreeMap<&'static str, usize>)> {
        while self.steps < STEPS {
            let at = self.random.below(self.integrations.len());
            let (step, count) = match self.random.below(100) {
                0..=1 => ("connect", self.connect(at).await.map(|()| 1)),
                2 => ("disconnect", self.disconnect(at).await.map(|()| 1)),
                3..=4 => ("refresh", self.refresh(at).await.map(|()| 1)),
                5..=9 => ("list", self.list(at).await.map(|()| 1)),
                10..=14 => ("overview", self.overview().await.map(|()| 1)),
                _ => ("call", self.call(at).await),
            };
            let (name, steps) = (self.name, self.steps);
            let count =
                count.with_context(|| format!("{name}, step {steps}: {step} {at}, seed {SEED:#x}"))?;
            *self.done.entry(step).or_default() += count;
            self.steps += count;
        }
        Ok((self.steps, self.done))
    }

    fn change(&mut self, at: usize, account: Option<String>) {
        let former = std::mem::replace(&mut self.accounts[at], account);
        let now = Instant::now();
        self.former[at].retain(|(_, until)| now < *until);
        self.former[at].push((former, now + STALE));
    }

    async fn connect(&mut self, at: usize) -> Result<()> {
        let account = format!("{}-{}", self.name, self.random.below(3));
        self.world.connect(&self.api, &account, &self.integrations[at]).await?;
        self.change(at, Some(account));
        Ok(())
    }

    async fn disconnect(&mut self, at: usize) -> Result<()> {
        let path = format!("/mcp/integrations/{}/oauth/connection", self.integrations[at].id);
        self.api.delete(&path).await?.expect(204)?;
        self.change(at, None);
        Ok(())
    }

    /// Runs the job `refresh`, which renews this user's token and any other credential that is due.
    async fn refresh(&mut self, at: usize) -> Result<()> {
        let sql = "UPDATE credentials SET refresh_at = 1
                   WHERE integration_id = ?1 AND owner = (SELECT coalesce(principal, 'key:' || id) FROM api_keys WHERE name = ?2) RETURNING id";
        let rows = self.world.postern.sql(sql, json!([self.integrations[at].id, self.name])).await?;
        ensure!(rows.len() == usize::from(self.accounts[at].is_some()), "{rows:?}");
        self.world.postern.job("refresh").await?.expect(200)?;
        Ok(())
    }

    /// Checks that the listed tools are those of the user's own persona.
    async fn list(&mut self, at: usize) -> Result<()> {
        let request = Request::modern(json!(1), "tools/list", json!({}))?;
        let reply = request.send(&self.api, &self.integrations[at].path()).await?;
        let result = reply.result(&json!(1))?;
        let names: Vec<_> =
            result["tools"].as_array().into_iter().flatten().map(|tool| &tool["name"]).collect();
        let expected: &[&str] = if self.may_write { &["whoami", "write"] } else { &["whoami"] };
        ensure!(names == expected, "{names:?} instead of {expected:?}");
        Ok(())
    }

    /// Checks that exactly the integrations that this user connected are shown as connected.
    async fn overview(&mut self) -> Result<()> {
        let listed = self.api.get("/mcp/integrations").await?.expect(200)?;
        for (integration, account) in self.integrations.iter().zip(&self.accounts) {
            let mut items = listed["items"].as_array().into_iter().flatten();
            let item = items.find(|item| item["id"] == integration.id).context("not listed")?;
            ensure!(item["connection"]["connected"] == account.is_some(), "{account:?}: {item}");
        }
        Ok(())
    }

    /// Calls several times at once: each call must get its own answer, for this user's account.
    async fn call(&mut self, at: usize) -> Result<usize> {
        let count = 1 + self.random.below(BURST);
        let path = self.integrations[at].path();
        let calls = (0..count).map(|n| {
            let nonce = format!("{}-{}-{n}", self.name, self.steps);
            let (api, path) = (&self.api, &path);
            async move {
                let params = json!({"name": "whoami", "arguments": {"nonce": nonce}});
                let reply = Request::modern(json!(nonce), "tools/call", params)?.send(api, path).await?;
                anyhow::Ok((reply.result(&json!(nonce))?.clone(), nonce))
            }
        });
        let (begin, runtime) = (Instant::now(), self.world.postern.runtime());
        for answer in join_all(calls).await {
            let (result, nonce) = answer?;
            let seen = account_of(&result, &nonce)?;
            let was_so = |(former, until): &(_, Instant)| begin < *until && seen == *former;
            let is_late = runtime == Runtime::Spin && self.former[at].iter().any(was_so);
            ensure!(
                seen == self.accounts[at] || is_late,
                "{seen:?} instead of {:?}: {result}",
                self.accounts[at]
            );
        }
        Ok(count)
    }
}

/// The account that an answer is for; `None` when the answer asks the user to connect.
fn account_of(result: &Value, nonce: &str) -> Result<Option<String>> {
    if result["isError"] == true {
        let text = black_box::mcp::text(result);
        ensure!(text.contains(&format!("open {PUBLIC_URL}/oauth/connect?ticket=")), "{result}");
        return Ok(None);
    }
    let answer = read_whoami(result)?;
    ensure!(answer["nonce"] == nonce, "the answer to another call: {answer} instead of {nonce}");
    Ok(answer["sub"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn two_users_never_see_anything_of_each_others() -> Result<()> {
    let personas = json!([
        {"name": "developer", "roles": ["developer"], "allow_tools": ["*"], "allow_connections": ["*"]},
        {"name": "reader", "roles": ["reader"], "allow_tools": ["*"], "deny_tools": ["*__write"],
         "allow_connections": ["*"]},
    ]);
    let settings = super::settings()?.with("PERSONAS", personas.to_string());
    // Calls renew tokens too, four seconds after they were issued: a token is not used in its last minute.
    let world = World::with_settings(settings, json!({"accessTtl": 64})).await?;
    let mut integrations = Vec::new();
    for (name, url) in [("Stateless", world.provider.mcp()), ("Sessions", world.provider.legacy())] {
        let integration = world.integration(name, &url, json!({})).await?;
        world.connect_first(&world.user("pioneer").await?, "pioneer", &integration).await?;
        integrations.push(integration);
    }
    let alice = User::new(&world, "alice", "developer", &integrations, SEED).await?;
    let bob = User::new(&world, "bob", "reader", &integrations, !SEED).await?;
    let (alice, bob) = try_join(alice.run(), bob.run()).await?;

    assert!(alice.0 + bob.0 >= 10_000, "{alice:?} {bob:?}");
    for done in [&alice.1, &bob.1] {
        for step in ["connect", "disconnect", "refresh", "list", "overview", "call"] {
            assert!(done.get(step).is_some_and(|count| *count >= 5), "too few of {step}: {done:?}");
        }
    }
    let seen = world.provider.seen().await?;
    assert_eq!(seen["crossed"], 0);
    let (good, bad) = world.provider.token_requests("refresh_token").await?;
    assert!(good >= 20 && bad == 0, "{good} refreshes, {bad} refused");
    // The upstream refused only requests without a token: none had a wrong audience, a wrong issuer or an ended
    // token.
    let refused: Vec<_> = keys(&seen["refused"]);
    assert_eq!(refused, ["no token"], "{}", seen["refused"]);
    for account in keys(&seen["calls"]) {
        assert!(account.starts_with("alice-") || account.starts_with("bob-"), "{account}");
    }
    Ok(())
}
