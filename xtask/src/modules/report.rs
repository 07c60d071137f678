//! The module graph as text for people.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::graph::{Graph, Level};
use super::module_path::ModulePath;

/// Every module with the modules that it names, those that name nothing first; then the circles.
pub(crate) fn report(graph: &Graph) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_graph(&mut text, graph);
    text
}

fn write_graph(text: &mut String, graph: &Graph) -> fmt::Result {
    let count = graph.module_count();
    writeln!(text, "{} ({count} module{})", graph.name, if count == 1 { "" } else { "s" })?;
    write_level(text, graph, &ModulePath::root())?;
    for (parent, level) in graph.levels() {
        for circle in level.circles() {
            write_circle(text, parent, level, &circle)?;
        }
    }
    if !graph.has_circle() {
        writeln!(text, "  no circle")?;
    }
    Ok(())
}

fn write_level(text: &mut String, graph: &Graph, parent: &ModulePath) -> fmt::Result {
    let Some(level) = graph.level(parent) else { return Ok(()) };
    let indent = "    ".repeat(parent.depth());
    for module in level.in_order().into_iter().flatten() {
        let named = level.named_by(module).collect::<Vec<_>>().join(", ");
        let arrow = if named.is_empty() { "" } else { " → " };
        writeln!(text, "  {indent}{module}{arrow}{named}")?;
        write_level(text, graph, &parent.child(module))?;
    }
    Ok(())
}

/// One line for each arrow of the circle, with the first of the places that make the arrow.
fn write_circle(
    text: &mut String,
    parent: &ModulePath,
    level: &Level,
    circle: &BTreeSet<&str>,
) -> fmt::Result {
    let modules = circle.iter().copied().collect::<Vec<_>>().join(", ");
    writeln!(text, "  circle below {parent}: {modules}")?;
    for from in circle {
        for to in level.named_by(from).filter(|to| circle.contains(to)) {
            let places = level.places(from, to);
            let Some(first) = places.first() else { continue };
            write!(text, "    {from} → {to}: {}:{} → {}", first.file.display(), first.line, first.target)?;
            match places.len() - 1 {
                0 => writeln!(text)?,
                more => writeln!(text, " (and {more} more)")?,
            }
        }
    }
    Ok(())
}
