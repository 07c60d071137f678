//! wrangler, kept quiet: no telemetry, no update checks, no prompts.

use std::process::Command;

use crate::tools::{Tools, npm_program};
use crate::workspace;

/// A wrangler command in the repository's root, where `wrangler.toml` is.
pub(crate) fn command(tools: &Tools) -> Command {
    let mut command = tools.node(npm_program("wrangler/bin/wrangler.js"));
    command
        .current_dir(workspace::root())
        .env("WRANGLER_SEND_METRICS", "false")
        .env("WRANGLER_SEND_ERROR_REPORTS", "false")
        // wrangler looks for a newer version of itself only to print it in the banner.
        .env("WRANGLER_HIDE_BANNER", "true")
        .env("WRANGLER_NO_SKILLS_UPDATE_PROMPTS", "true");
    command
}

/// A wrangler command for work that stays on this machine: no prompts, and nothing fetched from Cloudflare.
pub(crate) fn local(tools: &Tools) -> Command {
    let mut command = command(tools);
    command
        .env("CI", "true")
        .env("CLOUDFLARE_CF_FETCH_ENABLED", "false")
        .env("WRANGLER_LOG_PATH", workspace::root().join(".wrangler/logs"))
        .env("WRANGLER_REGISTRY_PATH", workspace::root().join(".wrangler/registry"));
    command
}
