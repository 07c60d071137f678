//! URLs with names that resolve inside a network or to the address that the name spells out, in many spellings.

use super::{Form, form};

/// Names of the local machine, of its network or of its cloud.
const PRIVATE: [&str; 28] = [
    "localhost",
    "a.localhost",
    "localhost.localdomain",
    "localhost6.localdomain6",
    "printer.local",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "vault.service.consul",
    "db.docker",
    "host.docker.internal",
    "gateway.docker.internal",
    "host.containers.internal",
    "metadata.google.internal",
    "metadata.azure.internal",
    "instance-data.ec2.internal",
    "ip-10-0-0-1.eu-central-1.compute.internal",
    "metadata.tencentyun.com",
    "wiki.intranet",
    "git.corp",
    "nas.home",
    "nas.home.arpa",
    "router.lan",
    "db.private",
    "ipv4only.arpa",
    "resolver.arpa",
    "1.0.0.127.in-addr.arpa",
    "local",
    "internal",
];

/// Names without a dot, which a resolver completes with its search list.
const SINGLE: [&str; 12] = [
    "router",
    "metadata",
    "instance-data",
    "rancher-metadata",
    "kubernetes",
    "wpad",
    "ip6-localhost",
    "localhost6",
    "broadcasthost",
    "db",
    "com",
    "xn--p1ai",
];

/// Names below DNS services that resolve a name to the address that it spells out, or to a loopback address.
const WILDCARD: [&str; 24] = [
    "127.0.0.1.nip.io",
    "10-0-0-1.nip.io",
    "7f000001.nip.io",
    "app.192.168.1.1.nip.io",
    "169.254.169.254.sslip.io",
    "--1.sslip.io",
    "www-10-0-0-1.sslip.io",
    "127.0.0.1.xip.io",
    "localtest.me",
    "a.localtest.me",
    "lvh.me",
    "a.lvh.me",
    "vcap.me",
    "a.lacolhost.com",
    "localho.st",
    "a.fuf.me",
    "10.0.0.1.traefik.me",
    "app.localhost.direct",
    "a.local.gd",
    "10-0-0-1.local-ip.sh",
    "10-0-0-1.my.local-ip.co",
    "7f000001.c0a80001.rbndr.us",
    "make-127.0.0.1-rr.1u.ms",
    "10-0-0-1.0123456789abcdef0123456789abcdef.plex.direct",
];

/// Hosts that are not valid names, although a URL parser accepts them.
const MISSHAPEN: [&str; 38] = [
    ".",
    "..",
    "...",
    ".example.com",
    "mcp..example.com",
    "mcp.example.com..",
    "%2e",
    "example.com%2e",
    "*.example.com",
    "a!b.example.com",
    "a$b.example.com",
    "a&b.example.com",
    "a'b.example.com",
    "a(b).example.com",
    "a+b.example.com",
    "10.0.0.1,example.com",
    "10.0.0.1;example.com",
    "a=b.example.com",
    "a~b.example.com",
    "a`b.example.com",
    "a{b}.example.com",
    "a\"b.example.com",
    "a<b>.example.com",
    "a^b.example.com",
    "a|b.example.com",
    "127.0.0.1%00.example.com",
    "127.0.0.1%2f.example.com",
    "127.0.0.1%23.example.com",
    "127.0.0.1%40example.com",
    "127.0.0.1%5c.example.com",
    "mcp.example.com%20",
    "mcp.example.com%0a",
    "mcp.example.com%zz",
    "xn--.example.com",
    "xn--localhost-.example.com",
    "256.256.256.256",
    "1.2.3.4.5",
    "0x1.example.0x",
];

pub(super) fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    let mut add = |class, host: &str| forms.push(form(class, format!("https://{host}/mcp")));
    for name in PRIVATE {
        add("private name", name);
        add("private name, upper case", &name.to_uppercase());
        add("private name with a trailing dot", &format!("{name}."));
        add("private name with a port", &format!("{name}:8443"));
        for (class, look_alike) in look_alikes(name) {
            add(class, &look_alike);
        }
    }
    for name in SINGLE {
        add("name without a dot", name);
        add("name without a dot, with a trailing one", &format!("{name}."));
    }
    for name in WILDCARD {
        add("wildcard DNS", name);
        add("wildcard DNS with a trailing dot", &format!("{name}."));
        add("wildcard DNS, full width", &full_width(name));
    }
    for name in MISSHAPEN {
        add("misshapen name", name);
    }
    for name in ["mcp.example.com.", "example.com.", "EXAMPLE.COM.", "mcp.example.com\u{3002}"] {
        add("public name with a trailing dot", name);
    }
    add("misshapen name", &format!("{}.example.com", "a".repeat(64)));
    add("misshapen name", &format!("{}example.com", "a23456789.".repeat(25)));
    add("misshapen name", "");
    forms
}

/// Returns the spellings that IDNA and percent-decoding turn into `name`, each with its class.
fn look_alikes(name: &str) -> Vec<(&'static str, String)> {
    let letters = |first: char| {
        let shift = |c: char| u32::from(first) + u32::from(c) - u32::from('a');
        name.chars()
            .map(|c| if c.is_ascii_lowercase() { char::from_u32(shift(c)).unwrap() } else { c })
            .collect()
    };
    vec![
        ("look-alike, full width", full_width(name)),
        ("look-alike, circled", letters('\u{24d0}')),
        ("look-alike, bold", letters('\u{1d41a}')),
        ("look-alike, sans-serif", letters('\u{1d5ba}')),
        ("look-alike, monospace", letters('\u{1d68a}')),
        ("look-alike, long s", name.replacen('s', "\u{17f}", 1)),
        ("look-alike, script l", name.replacen('l', "\u{2113}", 1)),
        ("look-alike, Kelvin sign", name.replacen('k', "\u{212a}", 1)),
        ("invisible letters", name.chars().map(|c| format!("{c}\u{ad}")).collect()),
        ("invisible letters", name.chars().map(|c| format!("{c}\u{200b}")).collect()),
        ("percent-encoded name", name.bytes().map(|byte| format!("%{byte:02X}")).collect()),
        ("percent-encoded name", full_width(name).bytes().map(|byte| format!("%{byte:02x}")).collect()),
        ("ideographic full stops", name.replace('.', "\u{3002}")),
    ]
}

fn full_width(name: &str) -> String {
    let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap();
    name.chars().map(|c| if c.is_ascii_graphic() { wide(c) } else { c }).collect()
}
