//! The rules for URLs that Postern may send requests to. [`SafeUrl::parse`] is the only way to make a [`SafeUrl`],
//! and the Fetch port takes nothing else, so every upstream URL (also a discovered one) has passed these rules.
//!
//! A Worker cannot see which address a name resolves to. The rules below exclude every literal address and every
//! well-known name of a private host; a public name that resolves to a private address is stopped by the runtime
//! (`global_fetch_strictly_public` on Cloudflare, `block_networks` on Spin), not here.

mod schema;

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

pub use self::schema::UpstreamUrl;
use crate::Error;

/// Exceptions from the rules that a deployment allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy {
    /// Allows `http` and `https` to loopback hosts on any port. For development and tests.
    pub allow_loopback: bool,
}

/// A URL that passed the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeUrl(Url);

/// The rule that a URL breaks, worded as a requirement ("must be an https URL"). The text is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("url {0}")]
pub struct UnsafeUrl(&'static str);

impl UnsafeUrl {
    /// Returns the error for the request's field `field`, which contained the URL.
    pub fn field(self, field: &str) -> Error {
        Error::invalid_field(field, self.0)
    }
}

const MAX_LENGTH: usize = 2048;
/// Longest host name (RFC 1035 §2.3.4).
const MAX_NAME_LENGTH: usize = 253;
/// Suffixes of names that resolve only inside a network, or not at all (RFC 6762 appendix G, and those of clusters and
/// clouds).
const PRIVATE_SUFFIXES: [&str; 14] = [
    "localhost",
    "local",
    "localdomain",
    "localdomain6",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "arpa",
    "svc",
    "consul",
    "docker",
];
/// Names under public suffixes at which clouds serve the credentials of a machine; those that end with a private suffix
/// (`metadata.google.internal`, `instance-data.ec2.internal`) need no mention here.
const METADATA_NAMES: [&str; 6] = [
    "metadata.goog",
    "metadata.tencentyun.com",
    "metadata.cloud.ibm.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.exoscale.com",
];
/// Public suffixes under which a name resolves to the address that the name spells out, or to a loopback address.
const WILDCARD_SUFFIXES: [&str; 17] = [
    "nip.io",
    "sslip.io",
    "xip.io",
    "localtest.me",
    "lvh.me",
    "vcap.me",
    "lacolhost.com",
    "localho.st",
    "fuf.me",
    "traefik.me",
    "localhost.direct",
    "local.gd",
    "local-ip.sh",
    "local-ip.co",
    "rbndr.us",
    "1u.ms",
    "plex.direct",
];

impl SafeUrl {
    /// Parses `text` by the WHATWG rules and checks the URL. Fails with a rule that the URL breaks.
    pub fn parse(text: &str, policy: Policy) -> Result<Self, UnsafeUrl> {
        if text.len() > MAX_LENGTH {
            return Err(UnsafeUrl("must have at most 2048 characters"));
        }
        if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(UnsafeUrl("must not contain white space, control characters or backslashes"));
        }
        let url = Url::parse(text).map_err(|_| UnsafeUrl("must be an absolute https URL"))?;
        if url.as_str().len() > MAX_LENGTH {
            return Err(UnsafeUrl("must have at most 2048 characters, percent-encoded"));
        }
        if !matches!(url.scheme(), "https" | "http") {
            return Err(UnsafeUrl("must be an https URL"));
        }
        let authority = authority(text).ok_or(UnsafeUrl("must be an absolute https URL"))?;
        if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
            return Err(UnsafeUrl("must not contain user information"));
        }
        if url.fragment().is_some() {
            return Err(UnsafeUrl("must not contain a fragment"));
        }
        let host = url.host().ok_or(UnsafeUrl("must have a host"))?;
        if is_loopback(&host) && policy.allow_loopback {
            return Ok(Self(url));
        }
        if url.scheme() != "https" {
            return Err(UnsafeUrl("must be an https URL"));
        }
        check_host(&host)?;
        match url.port() {
            None | Some(1024..) => Ok(Self(url)),
            Some(_) => Err(UnsafeUrl("must use port 443 or a port from 1024 up")),
        }
    }

    /// Returns the URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Returns the URL as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Returns `true` for a URL whose host is `localhost` or a loopback address.
pub fn is_loopback_url(url: &str) -> bool {
    Url::parse(url).ok().as_ref().and_then(Url::host).is_some_and(|host| is_loopback(&host))
}

