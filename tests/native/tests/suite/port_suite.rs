//! The port conformance suite on the native adapter, so that whole-router tests run on ports that keep their
//! contracts.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use kernel::ports::Background;
use native::App;
use stub_upstream::{Options, Stub};

struct Spawn;

impl Background for Spawn {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        tokio::task::spawn_local(work);
    }
}

#[tokio::test]
async fn the_native_ports_conform() {
    let helper = Stub::start(Options::default()).unwrap();
    let mut app = App::new(Vec::new(), &[]);
    app.platform.ports.background = Rc::new(Spawn);
    let base = helper.url("").trim_end_matches('/').to_owned();
    let checks = tokio::task::LocalSet::new().run_until(port_suite::run(&app.platform, &base)).await;
    let failed: Vec<_> = checks.iter().filter(|check| !check.ok).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(checks.len() > 20);
}
