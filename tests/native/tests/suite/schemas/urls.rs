//! The schema of upstream URLs against the parser.

use kernel::net::{Policy, SafeUrl, UpstreamUrl};
use serde_json::json;

use super::Schema;

/// Checks that schema and parser agree on each URL. Returns how many both accept.
fn agree_on_urls(urls: impl IntoIterator<Item = String>) -> usize {
    let schema = Schema::of::<UpstreamUrl>();
    let is_accepted = |url: &String| {
        let is_accepted = SafeUrl::parse(url, Policy::default()).is_ok();
        assert_eq!(schema.accepts(&json!(url)), is_accepted, "{url}");
        is_accepted
    };
    urls.into_iter().filter(is_accepted).count()
}

#[test]
fn urls_of_every_shape() {
    let accepted = [
        "https://mcp.example.com/mcp",
        "https://api.githubcopilot.com/mcp/",
        "https://mcp.example.com:8443/mcp?tenant=1",
        "https://mcp.example.com",
        "https://mcp.example.com?a=b",
        "https://mcp.example.com?",
        "HTTPS://MCP.EXAMPLE.COM/",
        "https://mcp.example.com/a%20b;c=d,e/@:!$&'()*+",
        "https://mcp.example.com//",
        "https://mcp.example.com/?a/b?c",
        "https://internal.example.com/mcp",
        "https://mylocal.dev/mcp",
        "https://local.example.com/",
        "https://a_b.example.com/",
        "https://-a.example.com/",
        "https://1.example.1com/",
        "https://a.b.c.d.e.f.example.com/",
        "https://home.example/",
        "https://example.0y/",
        "https://8.8.8.8/mcp",
        "https://[2606:4700::1111]/mcp",
        "https://[2606:4700::1111]:8443",
        "https://mcp.example.com:443/",
        "https://mcp.example.com:00443/",
        "https://mcp.example.com:",
        "https://mcp.example.com:/mcp",
        "https://xn--bcher-kva.example/mcp",
    ];
    let refused = [
        "",
        " ",
        "/mcp",
        "mcp.example.com",
        "https:",
        "https:/",
        "https://",
        "https:///",
        "https:mcp.example.com/",
        "https:///mcp.example.com/",
        "http://mcp.example.com/mcp",
        "ftp://mcp.example.com/",
        "ws://mcp.example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user@mcp.example.com/",
        "https://user:pw@mcp.example.com/",
        "https://@mcp.example.com/",
        "https://:@mcp.example.com/",
        "https://mcp.example.com/#",
        "https://mcp.example.com/#x",
        "https://mcp.example.com#x",
        "https://mcp.example.com\\@127.0.0.1/",
        "https://mcp.example.com/\\",
        "https://mcp.example.com/\n",
        " https://mcp.example.com/",
        "https://mcp.example.com/ ",
        "https://mcp.exa\tmple.com/",
        "https://mcp.example.com/\u{0}",
        "https://mcp.example.com/\u{85}",
        "https://mcp.example.com/\u{a0}",
        "https://router/",
        "https://localhost/",
        "https://LOCALHOST/",
        "https://api.localhost/",
        "https://api.LocalHost:8443/",
        "https://localhost./",
        "https://mcp.example.com./",
        "https://./",
        "https://.example.com/",
        "https://a..example.com/",
        "https://printer.local/",
        "https://x.localdomain?",
        "https://a.corp",
        "https://metadata.google.internal/",
        "https://127.0.0.1.nip.io/",
        "https://nip.io/",
        "https://a.metadata.tencentyun.com/",
        "https://1.0.0.127.in-addr.arpa/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0/",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://a.1/",
        "https://a.0x/",
        "https://a.0x1f:8443/",
        "https://mcp.example.com:/x@y#",
        "https://[::1]/",
        "https://[::]/",
        "https://[2606:4700::1111/",
        "https://2606:4700::1111/",
        "https://[2606:4700:::1]/",
        "https://[2606::4700::1]/",
        "https://[2606:4700:1:2:3:4:5]/",
        "https://[2606:4700:1:2:3:4:5:6:7]/",
        "https://[26060:1::]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[64:ff9b::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[2606:4700::g]/",
        "https://mcp.example.com:x/",
        "https://mcp.example.com:-1/",
    ];
    let label = "a".repeat(63);
    let names = [(63, 59), (63, 60), (64, 1), (1, 1)]
        .map(|(first, last)| format!("https://{}.{label}.{label}.{}/", "a".repeat(first), "b".repeat(last)));
    let long = [2048, 2049].map(|length| {
        let start = "https://mcp.example.com/";
        format!("{start}{}", "a".repeat(length - start.len()))
    });
    assert_eq!(agree_on_urls(accepted.map(ToOwned::to_owned)), accepted.len());
    assert_eq!(agree_on_urls(refused.map(ToOwned::to_owned)), 0);
    assert_eq!(agree_on_urls(names), 2);
    assert_eq!(agree_on_urls(long), 1);
    assert_eq!(agree_on_urls((0..=70_000).map(|port| format!("https://mcp.example.com:{port}/"))), 64_513);
}