/// Returns the origin and the path of a URL, for people who may know where an upstream is but not what the operator
/// wrote into its query, which may be a key.
pub fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Returns the text between `//` and the path; `None` if it is empty or does not follow exactly two slashes. The URL
/// parser accepts any number of slashes and drops an empty user (`https://@host`), so both are only visible in this
/// text.
fn authority(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(':')?;
    let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    (!authority.is_empty()).then_some(authority)
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn check_host(host: &Host<&str>) -> Result<(), UnsafeUrl> {
    match host {
        Host::Ipv4(address) if !is_global_v4(*address) => {
            Err(UnsafeUrl("must not point to a private or reserved address"))
        }
        Host::Ipv6(address) if !is_global_v6(*address) => {
            Err(UnsafeUrl("must not point to a private or reserved address"))
        }
        Host::Ipv4(_) | Host::Ipv6(_) => Ok(()),
        Host::Domain(name) => check_name(name),
    }
}

/// Checks a host name, which is in lower case and ASCII: the URL parser has applied IDNA, so look-alike letters are
/// folded.
fn check_name(name: &str) -> Result<(), UnsafeUrl> {
    if name.ends_with('.') {
        return Err(UnsafeUrl("host must not end with a dot"));
    }
    let is_below =
        |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let refused = PRIVATE_SUFFIXES.iter().chain(&METADATA_NAMES).chain(&WILDCARD_SUFFIXES);
    if refused.into_iter().any(|suffix| is_below(suffix)) {
        return Err(UnsafeUrl("must not point to a private host name"));
    }
    if !name.contains('.') {
        return Err(UnsafeUrl("host must be a fully qualified name"));
    }
    if name.len() > MAX_NAME_LENGTH || !name.split('.').all(is_label) {
        return Err(UnsafeUrl("host must be a name that DNS knows"));
    }
    Ok(())
}

/// Returns `true` for a label of RFC 1035 §2.3, also with underscores, which some host names have. The URL parser
/// accepts many other characters, which other readers of a URL do not.
fn is_label(label: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(is_allowed)
}

/// Returns `false` for addresses that the IANA special-purpose registry does not call globally reachable, for
/// multicast and reserved addresses, and for the host of every machine on Azure.
fn is_global_v4(address: Ipv4Addr) -> bool {
    const AZURE_HOST: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    let [a, b, c, _] = address.octets();
    let is_special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !is_special && address != AZURE_HOST
}

/// Returns `true` for global unicast, `2000::/3`, except the blocks inside it that have other uses: `2001::/23`
/// (Teredo, ORCHID, benchmarking), `2001:db8::/32`, `2002::/16` (6to4) and `3fff::/20`. IPv4-mapped, NAT64, ULA,
/// link-local and multicast addresses lie outside of `2000::/3`.
fn is_global_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Policy = Policy { allow_loopback: false };
    const DEVELOPMENT: Policy = Policy { allow_loopback: true };

    #[test]
    fn ordinary_upstream_urls_are_accepted() {
        for url in [
            "https://mcp.linear.app/mcp",
            "https://api.githubcopilot.com/mcp/",
            "https://mcp.example.com:8443/mcp?tenant=1",
            "https://8.8.8.8/mcp",
            "https://[2606:4700::1111]/mcp",
            "https://bücher.example/mcp",
            "https://internal.example.com/mcp",
            "https://mylocal.dev/mcp",
            "https://mymetadata.goog/mcp",
        ] {
            assert!(SafeUrl::parse(url, STRICT).is_ok(), "{url}: {:?}", SafeUrl::parse(url, STRICT));
        }
    }

    #[test]
    fn hostile_urls_are_refused_in_every_notation() {
        for url in [
            "http://mcp.example.com/mcp",
            "ftp://mcp.example.com/",
            "javascript:alert(1)",
            "mcp.example.com",
            "https://",
            "https://user@mcp.example.com/",
            "https://user:pw@mcp.example.com/",
            "https://@mcp.example.com/",
            "https://mcp.example.com/#x",
            "https://mcp.example.com\\@127.0.0.1/",
            "https://mcp.example.com/\u{0}",
            " https://mcp.example.com/",
            "https://localhost/",
            "https://LOCALHOST/",
            "https://ⓛocalhost/",
            "https://a.localhost/",
            "https://printer.local/",
            "https://metadata/",
            "https://instance-data/latest/",
            "https://instance-data.ec2.internal/latest/",
            "https://metadata.google.internal/",
            "https://metadata.goog/",
            "https://METADATA.goog/computeMetadata/v1/",
            "https://x.metadata.goog/",
            "https://metadata.tencentyun.com/",
            "https://api.metadata.cloud.ibm.com/instance_identity/v1/token",
            "https://metadata.packet.net/",
            "https://metadata.platformequinix.com/",
            "https://metadata.exoscale.com/",
            "https://metadata.azure.internal/",
            "https://router/",
            "https://127.0.0.1.nip.io/",
            "https://localhost./",
            "https://example.com./",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://①②⑦.0.0.1/",
            "https://0/",
            "https://10.0.0.1/",
            "https://100.64.0.1/",
            "https://169.254.169.254/",
            "https://172.16.0.1/",
            "https://172.31.255.255/",
            "https://192.168.1.1/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:8.8.8.8]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[64:ff9b:1::1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001::1]/",
            "https://[2001:db8::1]/",
            "https://[fc00::1]/",
            "https://[fd12::1]/",
            "https://[fe80::1]/",
            "https://[fec0::1]/",
            "https://[ff02::1]/",
            "https://mcp.example.com:22/",
            "https://mcp.example.com:80/",
        ] {
            assert!(SafeUrl::parse(url, STRICT).is_err(), "{url} was accepted");
        }
        assert!(SafeUrl::parse(&format!("https://mcp.example.com/{}", "a".repeat(2048)), STRICT).is_err());
    }

    #[test]
    fn allow_loopback_admits_loopback_hosts_and_nothing_else() {
        for url in [
            "http://127.0.0.1:3001/mcp",
            "http://localhost:3001/mcp",
            "http://[::1]:3001/mcp",
            "http://2130706433/",
        ] {
            assert!(SafeUrl::parse(url, DEVELOPMENT).is_ok(), "{url}");
            assert!(SafeUrl::parse(url, STRICT).is_err(), "{url}");
        }
        for url in
            ["http://10.0.0.1/", "https://169.254.169.254/", "http://mcp.example.com/", "http://u@127.0.0.1/"]
        {
            assert!(SafeUrl::parse(url, DEVELOPMENT).is_err(), "{url}");
        }
    }
}
