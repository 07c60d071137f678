//! `allowed_outbound_hosts`: which URLs a component may call.

use std::{ops::Range, str::FromStr as _};

use anyhow::{Context as _, Result, bail, ensure};
use http::Uri;

/// The hosts that one component may call.
#[derive(Debug, Default)]
pub(crate) struct AllowedHosts(Vec<AllowedHost>);

#[derive(Debug)]
struct AllowedHost {
    /// `None` allows every scheme.
    scheme: Option<String>,
    host: Host,
    /// `None` allows every port.
    ports: Option<Range<u32>>,
}

#[derive(Debug)]
enum Host {
    Any,
    /// The suffix of the host name, which starts with a dot.
    AnySubdomain(String),
    One(String),
}

impl AllowedHosts {
    pub(crate) fn parse(hosts: &[String]) -> Result<Self> {
        let hosts = hosts.iter().map(|text| AllowedHost::parse(text).with_context(|| text.clone()));
        Ok(Self(hosts.collect::<Result<_>>()?))
    }

    /// Whether the component may send a request to `url`, which must be absolute.
    pub(crate) fn allows(&self, url: &Uri) -> bool {
        let (Some(scheme), Some(host)) = (url.scheme_str(), url.host()) else {
            return false;
        };
        let port = url.port_u16().or_else(|| well_known_port(scheme)).map(u32::from);
        self.0.iter().any(|allowed| allowed.allows(scheme, &host.to_ascii_lowercase(), port))
    }
}

impl AllowedHost {
    fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text.trim().split_once("://").context("no scheme, such as https:// or *://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        ensure!(!rest.contains('/'), "neither paths nor networks are known to this host");
        // An IPv6 address has colons of its own.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (rest, ""),
        };
        let ports = match port {
            "*" => None,
            "" => {
                let port = well_known_port(scheme).context("no port and no scheme that has one")?;
                Some(u32::from(port)..u32::from(port) + 1)
            }
            _ => Some(parse_ports(port)?),
        };
        let scheme = (scheme != "*").then(|| scheme.to_owned());
        Ok(Self { scheme, host: Host::parse(host)?, ports })
    }

    fn allows(&self, scheme: &str, host: &str, port: Option<u32>) -> bool {
        self.scheme.as_ref().is_none_or(|allowed| allowed == scheme)
            && self.host.allows(host)
            && self.ports.as_ref().is_none_or(|allowed| port.is_some_and(|port| allowed.contains(&port)))
    }
}

impl Host {
    fn parse(host: &str) -> Result<Self> {
        if host == "*" {
            return Ok(Self::Any);
        }
        if let Some(domain) = host.strip_prefix("*.") {
            ensure!(!domain.contains('*'), "a wildcard stands only at the start");
            return Ok(Self::AnySubdomain(format!(".{domain}")));
        }
        ensure!(!host.is_empty() && !host.contains('*'), "a wildcard stands only for whole labels");
        if matches!(host, "self" | "self.alt") || host.ends_with(".spin.internal") {
            bail!("calls to the application itself are not known to this host");
        }
        Ok(Self::One(host.to_owned()))
    }

    fn allows(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::AnySubdomain(suffix) => host.ends_with(suffix.as_str()),
            Self::One(allowed) => allowed == host,
        }
    }
}

/// A port such as `8000`, or a range such as `8000..9000`, which excludes its end.
fn parse_ports(text: &str) -> Result<Range<u32>> {
    let number =
        |text: &str| u16::from_str(text).map(u32::from).with_context(|| format!("{text} is not a port"));
    match text.split_once("..") {
        Some((start, end)) => Ok(number(start)?..number(end)?),
        None => number(text).map(|port| port..port + 1),
    }
}

fn well_known_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &str, url: &str) -> bool {
        AllowedHosts::parse(&[allowed.to_owned()]).unwrap().allows(&url.parse().unwrap())
    }

    #[test]
    fn scheme_host_and_port_have_to_fit() {
        assert!(allows("https://example.com", "https://example.com/a"));
        assert!(allows("https://example.com", "https://EXAMPLE.com:443/a"));
        assert!(allows("https://example.com/", "https://example.com/a"));
        assert!(!allows("https://example.com", "http://example.com/a"));
        assert!(!allows("https://example.com", "https://example.com:8443/a"));
        assert!(!allows("https://example.com", "https://www.example.com/a"));
        assert!(allows("http://127.0.0.1:*", "http://127.0.0.1:3001/mcp"));
        assert!(allows("http://[::1]:8000..9000", "http://[::1]:8999/"));
        assert!(!allows("http://[::1]:8000..9000", "http://[::1]:9000/"));
        assert!(allows("http://[::1]", "http://[::1]/"));
    }

    #[test]
    fn wildcards() {
        assert!(allows("*://*:*", "http://a.example:1/"));
        assert!(allows("https://*:*", "https://a.example:1/"));
        assert!(!allows("https://*:*", "http://a.example:1/"));
        assert!(allows("https://*.example.com", "https://a.b.example.com/"));
        assert!(!allows("https://*.example.com", "https://example.com/"));
        assert!(!allows("https://*.example.com", "https://badexample.com/"));
    }

    #[test]
    fn refuses_what_it_would_get_wrong() {
        for text in
            ["example.com", "*", "*://example.com", "https://a.*", "https://a/b", "http://self", "http://x:y"]
        {
            assert!(AllowedHosts::parse(&[text.to_owned()]).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        assert!(!AllowedHosts::default().allows(&"https://example.com/".parse().unwrap()));
    }
}
