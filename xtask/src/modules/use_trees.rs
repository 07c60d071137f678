//! Takes `use` declarations apart: one path per imported name.

use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::{ItemUse, UseTree};

/// One path of a `use` declaration.
pub(super) struct Import {
    /// The path without a final `self` or `*`.
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    pub(super) brings: Brings,
}

/// What an import makes available.
pub(super) enum Brings {
    /// One thing under this name.
    Name(String),
    /// Everything in the module (`*`).
    Everything,
    /// A trait's methods only (`as _`).
    NoName,
}

/// The imports of one declaration; none if the declaration names another crate by `::name`.
pub(super) fn imports(item: &ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    if item.leading_colon.is_none() {
        walk(&item.tree, &[], &mut found);
    }
    found
}

fn walk(tree: &UseTree, above: &[String], found: &mut Vec<Import>) {
    match tree {
        UseTree::Path(path) => walk(&path.tree, &joined(above, &path.ident), found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, above, found)),
        UseTree::Name(name) => {
            let path = joined(above, &name.ident);
            let brings = path.last().map_or(Brings::NoName, |last| Brings::Name(last.clone()));
            found.push(Import { path, line: line(&name.ident), brings });
        }
        UseTree::Rename(rename) => {
            let new = rename.rename.unraw().to_string();
            let brings = if new == "_" { Brings::NoName } else { Brings::Name(new) };
            found.push(Import { path: joined(above, &rename.ident), line: line(&rename.ident), brings });
        }
        UseTree::Glob(glob) => {
            let line = glob.star_token.spans.first().map_or(0, |span| span.start().line);
            found.push(Import { path: above.to_vec(), line, brings: Brings::Everything });
        }
    }
}

/// `a::b` and `c` make `a::b::c`; `a::b` and `self` make `a::b`.
fn joined(above: &[String], name: &Ident) -> Vec<String> {
    let mut path = above.to_vec();
    if name != "self" || path.is_empty() {
        path.push(name.unraw().to_string());
    }
    path
}

fn line(name: &Ident) -> usize {
    name.span().start().line
}
