//! The port conformance suite inside the runtime: the same checks that the native adapter passes, against the real
//! bindings.

use anyhow::{Context as _, Result};
use black_box::{Application, Host, Runtime, Start, api::Api, key};

use crate::fixtures;

#[tokio::test]
async fn the_ports_of_the_runtime_keep_their_contracts() -> Result<()> {
    let stub = fixtures::stub()?;
    let bindings = [
        ("ENCRYPTION_KEY".to_owned(), key::encryption_key()?),
        ("ALLOW_LOOPBACK_UPSTREAMS".to_owned(), "true".to_owned()),
    ];
    let start = Start {
        application: Application::PortSuite,
        bindings: bindings.into(),
        without_migrations: true,
        ..Start::default()
    };
    let host = Host::start(Runtime::under_test()?, start).await?;
    let answer = Api::to(host.url())?.get(&format!("/?helper={}", stub.url(""))).await?;
    let checks = answer.expect(200)?;
    let checks = checks.as_array().with_context(|| format!("not a list: {}", answer.text))?;
    let failed: Vec<_> = checks.iter().filter(|check| check["ok"] != true).collect();
    assert!(failed.is_empty(), "{failed:#?}\n{}", host.console());
    assert!(checks.len() >= 10, "only {} checks ran: {}", checks.len(), answer.text);
    Ok(())
}
