//! Runs the fuzz targets of the protocol on their seeds and on 40 000 mutants of these, in every test run.

// The included modules are public in the crate of the fuzz targets.
#![allow(clippy::missing_panics_doc, unreachable_pub)]

#[path = "../../../../fuzz/src/protocol.rs"]
mod protocol;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;

use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

#[test]
fn the_fuzz_target_holds_for_messages() {
    const WORDS: [&str; 44] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\u0069d",
        "null",
        "1e3",
        "-0",
        "9007199254740993",
        "\"id\":1",
        "\"id\":7",
        "\"id\":null",
        "\"jsonrpc\":\"2.0\"",
        "\"method\":\"tools/call\"",
        "\"method\":\"initialize\"",
        "\"method\":\"resources/read\"",
        "\"params\":{",
        "\"name\":\"echo\"",
        "\"n\\u0061me\":\"echo\"",
        "\"uri\":\"a:b\"",
        "\"_meta\":{",
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"",
        "\"io.modelcontextprotocol/protocolVersion\":7",
        "\"io.modelcontextprotocol/clientCapabilities\":{}",
        "\"io.modelcontextprotocol/serverInfo\":{}",
        "\"result\":{",
        "\"error\":{\"code\":-32020}",
        "\"error\":{\"code\":-32021,\"message\":\"\"}",
        "\"resultType\":\"complete\"",
        "\"resultType\":\"input_required\"",
        "\"isError\":true",
        "\"content\":[",
        "\n\n",
        "mcp-protocol-version: 2026-07-28\n",
        "mcp-protocol-version: 2025-03-26\n",
        "mcp-method: tools/call\n",
        "mcp-name: echo\n",
        "mcp-name: =?base64?ZWNobw==?=\n",
        "2099-01-01",
        "\u{feff}",
        "\u{2028}",
    ];
    replay::replay(&fuzz(), "envelope", Vec::new(), &WORDS, 40_000, protocol::envelope);
}

#[test]
fn the_fuzz_target_holds_for_event_streams() {
    const WORDS: [&str; 22] = [
        "data:",
        "data: ",
        "data",
        "event: ",
        "event:endpoint",
        "id:",
        "id: \0",
        "retry: 1",
        "retry: x",
        ":",
        ": keep-alive",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\r\r",
        "\r\n\r\n",
        "\u{feff}",
        " ",
        "dat",
        "\u{e9}",
        "{}",
    ];
    // Chunks of every length around those of lines, and bytes that are not UTF-8.
    let body = b"data: {\"a\":\r\ndata: 1}\r\n\r\n: x\n\nevent: e\rdata:\rdata: \xc3\xa9\r\r";
    let cut = (0..40).map(|length| [&[length][..], body].concat());
    let broken = [b"\x05data: a\n\ndata: \xff\n\ndata: b\n\n".to_vec(), b"\x03id: \xff\n\n".to_vec()];
    replay::replay(&fuzz(), "events", cut.chain(broken).collect(), &WORDS, 40_000, protocol::events);
}

#[test]
fn the_fuzz_target_holds_for_headers() {
    const WORDS: [&str; 22] = [
        "=?base64?",
        "?=",
        "=",
        "==",
        "ZWNobw==",
        "w6k=",
        "/w==",
        " ",
        "\t",
        "\n",
        "\0",
        "\u{7f}",
        "\u{e9}",
        "\u{a0}",
        "\"x-mcp-header\":\"A\"",
        "\"x-mcp-header\":\"a b\"",
        "\"type\":\"string\"",
        "\"properties\":{\"p\":{",
        "\"default\":{",
        "}",
        ",",
        "{",
    ];
    replay::replay(&fuzz(), "header", Vec::new(), &WORDS, 40_000, protocol::header);
}
