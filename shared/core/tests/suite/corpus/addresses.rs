//! URLs with private and reserved addresses, in every notation that some parser accepts.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Form, form};

/// Addresses from every special-purpose block of IPv4 (RFC 6890 and its registry), the edges of blocks where they
/// matter, and the addresses of clouds' metadata services.
const V4: [[u8; 4]; 33] = [
    [0, 0, 0, 0],
    [0, 1, 2, 3],
    [10, 0, 0, 1],
    [10, 255, 255, 255],
    [100, 64, 0, 0],
    [100, 100, 100, 200],
    [100, 127, 255, 255],
    [127, 0, 0, 1],
    [127, 255, 255, 254],
    [168, 63, 129, 16],
    [169, 254, 0, 1],
    [169, 254, 169, 254],
    [169, 254, 170, 2],
    [172, 16, 0, 0],
    [172, 17, 0, 1],
    [172, 31, 255, 255],
    [192, 0, 0, 1],
    [192, 0, 0, 170],
    [192, 0, 0, 192],
    [192, 0, 2, 1],
    [192, 88, 99, 1],
    [192, 168, 0, 0],
    [192, 168, 255, 255],
    [198, 18, 0, 0],
    [198, 19, 255, 255],
    [198, 51, 100, 1],
    [203, 0, 113, 1],
    [224, 0, 0, 1],
    [239, 255, 255, 250],
    [240, 0, 0, 1],
    [254, 1, 2, 3],
    [255, 255, 255, 254],
    [255, 255, 255, 255],
];

const V6: [&str; 33] = [
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "::2",
    "1::1",
    "64:ff9b::",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    "100::1",
    "100:0:0:1::1",
    "1fff:ffff::1",
    "2001::1",
    "2001:1::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2001:DB8:FFFF::1",
    "2002::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff:ffff::1",
    "fe80::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
];

/// Hosts with a zone, and hosts that only look like IPv6 addresses.
const V6_BROKEN: [&str; 12] = [
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[fe80::1%251]",
    "[2606:4700::1111%25eth0]",
    "[::1",
    "::1",
    "[::1]x",
    "[::1].example.com",
    "[127.0.0.1]",
    "[::127.0.0.1.]",
    "%5B::1%5D",
    "[ff05::1:3%25lo]",
];

pub(super) fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    for octets in V4 {
        let address = Ipv4Addr::from(octets);
        forms.extend(v4(address).into_iter().map(|(class, host)| form(class, format!("https://{host}/mcp"))));
        forms.push(form("literal with a port", format!("https://{address}:8443/mcp")));
        let embedded = embedded(address).into_iter();
        forms.extend(embedded.map(|(class, host)| form(class, format!("https://[{host}]/mcp"))));
    }
    forms.extend(V6.iter().map(|host| form("IPv6", format!("https://[{host}]/mcp"))));
    forms.extend(V6.iter().map(|host| form("IPv6 with a port", format!("https://[{host}]:8443/mcp"))));
    forms.extend(
        V6_BROKEN.iter().map(|host| form("IPv6 with a zone or broken", format!("https://{host}/mcp"))),
    );
    forms
}

/// Returns the notations that `inet_aton` or IDNA turn into `address`, each with its class.
fn v4(address: Ipv4Addr) -> Vec<(&'static str, String)> {
    let [a, b, c, d] = address.octets();
    let whole = u32::from(address);
    let text = address.to_string();
    let replaced = |of: &dyn Fn(char) -> char| text.chars().map(of).collect::<String>();
    let dots = |dot: char| replaced(&|c| if c == '.' { dot } else { c });
    let digits = |zero: char, one: char| {
        replaced(&|c| match c {
            '.' => c,
            '0' => zero,
            _ => char::from_u32(u32::from(one) + u32::from(c) - u32::from('1')).unwrap(),
        })
    };
    vec![
        ("literal", text.clone()),
        ("literal with a trailing dot", format!("{text}.")),
        ("decimal", whole.to_string()),
        ("octal", format!("0{whole:o}")),
        ("octal by octet", format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}")),
        ("octal by octet, padded", format!("{a:010o}.{b:010o}.{c:010o}.{d:010o}")),
        ("hexadecimal", format!("0x{whole:x}")),
        ("hexadecimal, upper case", format!("0X{whole:08X}")),
        ("hexadecimal by octet", format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}")),
        ("hexadecimal, overlong", format!("0x{whole:064x}")),
        ("mixed", format!("0x{a:x}.{b}.0{c:o}.0X{d:X}")),
        ("short, two parts", format!("{a}.{}", whole & 0xff_ffff)),
        ("short, three parts", format!("{a}.{b}.{}", whole & 0xffff)),
        ("short and hexadecimal", format!("0{a:o}.0x{:x}", whole & 0xff_ffff)),
        ("percent-encoded digits", text.bytes().map(|byte| format!("%{byte:02x}")).collect()),
        ("percent-encoded dots", text.replace('.', "%2e")),
        ("ideographic full stops", dots('\u{3002}')),
        ("full-width full stops", dots('\u{ff0e}')),
        ("half-width ideographic full stops", dots('\u{ff61}')),
        ("full-width digits", digits('\u{ff10}', '\u{ff11}')),
        ("circled digits", digits('\u{24ea}', '\u{2460}')),
        ("bold digits", digits('\u{1d7ce}', '\u{1d7cf}')),
        ("double-struck digits", digits('\u{1d7d8}', '\u{1d7d9}')),
        ("subscript digits", digits('\u{2080}', '\u{2081}')),
    ]
}

/// Returns the IPv6 addresses that contain `address`, each with its class.
fn embedded(address: Ipv4Addr) -> Vec<(&'static str, String)> {
    let [a, b, c, d] = address.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let mapped = address.to_ipv6_mapped();
    let teredo = Ipv6Addr::new(0x2001, 0, 0x0808, 0x0808, 0x8000, 0x63bf, !high, !low);
    vec![
        ("IPv4-mapped", format!("::ffff:{address}")),
        ("IPv4-mapped in hexadecimal", format!("::FFFF:{high:x}:{low:x}")),
        ("IPv4-mapped, not shortened", mapped.segments().map(|part| format!("{part:04x}")).join(":")),
        ("IPv4-compatible", format!("::{address}")),
        ("IPv4-translated", format!("::ffff:0:{address}")),
        ("NAT64", format!("64:ff9b::{address}")),
        ("NAT64, local", format!("64:ff9b:1::{high:x}:{low:x}")),
        ("6to4", format!("2002:{high:x}:{low:x}::1")),
        ("Teredo", teredo.to_string()),
        ("Teredo, as server", format!("2001:0:{high:x}:{low:x}::1")),
        ("ISATAP, link-local", format!("fe80::5efe:{address}")),
    ]
}
