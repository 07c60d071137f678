//! `cargo xtask modules`: prints the module graph of each product crate.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::modules::{self, Graph};
use crate::workspace;

/// Options of `modules`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The crates to show (default: every crate of the product)
    #[arg(value_name = "CRATE")]
    crates: Vec<String>,
    /// Fails if modules form a circle
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let graphs = asked_for(modules::graphs(&workspace::root())?, &args.crates)?;
    for graph in &graphs {
        println!("{}", modules::report(graph));
    }
    let with_circles: Vec<&str> =
        graphs.iter().filter(|graph| graph.has_circle()).map(|graph| graph.name.as_str()).collect();
    if args.check && !with_circles.is_empty() {
        bail!("modules form a circle in: {}", with_circles.join(", "));
    }
    Ok(())
}

/// Keeps the named graphs; all of them if no name is given.
fn asked_for(graphs: Vec<Graph>, names: &[String]) -> Result<Vec<Graph>> {
    let known: BTreeSet<&str> = graphs.iter().map(|graph| graph.name.as_str()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name.as_str())) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        bail!("there is no product crate {unknown}; there are: {known}");
    }
    Ok(graphs.into_iter().filter(|graph| names.is_empty() || names.contains(&graph.name)).collect())
}
