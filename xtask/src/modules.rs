//! The module graph of each product crate: which module names which other, read from the sources with `syn`.
//!
//! Only what is written counts: a method that is called on a value whose type is never named makes no arrow.
//! Code that is compiled for tests only (`#[cfg(test)]`, `#[test]`) makes none, either.

mod arrows;
mod crates;
mod graph;
mod module_path;
mod names;
mod report;
mod test_only;
mod tokens;
mod tree;
mod use_trees;

#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::Result;

pub(crate) use graph::Graph;
pub(crate) use report::report;

/// The graphs of all product crates of the repository at `root`.
pub(crate) fn graphs(root: &Path) -> Result<Vec<Graph>> {
    crates::find(root)?.iter().map(graph_of).collect()
}

fn graph_of(sources: &crates::Sources) -> Result<Graph> {
    let tree = tree::read(sources)?;
    Ok(Graph::new(&sources.name, &tree.names, arrows::collect(&tree)))
}
