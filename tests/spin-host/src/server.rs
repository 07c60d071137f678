//! The HTTP server in front of the components.

use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::{
    inbound,
    instances::{Handler, Instances},
    routes::{Match, Routes},
};

/// The routes, and the components that they lead to.
pub(crate) struct Server {
    routes: Routes,
    handlers: BTreeMap<String, Handler>,
}

impl Server {
    pub(crate) fn new(routes: Routes, components: impl IntoIterator<Item = (String, Instances)>) -> Self {
        let handlers = components.into_iter().map(|(id, instances)| (id, Handler::new(instances)));
        Self { routes, handlers: handlers.collect() }
    }

    /// Serves until the process ends.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, client) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    eprintln!("accept: {error}");
                    continue;
                }
            };
            // Small parts of a stream must not wait for each other.
            let _ = stream.set_nodelay(true);
            let server = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let server = server.clone();
                    async move { Ok::<_, Infallible>(server.answer(request, client).await) }
                });
                // A client that leaves early is not an error of the host.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>, client: SocketAddr) -> Response<WasiBody> {
        let path = request.uri().path().to_owned();
        if let Some(name) = path.strip_prefix("/.well-known/spin/") {
            return match name {
                "health" => plain(StatusCode::OK, "OK"),
                _ => plain(StatusCode::NOT_FOUND, ""),
            };
        }
        let Some(route) = self.routes.find(&path) else {
            return plain(StatusCode::NOT_FOUND, "");
        };
        self.call(&route, request, client).await.unwrap_or_else(|error| {
            eprintln!("{}: {path}: {error:#}", route.component);
            plain(StatusCode::INTERNAL_SERVER_ERROR, "")
        })
    }

    async fn call(
        &self,
        route: &Match,
        request: Request<Incoming>,
        client: SocketAddr,
    ) -> Result<Response<WasiBody>> {
        let (mut parts, body) = request.into_parts();
        inbound::prepare(&mut parts, route, client)?;
        let handler = self.handlers.get(&route.component).context("no such component")?;
        let body = body.map_err(Error::Hyper).boxed_unsync();
        Ok(handler.handle((), Request::from_parts(parts, body)).await?)
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<WasiBody> {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}
