//! `stub-upstream`: the stub as a process of its own. The program prints one JSON line once the stub is ready, and
//! leaves when its standard input closes.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use stub_upstream::{Options, Stub};

const USAGE: &str =
    "usage: stub-upstream [--port N] [--tools N] [--page-size N] [--require-bearer TOKEN] [--no-record]";

fn main() -> Result<()> {
    let stub = Stub::start(options(std::env::args().skip(1))?)?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({"ready": true, "url": stub.url(""), "port": stub.address().port()}))?;
    out.flush()?;
    // The process that started the stub holds the other end: end of file means that the stub is not needed any more.
    let mut ignored = [0; 1024];
    while std::io::stdin().read(&mut ignored)? > 0 {}
    Ok(())
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
        match argument.as_str() {
            "--port" => options.port = value()?.parse().context("--port takes a number")?,
            "--tools" => options.extra_tools = value()?.parse().context("--tools takes a number")?,
            "--page-size" => {
                options.page_size = Some(value()?.parse().context("--page-size takes a number")?);
            }
            "--require-bearer" => options.require_bearer = Some(value()?),
            "--no-record" => options.record = false,
            "--help" | "-h" => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            _ => bail!("unknown argument {argument}\n{USAGE}"),
        }
    }
    Ok(options)
}
