//! Finds every place in a crate where one module names another.

use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMacro, ItemUse, Macro, Meta};

use super::module_path::ModulePath;
use super::names::{Names, Target};
use super::tokens;
use super::tree::{Body, Tree};
use super::use_trees;

/// Module `from` names `target` at this place.
pub(super) struct Arrow {
    pub(super) from: ModulePath,
    pub(super) target: Target,
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

/// All arrows between modules of the crate.
pub(super) fn collect(tree: &Tree) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for Body { module, file, items } in &tree.bodies {
        let mut collector = Collector { names: &tree.names, module, file, arrows: &mut arrows };
        for item in items {
            collector.visit_item(item);
        }
    }
    arrows
}

struct Collector<'a> {
    names: &'a Names,
    module: &'a ModulePath,
    file: &'a Path,
    arrows: &'a mut Vec<Arrow>,
}

impl Collector<'_> {
    /// A path in code. Code never names a module alone: a path without `crate`, `self` or `super` that leads to a module
    /// is a variable, or a word of a macro's own language, that has the module's name.
    fn add(&mut self, path: &[String], line: usize) {
        let anchored = path.first().is_some_and(|first| matches!(first.as_str(), "crate" | "self" | "super"));
        for target in self.names.resolve(self.module, path) {
            if anchored || matches!(target, Target::Item(..)) {
                self.push(target, line);
            }
        }
    }

    fn push(&mut self, target: Target, line: usize) {
        if target.module() != self.module {
            self.arrows.push(Arrow {
                from: self.module.clone(),
                target,
                file: self.file.to_path_buf(),
                line,
            });
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        for written in tokens::paths(tokens) {
            self.add(&written.path, written.line);
        }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for import in use_trees::imports(item) {
            for target in self.names.resolve(self.module, &import.path) {
                self.push(target, import.line);
            }
        }
        visit::visit_item_use(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let names: Vec<String> =
                path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
            let line = path.segments.first().map_or(0, |first| first.ident.span().start().line);
            self.add(&names, line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.add_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        if item.ident.is_none() {
            visit::visit_item_macro(self, item);
            return;
        }
        // `macro_rules!`: other paths mean what they mean where the macro is called.
        for written in tokens::paths(item.mac.tokens.clone()) {
            if written.path.first().is_some_and(|first| first == "crate") {
                self.add(&written.path, written.line);
            }
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // The attribute's own name is left out: `#[error(…)]` names no module.
        match &attribute.meta {
            Meta::List(list) => {
                for written in tokens::paths_in_attribute(list.tokens.clone()) {
                    self.add(&written.path, written.line);
                }
            }
            Meta::NameValue(pair) => self.visit_expr(&pair.value),
            Meta::Path(_) => {}
        }
    }
}
