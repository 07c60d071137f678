//! URLs that Postern must never dial, in every notation that URL parsers understand.

use anyhow::Result;
use serde_json::json;

use super::{INTEGRATIONS, kontext, refused};
use crate::fixtures;

const PRIVATE: &str = "private or reserved address";

/// Pairs of a URL and the text that the refusal must contain.
const URLS: [(&str, &str); 72] = [
    ("http://mcp.example.com/mcp", "https"),
    ("ftp://mcp.example.com/", "https"),
    ("file:///etc/passwd", "https"),
    ("javascript:alert(1)", "https"),
    ("ws://mcp.example.com/", "https"),
    ("mcp.example.com", "absolute https URL"),
    ("/mcp", "absolute https URL"),
    ("", "absolute https URL"),
    ("https://", "absolute https URL"),
    ("https://user@mcp.example.com/", "user information"),
    ("https://user:pw@mcp.example.com/", "user information"),
    ("https://@mcp.example.com/", "user information"),
    ("https://:@mcp.example.com/", "user information"),
    ("https://mcp.example.com/#fragment", "fragment"),
    ("https://mcp.example.com/#", "fragment"),
    ("https://mcp.example.com\\@127.0.0.1/", "backslash"),
    (" https://mcp.example.com/", "white space"),
    ("https://mcp.example.com/\n", "white space"),
    ("https://mcp.exa\tmple.com/", "white space"),
    // Loopback, in every notation that URL parsers understand.
    ("http://127.0.0.1:3001/mcp", "https"),
    ("http://localhost:3001/mcp", "https"),
    ("http://[::1]:3001/mcp", "https"),
    ("https://127.0.0.1/", PRIVATE),
    ("https://127.1/", PRIVATE),
    ("https://2130706433/", PRIVATE),
    ("https://0x7f000001/", PRIVATE),
    ("https://0x7f.0.0.1/", PRIVATE),
    ("https://0177.0.0.1/", PRIVATE),
    ("https://①②⑦.0.0.1/", PRIVATE),
    ("https://127。0。0。1/", PRIVATE),
    ("https://%31%32%37.0.0.1/", PRIVATE),
    ("https://0/", PRIVATE),
    ("https://0.0.0.0/", PRIVATE),
    ("https://[::1]/", PRIVATE),
    ("https://[0:0:0:0:0:0:0:1]/", PRIVATE),
    ("https://[::]/", PRIVATE),
    ("https://[::ffff:127.0.0.1]/", PRIVATE),
    ("https://[::ffff:7f00:1]/", PRIVATE),
    ("https://[::127.0.0.1]/", PRIVATE),
    // Private and reserved networks.
    ("https://10.0.0.1/", PRIVATE),
    ("https://100.64.0.1/", PRIVATE),
    ("https://169.254.169.254/latest/meta-data/", PRIVATE),
    ("https://0xa9fea9fe/", PRIVATE),
    ("https://172.16.0.1/", PRIVATE),
    ("https://172.31.255.255/", PRIVATE),
    ("https://192.168.1.1/", PRIVATE),
    ("https://192.0.2.1/", PRIVATE),
    ("https://198.18.0.1/", PRIVATE),
    ("https://203.0.113.7/", PRIVATE),
    ("https://224.0.0.1/", PRIVATE),
    ("https://255.255.255.255/", PRIVATE),
    ("https://[fc00::1]/", PRIVATE),
    ("https://[fd00:ec2::254]/", PRIVATE),
    ("https://[fe80::1]/", PRIVATE),
    ("https://[ff02::1]/", PRIVATE),
    ("https://[64:ff9b::a9fe:a9fe]/", PRIVATE),
    ("https://[2002:7f00:1::]/", PRIVATE),
    ("https://[2001:db8::1]/", PRIVATE),
    // Names of private hosts.
    ("https://localhost/", "private host name"),
    ("https://LOCALHOST/", "private host name"),
    ("https://ⓛocalhost/", "private host name"),
    ("https://api.localhost/", "private host name"),
    ("https://printer.local/", "private host name"),
    ("https://metadata.google.internal/", "private host name"),
    ("https://127.0.0.1.nip.io/", "private host name"),
    ("https://localtest.me/", "private host name"),
    ("https://router/", "fully qualified"),
    ("https://localhost./", "dot"),
    ("https://mcp.example.com./", "dot"),
    ("https://mcp.example.com:22/", "port"),
    ("https://mcp.example.com:80/", "port"),
    ("https://mcp.example.com:99999/", "absolute https URL"),
];

#[tokio::test]
async fn a_url_that_may_not_be_dialled_is_400_and_the_rule_is_named() -> Result<()> {
    let long = format!("https://mcp.example.com/{}", "a".repeat(2048));
    for (url, rule) in URLS.into_iter().chain([(long.as_str(), "2048")]) {
        let body = json!({"name": "Forbidden", "url": url});
        let answer =
            refused(url, 400, async |world| world.postern.admin()?.post(INTEGRATIONS, &body).await).await?;
        let message = kontext(&answer)?;
        assert!(message.contains(rule), "{url}: {message}");
        assert!(message.contains("url"), "{url}: the field is not named: {message}");
    }
    Ok(())
}

/// The setting `ALLOW_LOOPBACK_UPSTREAMS` opens loopback and nothing else.
#[tokio::test]
async fn with_loopback_allowed_everything_else_is_still_refused() -> Result<()> {
    let postern = fixtures::postern().await?;
    for url in [
        "http://mcp.example.com/",
        "http://10.0.0.1/",
        "https://192.168.1.1/",
        "https://169.254.169.254/",
        "http://0.0.0.0:1/",
        "http://u@127.0.0.1/",
        "http://127.0.0.1/#x",
        "http://printer.local/",
    ] {
        let answer = postern.admin()?.post(INTEGRATIONS, &json!({"name": "Loop", "url": url})).await?;
        assert_eq!(answer.status, 400, "{url}: {}", answer.text);
    }
    let listed = postern.admin()?.get(INTEGRATIONS).await?.expect(200)?;
    assert_eq!(listed["items"], json!([]));
    Ok(())
}
