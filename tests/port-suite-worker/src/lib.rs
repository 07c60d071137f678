//! A Worker that runs the port conformance suite on Cloudflare's ports, inside real WASM on real workerd:
//! `GET /?helper=<base URL of a stub upstream>` answers `[{name, ok, error?}]`.

use std::rc::Rc;

use kernel::{Error, Result};
use web::answer::json;
use web::{Body, Response as Answer};
use worker::{Context, Env, Request, Response, event};

#[event(start)]
fn start() {
    cloudflare::init_logger();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    let request = cloudflare::to_web(request).await;
    let answer = run(&request, &env, context).await;
    let answer = answer.unwrap_or_else(|error| Answer::new(Body::from(error.report())));
    cloudflare::to_worker(answer)
}

async fn run(request: &http::Request<Body>, env: &Env, context: Context) -> Result<Answer> {
    let query = request.uri().query().unwrap_or_default();
    let helper =
        query.strip_prefix("helper=").ok_or_else(|| Error::invalid("?helper=<base URL> is missing"))?;
    let later = Rc::new(move |work| context.wait_until(work));
    let ports = cloudflare::ports(env, later, Rc::new(kernel::ports::Stays), Rc::default());
    let checks = port_suite::run(&ports, helper.trim_end_matches('/')).await;
    json(http::StatusCode::OK, &checks)
}