#[test]
fn urls_at_every_kind_of_address() {
    let edges =
        [0, 1, 2, 3, 9, 15, 16, 31, 32, 51, 63, 64, 88, 99, 100, 113, 127, 128, 167, 168, 169, 198, 254, 255];
    let v4 = (0..=256).flat_map(|a| {
        edges.into_iter().flat_map(move |b| {
            [0, 1, 2, 16, 63, 99, 100, 113, 129, 168, 255]
                .into_iter()
                .map(move |c| format!("https://{a}.{b}.{c}.16/"))
        })
    });
    assert!(agree_on_urls(v4) > 30_000);
    let azure = [
        "https://168.63.129.16",
        "https://168.63.129.16:8443/",
        "https://168.63.129.161/",
        "https://168.63.129.1/",
    ];
    assert_eq!(agree_on_urls(azure.map(ToOwned::to_owned)), 2);

    let firsts = [
        0, 1, 0x64, 0x1fff, 0x2000, 0x2001, 0x2002, 0x2003, 0x2606, 0x3ffe, 0x3fff, 0x4000, 0xfc00, 0xfe80,
        0xff02, 0xffff,
    ];
    let seconds =
        [0, 1, 0xff, 0x100, 0x1fe, 0x1ff, 0x200, 0x201, 0xdb7, 0xdb8, 0xdb9, 0xfff, 0x1000, 0x1db8, 0xffff];
    let v6 = firsts.into_iter().flat_map(|a| {
        seconds.into_iter().flat_map(move |b| {
            [
                format!("{a:x}:{b:x}::"),
                format!("{a:x}:{b:x}::1"),
                format!("{a:04X}:{b:04X}:0:0:0:0:0:1"),
                format!("{a:x}:0{b:x}:2:3:4::6"),
                format!("{a:x}::{b:x}"),
                format!("{a:x}::"),
                format!("{a:x}:{b:x}:1:2:3:4:5::"),
                format!("{a:x}::2:3:4:5:6:{b:x}"),
                format!("{a:x}:{b:x}:1:2:3:4:5:6:7"),
                format!("{a:x}:{b:x}"),
                format!(":{a:x}::{b:x}"),
            ]
        })
    });
    assert!(agree_on_urls(v6.map(|address| format!("https://[{address}]:8443/mcp"))) > 300);
}

/// What the parser reads beyond the schema, and the one kind of URL that only the parser refuses.
#[test]
fn urls_on_which_schema_and_parser_differ() {
    let schema = Schema::of::<UpstreamUrl>();
    for (url, why) in [
        ("https://bücher.example/mcp", "a host name that is not ASCII: the URI has xn--bcher-kva.example"),
        ("https://mcp.ex%61mple.com/", "a percent-encoded host name"),
        ("https://mcp.example.com/ä", "a path that is not percent-encoded"),
        ("https://mcp.example.com/a|b", "a path that is not percent-encoded"),
        ("https://mcp.example.com/?a=[b]", "a query that is not percent-encoded"),
        ("https://mcp.example.com/%zz", "a percent sign that is not percent-encoded"),
        ("https://134744072/", "an IPv4 address as one number"),
        ("https://8.8.8/", "an IPv4 address with three numbers"),
        ("https://0x8.0x8.010.8/", "an IPv4 address with hexadecimal and octal numbers"),
        ("https://[2606:4700::8.8.8.8]/", "an IPv6 address with the notation of IPv4"),
    ] {
        assert!(SafeUrl::parse(url, Policy::default()).is_ok(), "{url}: {why}");
        assert!(!schema.accepts(&json!(url)), "{url}: {why}");
    }
    let punycode = "https://xn--a.example.com/";
    assert!(SafeUrl::parse(punycode, Policy::default()).is_err());
    assert!(schema.accepts(&json!(punycode)));
}
