//! URLs that are hostile by their shape, whatever their host is.

use super::{Form, form};

const HOST: &str = "mcp.example.com";

const SCHEMES: [&str; 31] = [
    "http",
    "HTTP",
    "hTtP",
    "ftp",
    "ftps",
    "file",
    "gopher",
    "dict",
    "ldap",
    "ldaps",
    "tftp",
    "sftp",
    "ssh",
    "telnet",
    "smb",
    "ws",
    "wss",
    "git",
    "git+https",
    "https+unix",
    "unix",
    "jar",
    "netdoc",
    "php",
    "phar",
    "view-source",
    "chrome",
    "httpx",
    "xhttps",
    "spin",
    "ipfs",
];

const WHOLE: [&str; 25] = [
    "",
    "https",
    "https:",
    "https:/",
    "https://",
    "https:///",
    "https://?",
    "https://#",
    "https://:8443/",
    "//mcp.example.com/mcp",
    "/mcp",
    "mcp",
    "?x",
    "#x",
    "mcp.example.com",
    "mcp.example.com:443/mcp",
    "data:text/html,<script>alert(1)</script>",
    "javascript:alert(1)",
    "javascript://mcp.example.com/%0aalert(1)",
    "about:blank",
    "blob:https://mcp.example.com/1",
    "mailto:a@example.com",
    "urn:ietf:params:oauth",
    "h\u{ff54}tps://mcp.example.com/mcp",
    "htt\u{ff50}s\u{ff1a}//mcp.example.com/mcp",
];

/// Separators between scheme and host that occur only by mistake or malice.
const SLASHES: [&str; 12] = ["", "/", "///", "////", "\\\\", "\\/", "/\\", "//\\", "\\", "///@", "/@", "@"];

const USERS: [&str; 14] = [
    "user@",
    "user:@",
    "user:password@",
    ":password@",
    "@",
    ":@",
    "%40@",
    "127.0.0.1@",
    "localhost:8443@",
    "a@b@",
    "user%3apassword@",
    "mcp.example.org%2f@",
    "\u{fffd}@",
    "&@",
];

const REDIRECTING: [&str; 8] = [
    "https://mcp.example.com#@127.0.0.1/",
    "https://mcp.example.com/#",
    "https://mcp.example.com/mcp#fragment",
    "https://127.0.0.1#.example.com/",
    "https://127.0.0.1?.example.com/",
    "https://127.0.0.1/.example.com/",
    "https://127.0.0.1:8443?@mcp.example.com/",
    "https://127.0.0.1\\@mcp.example.com/",
];

const PORTS: [&str; 48] = [
    "0",
    "1",
    "7",
    "9",
    "11",
    "13",
    "19",
    "20",
    "21",
    "22",
    "23",
    "25",
    "37",
    "42",
    "53",
    "69",
    "79",
    "80",
    "110",
    "111",
    "113",
    "123",
    "135",
    "137",
    "139",
    "143",
    "161",
    "179",
    "389",
    "427",
    "444",
    "445",
    "465",
    "514",
    "587",
    "631",
    "636",
    "853",
    "873",
    "993",
    "995",
    "1023",
    "00080",
    "65536",
    "99999999999",
    "-1",
    "+443",
    "0x1bb",
];

/// White space and control characters, which URL parsers drop at various places.
const DROPPED: [char; 22] = [
    '\0', '\u{1}', '\u{8}', '\t', '\n', '\u{b}', '\u{c}', '\r', '\u{1b}', '\u{1f}', ' ', '\u{7f}', '\u{80}',
    '\u{85}', '\u{9f}', '\u{a0}', '\u{1680}', '\u{2003}', '\u{2028}', '\u{2029}', '\u{202f}', '\u{3000}',
];

pub(super) fn forms() -> Vec<Form> {
    let mut forms = Vec::new();
    forms.extend(SCHEMES.map(|scheme| form("scheme", format!("{scheme}://{HOST}/mcp"))));
    forms.extend(WHOLE.map(|url| form("not an absolute https URL", url)));
    forms.extend(SLASHES.map(|slashes| form("slashes", format!("https:{slashes}{HOST}/mcp"))));
    forms.extend(USERS.map(|user| form("user information", format!("https://{user}{HOST}/mcp"))));
    forms.extend(USERS.map(|user| form("user information", format!("https:{user}{HOST}/mcp"))));
    forms.extend(
        USERS.map(|user| form("user information before an address", format!("https://{user}127.0.0.1/mcp"))),
    );
    forms.extend(REDIRECTING.map(|url| form("two readings", url)));
    forms.extend(PORTS.map(|port| form("port", format!("https://{HOST}:{port}/mcp"))));
    for port in ["443:443", "443@", "\u{ff14}\u{ff14}\u{ff13}", "44 3", "http"] {
        forms.push(form("port", format!("https://{HOST}:{port}/mcp")));
    }
    for dropped in DROPPED {
        let places = [
            format!("{dropped}https://{HOST}/mcp"),
            format!("https://{HOST}/mcp{dropped}"),
            format!("ht{dropped}tps://{HOST}/mcp"),
            format!("https:/{dropped}/{HOST}/mcp"),
            format!("https://{dropped}{HOST}/mcp"),
            format!("https://mcp.exam{dropped}ple.com/mcp"),
            format!("https://{HOST}{dropped}/mcp"),
            format!("https://{HOST}:84{dropped}43/mcp"),
            format!("https://{HOST}/m{dropped}cp"),
            format!("https://{HOST}/mcp?a={dropped}b"),
        ];
        forms.extend(places.map(|url| form("white space and control characters", url)));
    }
    for place in
        ["https://mcp.example.com/a\\b", "https://mcp.example.com/?a=\\b", "https:\\mcp.example.com/mcp"]
    {
        forms.push(form("backslash", place));
    }
    forms.extend(long());
    forms
}

fn long() -> Vec<Form> {
    let base = format!("https://{HOST}/");
    let fill = |count: usize| "a".repeat(count);
    let urls = [
        format!("{base}{}", fill(2049 - base.len())),
        format!("{base}{}", fill(65_536)),
        format!("{base}?q={}", fill(2048)),
        format!("https://{}/", "a.".repeat(2048)),
        format!("https://{}.com/", fill(3000)),
        // These are within the limit as written, but beyond it when percent-encoded.
        format!("{base}{}", "\u{e9}".repeat(1000)),
        format!("{base}?q={}", "\u{1f600}".repeat(500)),
        format!("{base}{}", "{".repeat(1500)),
    ];
    urls.map(|url| form("too long", url)).into()
}
