//! The request that a component gets: its URI, its headers and those that Spin adds.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri,
    header::HOST,
    uri::{Authority, Scheme},
};
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

use crate::{
    outbound::{Answer, Io},
    routes::Match,
};

/// Lets the `host` header of incoming requests pass.
pub(crate) struct Inbound;

impl WasiHttpHooks for Inbound {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|name| *name != HOST && DEFAULT_FORBIDDEN_HEADERS.contains(name))
    }

    /// Never called: outgoing requests have hooks of their own.
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

/// Makes the URI absolute and appends Spin's headers after the client's own.
pub(crate) fn prepare(parts: &mut http::request::Parts, route: &Match, client: SocketAddr) -> Result<()> {
    for (name, value) in &parts.headers {
        ensure!(str::from_utf8(value.as_bytes()).is_ok(), "header {name} is not UTF-8");
    }
    let authority = authority(&parts.headers, &parts.uri)?;
    let mut uri = parts.uri.clone().into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(authority);
    parts.uri = Uri::from_parts(uri)?;

    let mut add = |name: &str, value: &str| -> Result<()> {
        parts.headers.append(HeaderName::try_from(name)?, HeaderValue::from_str(value)?);
        Ok(())
    };
    add("spin-path-info", &route.path_info)?;
    add("spin-full-url", &parts.uri.to_string())?;
    add("spin-matched-route", &route.route)?;
    add("spin-base-path", "/")?;
    add("spin-raw-component-route", &route.route)?;
    add("spin-component-route", route.route.strip_suffix("/...").unwrap_or(&route.route))?;
    add("spin-client-addr", &client.to_string())?;
    for (name, value) in &route.captures {
        add(&format!("spin-path-match-{}", name.replace('_', "-").to_ascii_lowercase()), value)?;
    }
    Ok(())
}

/// The authority that the client addressed.
fn authority(headers: &HeaderMap, uri: &Uri) -> Result<Authority> {
    let host = match headers.get(HOST) {
        Some(host) => Some(host.to_str()?.parse().context("the Host header is not an authority")?),
        None => None,
    };
    match (host, uri.authority()) {
        (Some(host), Some(authority)) => {
            ensure!(host == *authority, "the Host header is not the URI's authority");
            Ok(host)
        }
        (Some(host), None) => Ok(host),
        (None, Some(authority)) => Ok(authority.clone()),
        (None, None) => anyhow::bail!("no Host header"),
    }
}
