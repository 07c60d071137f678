//! The schema of upstream URLs against the parser.

use kernel::net::{Policy, SafeUrl, UpstreamUrl};
use serde_json::json;

use super::Schema;

#[test]
fn the_schema_accepts_urls_that_the_parser_accepts() {
    let schema = Schema::of::<UpstreamUrl>();
    let start = "https://mcp.example.com/";
    let longest = format!("{start}{}", "a".repeat(2048 - start.len()));
    for url in [
        "https://mcp.example.com/mcp",
        "https://mcp.example.com:8443/mcp?tenant=1",
        "https://mcp.example.com",
        "https://mcp.example.com?a=b",
        "HTTPS://MCP.EXAMPLE.COM/",
        "https://mcp.example.com/a%20b;c=d,e/@:!$&'()*+",
        "https://mcp.example.com/?a/b?c",
        "https://a_b.example.com/",
        "https://8.8.8.8/mcp",
        "https://[2606:4700::1111]:8443",
        "https://xn--bcher-kva.example/mcp",
        &longest,
    ] {
        assert!(SafeUrl::parse(url, Policy::default()).is_ok(), "{url}");
        assert!(schema.accepts(&json!(url)), "{url}");
    }
}

#[test]
fn the_schema_refuses_what_has_another_form() {
    let schema = Schema::of::<UpstreamUrl>();
    let start = "https://mcp.example.com/";
    let too_long = format!("{start}{}", "a".repeat(2049 - start.len()));
    for url in [
        "",
        "/mcp",
        "mcp.example.com",
        "https:",
        "https://",
        "https:///mcp",
        "https:mcp.example.com/",
        "ftp://mcp.example.com/",
        "ws://mcp.example.com/",
        "javascript:alert(1)",
        "https://user@mcp.example.com/",
        "https://user:password@mcp.example.com/",
        "https://mcp.example.com/#fragment",
        "https://mcp.example.com#",
        &too_long,
    ] {
        assert!(SafeUrl::parse(url, Policy::default()).is_err(), "{url}");
        assert!(!schema.accepts(&json!(url)), "{url}");
    }
}
