//! Reads a crate's modules, beginning at the root module and going where `mod` declarations lead.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use proc_macro2::Ident;
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};
use syn::{Expr, File, Item, ItemMod, ItemUse, Lit, Meta, Visibility};

use super::crates::Sources;
use super::module_path::ModulePath;
use super::names::{Meaning, Names};
use super::test_only;
use super::use_trees::{self, Brings};

/// A crate's modules, without what only tests have.
pub(super) struct Tree {
    pub(super) names: Names,
    pub(super) bodies: Vec<Body>,
}

/// The items of one module, without the modules below.
pub(super) struct Body {
    pub(super) module: ModulePath,
    pub(super) file: PathBuf,
    pub(super) items: Vec<Item>,
}

/// Reads the modules of a crate.
pub(super) fn read(sources: &Sources) -> Result<Tree> {
    let tree = Tree { names: Names::default(), bodies: Vec::new() };
    let mut reader = Reader { sources, tree };
    let folder = sources.root.parent().unwrap_or(Path::new("")).to_path_buf();
    let file = reader.parse(&sources.root)?;
    reader.items(&ModulePath::root(), &Place { file: sources.root.clone(), folder }, file.items)?;
    Ok(reader.tree)
}

/// Where a module is written.
struct Place {
    file: PathBuf,
    /// Where the files of the modules below are.
    folder: PathBuf,
}

struct Reader<'a> {
    sources: &'a Sources,
    tree: Tree,
}

impl Reader<'_> {
    fn parse(&self, path: &Path) -> Result<File> {
        let text =
            self.sources.files.get(path).with_context(|| format!("there is no file {}", path.display()))?;
        let mut file = syn::parse_file(text).map_err(|error| {
            anyhow!("cannot parse {}:{}: {error}", path.display(), error.span().start().line)
        })?;
        test_only::remove(&mut file);
        Ok(file)
    }

    fn items(&mut self, module: &ModulePath, place: &Place, items: Vec<Item>) -> Result<()> {
        self.tree.names.add_module(module);
        let mut own = Vec::new();
        for item in items {
            match item {
                Item::Mod(below) => self.module(module, place, below)?,
                item => {
                    self.declare(module, &item);
                    own.push(item);
                }
            }
        }
        for item in &own {
            Imports { module, names: &mut self.tree.names }.visit_item(item);
        }
        self.tree.bodies.push(Body { module: module.clone(), file: place.file.clone(), items: own });
        Ok(())
    }

    fn module(&mut self, parent: &ModulePath, place: &Place, item: ItemMod) -> Result<()> {
        let name = item.ident.unraw().to_string();
        let module = parent.child(&name);
        let (place, items) = if let Some((_, items)) = item.content {
            (Place { file: place.file.clone(), folder: place.folder.join(&name) }, items)
        } else {
            let place = self.file_of(place, &name, &item)?;
            let file = self.parse(&place.file)?;
            if test_only::is_test_only(&file.attrs) {
                return Ok(());
            }
            (place, file.items)
        };
        self.tree.names.add(parent, &name, Meaning::Module, is_public(&item.vis));
        self.items(&module, &place, items)
    }

    /// The file of `mod name;`.
    fn file_of(&self, place: &Place, name: &str, item: &ItemMod) -> Result<Place> {
        let beside = place.file.parent().unwrap_or(Path::new(""));
        let named = path_attribute(item).map(|path| {
            let file = beside.join(path);
            let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
            Place { file, folder }
        });
        let folder = place.folder.join(name);
        let usual = [place.folder.join(format!("{name}.rs")), folder.join("mod.rs")];
        named
            .into_iter()
            .chain(usual.map(|file| Place { file, folder: folder.clone() }))
            .find(|place| self.sources.files.contains_key(&place.file))
            .with_context(|| format!("{} declares `mod {name}`, which has no file", place.file.display()))
    }

    fn declare(&mut self, module: &ModulePath, item: &Item) {
        let Some((name, public)) = defined(item) else { return };
        let name = name.unraw().to_string();
        let exported = matches!(item, Item::Macro(item) if item.attrs.iter().any(is_macro_export));
        if exported && *module != ModulePath::root() {
            let path = ["crate".to_owned()].iter().chain(module.segments()).chain([&name]).cloned().collect();
            self.tree.names.add(&ModulePath::root(), &name, Meaning::Import(path), true);
        }
        self.tree.names.add(module, &name, Meaning::Item, public);
    }
}

/// The name that an item defines, and whether other modules may see the name.
fn defined(item: &Item) -> Option<(&Ident, bool)> {
    let (name, visibility) = match item {
        Item::Const(item) => (&item.ident, &item.vis),
        Item::Enum(item) => (&item.ident, &item.vis),
        Item::Fn(item) => (&item.sig.ident, &item.vis),
        Item::Static(item) => (&item.ident, &item.vis),
        Item::Struct(item) => (&item.ident, &item.vis),
        Item::Trait(item) => (&item.ident, &item.vis),
        Item::TraitAlias(item) => (&item.ident, &item.vis),
        Item::Type(item) => (&item.ident, &item.vis),
        Item::Union(item) => (&item.ident, &item.vis),
        // Made visible by `#[macro_export]`, or by a `use` of the name.
        Item::Macro(item) => return item.ident.as_ref().map(|name| (name, false)),
        _ => return None,
    };
    Some((name, is_public(visibility)))
}

fn is_public(visibility: &Visibility) -> bool {
    !matches!(visibility, Visibility::Inherited)
}

fn is_macro_export(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("macro_export")
}

/// The value of `#[path = "…"]`.
fn path_attribute(item: &ItemMod) -> Option<String> {
    item.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

/// Collects imports, also those that stand inside a function: their names are taken as the whole module's.
struct Imports<'a> {
    module: &'a ModulePath,
    names: &'a mut Names,
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let public = is_public(&item.vis);
        for import in use_trees::imports(item) {
            match import.brings {
                Brings::Name(name) => {
                    self.names.add(self.module, &name, Meaning::Import(import.path), public);
                }
                Brings::Everything => self.names.add_glob(self.module, import.path, public),
                Brings::NoName => {}
            }
        }
        visit::visit_item_use(self, item);
    }
}
