//! A second implementation of which URLs may be dialled, from the text of the URL and the registries' tables alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IANA's special-purpose registry of IPv4, multicast, reserved blocks, and the host of Azure's machines.
const V4: [&str; 17] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
];
/// The same blocks of IPv6, and the forms that carry an IPv4 address.
const V6: [&str; 17] = [
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/9",
    "ff00::/8",
];
/// Suffixes of host names that no public server has.
const SUFFIXES: [&str; 10] = [
    ".localhost",
    ".local",
    ".internal",
    ".lan",
    ".home.arpa",
    ".intranet",
    ".nip.io",
    ".sslip.io",
    ".localtest.me",
    ".lvh.me",
];

/// Panics unless `url` is an https URL of a host on the internet, in normal form.
pub fn assert_dialable(url: &str) {
    let why = objection(url);
    assert!(why.is_none(), "{url:?} may be dialled, although: {}", why.unwrap_or_default());
}

/// Why a URL is not an https URL of a host on the internet in normal form; `None` if it is.
pub fn objection(url: &str) -> Option<&'static str> {
    if url.len() > 2048
        || url.bytes().any(|byte| byte <= b' ' || byte >= 0x7f || byte == b'\\' || byte == b'#')
    {
        return Some("it is not a plain text");
    }
    let Some(rest) = url.strip_prefix("https://") else { return Some("it is not https") };
    let Some((authority, _)) = rest.split_once('/') else { return Some("it has no path") };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if let Some(port) = port
        && !port.parse::<u16>().is_ok_and(|port| port >= 1024)
    {
        return Some("its port is one of the system's");
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return match address {
            Some(address) if is_public(address.into()) => None,
            _ => Some("its address is special"),
        };
    }
    if let Some(address) = inet_aton(host) {
        return match host.parse::<Ipv4Addr>() {
            Ok(same) if same == address && is_public(address.into()) => None,
            _ => Some("its address is special, or not in normal form"),
        };
    }
    name_objection(host)
}

fn name_objection(name: &str) -> Option<&'static str> {
    let is_label = |label: &str| {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        !label.is_empty() && label.len() < 64 && label.bytes().all(plain)
    };
    if name.len() > 253 || !name.contains('.') || !name.split('.').all(is_label) {
        return Some("its host is not a full name");
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("its host ends like an address");
    }
    let dotted = format!(".{name}");
    SUFFIXES.iter().any(|suffix| dotted.ends_with(suffix)).then_some("its host is private")
}

/// Whether `url` has a loopback host.
pub fn is_loopback(url: &str) -> bool {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
    let host = authority.strip_prefix('[').map_or_else(
        || authority.split(':').next().unwrap_or_default(),
        |rest| rest.split(']').next().unwrap_or_default(),
    );
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The address that C libraries read from a text: one to four numbers, decimal, octal or hexadecimal, of which the
/// last fills the remaining bytes.
fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| match part.strip_prefix("0x") {
        Some("") => Some(0),
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let mut parts = text.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let last = parts.pop()?;
    if parts.len() > 3 || parts.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 8 * u32::try_from(4 - parts.len()).ok()?;
    if room < 32 && last >> room != 0 {
        return None;
    }
    let shifted = |(at, part): (usize, &u32)| part << (24 - 8 * u32::try_from(at).unwrap_or_default());
    Some(Ipv4Addr::from(parts.iter().enumerate().map(shifted).sum::<u32>() + last))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !V4.iter().any(|block| contains(block, address)),
        IpAddr::V6(_) => contains("2000::/3", address) && !V6.iter().any(|block| contains(block, address)),
    }
}

fn contains(block: &str, address: IpAddr) -> bool {
    let (base, length) = block.split_once('/').expect("a block");
    let (base, length): (IpAddr, u32) =
        (base.parse().expect("an address"), length.parse().expect("a length"));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((base, width), (address, other)) = (bits(base), bits(address));
    width == other && (base ^ address).checked_shr(width - length).unwrap_or(0) == 0
}
