//! Writes `docs/openapi.json` anew; with `--print` to standard output instead. Run by `cargo xtask openapi`.

use std::io::Result;

use native::openapi;

fn main() -> Result<()> {
    let text = openapi::text();
    if std::env::args().any(|argument| argument == "--print") {
        print!("{text}");
        return Ok(());
    }
    let file = openapi::file();
    let changed = std::fs::read_to_string(&file).is_ok_and(|former| former != text);
    std::fs::write(&file, text)?;
    println!("docs/openapi.json {}", if changed { "is new" } else { "was up to date" });
    Ok(())
}
