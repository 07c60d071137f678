//! Chromium, for tests of Postern's pages: the system's, else the one that an npm package carries.

use std::env::consts::{ARCH, OS};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::cache::Cache;
use super::node::Node;
use crate::process;

/// The system's programs, in the order in which they are tried.
const SYSTEM: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
/// The npm package, in the folder of the peers.
const PACKAGE: &str = "node_modules/@sparticuz/chromium/package.json";
/// The program of an unpacked Chromium: a script that starts Chromium with what came with it.
const START: &str = "start";
/// The fonts that come along. The package has a configuration only for places where it is not
/// unpacked to; without a font, text has no width and nothing can be clicked.
const FONTS: &str = r#"<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts/fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
"#;

/// Finds a Chromium that starts, unpacking one into the cache when the system has none. The packages of `peers` are
/// installed already.
pub(super) fn ensure(cache: &Cache, node: &Node, peers: &Path) -> Result<PathBuf> {
    if let Some(program) = system() {
        return Ok(program);
    }
    if (OS, ARCH) != ("linux", "x86_64") {
        bail!(
            "no Chromium starts: install it so that `chromium --version` or `google-chrome --version` works"
        );
    }
    let folder = cache.ensure(&format!("chromium-{}", version(peers)?), Path::new(START), |folder| {
        let mut unpack = Command::new(node.program());
        unpack.arg(peers.join("unpack_chromium.mjs")).arg(folder);
        process::run_quietly(&mut unpack, "unpacking Chromium")?;
        std::fs::write(folder.join("fonts.conf"), FONTS)?;
        // The libraries that come along are those of another Linux: they are for machines that lack them.
        let starts = |libraries| -> Result<String> {
            write_start(folder, libraries)?;
            process::output(Command::new(folder.join(START)).arg("--version"))
        };
        starts(false).or_else(|_| starts(true)).map(drop).context(
            "the Chromium of npm's @sparticuz/chromium does not start here: install Chromium with the system's \
             package manager (Debian: `apt-get install chromium`)",
        )
    })?;
    Ok(folder.join(START))
}

fn system() -> Option<PathBuf> {
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let places = SYSTEM.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let mut present = places.filter(|place| place.is_file());
    // Some distributions have a script of this name that only says how to install Chromium.
    present.find(|program| process::output(Command::new(program).arg("--version")).is_ok())
}

fn version(peers: &Path) -> Result<String> {
    let text = std::fs::read_to_string(peers.join(PACKAGE)).with_context(|| format!("no {PACKAGE}"))?;
    let package: serde_json::Value = serde_json::from_str(&text)?;
    let version = package.get("version").and_then(serde_json::Value::as_str);
    Ok(version.with_context(|| format!("no version in {PACKAGE}"))?.to_owned())
}

fn write_start(folder: &Path, libraries: bool) -> Result<()> {
    let libraries = if libraries { "export LD_LIBRARY_PATH=\"$here/al2023/lib\"\n" } else { "" };
    let script = format!(
        "#!/bin/sh\nhere=$(dirname \"$0\")\nexport FONTCONFIG_FILE=\"$here/fonts.conf\"\n{libraries}\
         exec \"$here/chromium\" \"$@\"\n"
    );
    let path = folder.join(START);
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
