//! The black-box suite: which program that is, and the environment in which it finds runtimes, clients and servers.

use std::ffi::OsString;

use super::programs::Program;
use crate::runtime::Runtime;
use crate::tools::{Peers, Tools};
use crate::workspace;

/// The tests that write to the database under conditions: parts of their names.
pub(super) const WRITERS: [&str; 10] = [
    "acceptance::",
    "drift::",
    "health::",
    "kill",
    "lifecycle::",
    "oauth::kontext::",
    "oauth::refresh::",
    "port_suite::",
    "remote_sqlite::",
    "validation::",
];

/// Whether a test program needs a runtime with Postern on it.
pub(super) fn is_part(program: &Program) -> bool {
    program.is_of("tests/black-box")
}

/// What the suite is told (`tests/black-box/src/environment.rs`).
pub(super) fn environment(tools: &Tools, peers: &Peers, runtime: Runtime) -> Vec<(&'static str, OsString)> {
    vec![
        ("PATH", tools.path()),
        ("POSTERN_RUNTIME", runtime.name().into()),
        ("POSTERN_SPIN_HOST", workspace::program("spin-host").into()),
        ("POSTERN_NODE", tools.node_program().into()),
        ("POSTERN_TOOLS", workspace::tools_dir().join("node_modules").into()),
        ("POSTERN_PEERS", workspace::peers_dir().into()),
        ("POSTERN_PYTHON", peers.python.program().into()),
        ("POSTERN_MCP_SDIST", peers.python.source().into()),
        ("POSTERN_CHROMIUM", peers.chromium.clone().into()),
        ("POSTERN_BUILD", workspace::worker_crate().join("build").into()),
        ("POSTERN_PORT_SUITE_BUILD", workspace::port_suite_crate().join("build").into()),
    ]
}
