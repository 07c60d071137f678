//! `cargo xtask openapi`: writes the OpenAPI document that the code describes.

use anyhow::{Context, Result};

use crate::describe;
use crate::workspace;

/// Options of `openapi`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Prints the document instead of writing docs/openapi.json
    #[arg(long)]
    print: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let text = describe::text("openapi")?;
    if args.print {
        print!("{text}");
        return Ok(());
    }
    let file = workspace::root().join("docs/openapi.json");
    let changed = std::fs::read_to_string(&file).map_or(true, |former| former != text);
    std::fs::write(&file, text).context("docs/openapi.json cannot be written")?;
    println!("docs/openapi.json {}", if changed { "is new" } else { "was up to date" });
    Ok(())
}
