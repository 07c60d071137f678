//! What a name or a path means inside a crate: a module, an item of a module, or something outside the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::module_path::ModulePath;

/// What a path names inside the crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Module(ModulePath),
    /// An item, by the module that defines the item.
    Item(ModulePath, String),
}

impl Target {
    /// The module itself, or the module that defines the item.
    pub(super) fn module(&self) -> &ModulePath {
        match self {
            Self::Module(module) | Self::Item(module, _) => module,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(module) => write!(formatter, "{module}"),
            Self::Item(module, name) => write!(formatter, "{module}::{name}"),
        }
    }
}

/// What a module gives a name to.
pub(super) enum Meaning {
    /// A module below the module.
    Module,
    /// An item that the module defines.
    Item,
    /// What this path names, seen from the module.
    Import(Vec<String>),
}

struct Named {
    meaning: Meaning,
    public: bool,
}

struct Glob {
    path: Vec<String>,
    public: bool,
}

#[derive(Default)]
struct Scope {
    names: BTreeMap<String, Vec<Named>>,
    globs: Vec<Glob>,
}

/// The names of every module of a crate.
#[derive(Default)]
pub(super) struct Names {
    scopes: BTreeMap<ModulePath, Scope>,
}

/// Names and globs whose meaning is being looked up: an import that leads back to itself ends there.
type Pending = Vec<(ModulePath, String, usize)>;

impl Names {
    /// Makes the module known, even if the module has no names.
    pub(super) fn add_module(&mut self, module: &ModulePath) {
        self.scopes.entry(module.clone()).or_default();
    }

    pub(super) fn add(&mut self, module: &ModulePath, name: &str, meaning: Meaning, public: bool) {
        let scope = self.scopes.entry(module.clone()).or_default();
        scope.names.entry(name.to_owned()).or_default().push(Named { meaning, public });
    }

    pub(super) fn add_glob(&mut self, module: &ModulePath, path: Vec<String>, public: bool) {
        self.scopes.entry(module.clone()).or_default().globs.push(Glob { path, public });
    }

    /// Every module, the root among them.
    pub(super) fn modules(&self) -> impl Iterator<Item = &ModulePath> {
        self.scopes.keys()
    }

    /// What a path that is written in module `from` names; nothing if the path leads out of the crate.
    ///
    /// Several targets are possible, as a module and a function may have the same name.
    pub(super) fn resolve(&self, from: &ModulePath, path: &[String]) -> BTreeSet<Target> {
        self.follow(from, path, &mut Pending::new())
    }

    fn follow(&self, from: &ModulePath, path: &[String], pending: &mut Pending) -> BTreeSet<Target> {
        let (mut targets, rest) = match split_anchor(from, path) {
            Anchor::Module(module, rest) => (BTreeSet::from([Target::Module(module)]), rest),
            Anchor::Outside => return BTreeSet::new(),
            Anchor::Name(name, rest) => (self.look_up(from, name, from, pending), rest),
        };
        for name in rest {
            targets = self.step(&targets, name, from, pending);
        }
        targets
    }

    /// From what the path has named so far to what one more name of the path says.
    fn step(
        &self,
        targets: &BTreeSet<Target>,
        name: &str,
        from: &ModulePath,
        pending: &mut Pending,
    ) -> BTreeSet<Target> {
        let mut next = BTreeSet::new();
        let modules: Vec<&ModulePath> = targets
            .iter()
            .filter_map(|target| if let Target::Module(module) = target { Some(module) } else { None })
            .collect();
        if modules.is_empty() {
            // A variant or an associated function: still the same item.
            return targets.clone();
        }
        for module in modules {
            let found = self.look_up(module, name, from, pending);
            if found.is_empty() {
                // Defined by a macro whose expansion is not seen here.
                next.insert(Target::Item(module.clone(), name.to_owned()));
            }
            next.extend(found);
        }
        next
    }

    /// What `name` means in `module`, for code in module `from`.
    fn look_up(
        &self,
        module: &ModulePath,
        name: &str,
        from: &ModulePath,
        pending: &mut Pending,
    ) -> BTreeSet<Target> {
        let Some(scope) = self.scopes.get(module) else { return BTreeSet::new() };
        let named = scope.names.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut found = BTreeSet::new();
        for (index, named) in named.iter().enumerate() {
            // A private name is seen by the module and by what is below the module.
            if named.public || from.is_within(module) {
                found.extend(self.meaning(module, name, (index, &named.meaning), pending));
            }
        }
        if !found.is_empty() {
            return found;
        }
        for (index, glob) in scope.globs.iter().enumerate() {
            let key = (module.clone(), name.to_owned(), named.len() + index);
            if (glob.public || from.is_within(module)) && !pending.contains(&key) {
                pending.push(key);
                for target in self.follow(module, &glob.path, pending) {
                    if let Target::Module(everything_of) = target {
                        found.extend(self.look_up(&everything_of, name, module, pending));
                    }
                }
                pending.pop();
            }
        }
        found
    }

    fn meaning(
        &self,
        module: &ModulePath,
        name: &str,
        (index, meaning): (usize, &Meaning),
        pending: &mut Pending,
    ) -> BTreeSet<Target> {
        let path = match meaning {
            Meaning::Module => return BTreeSet::from([Target::Module(module.child(name))]),
            Meaning::Item => return BTreeSet::from([Target::Item(module.clone(), name.to_owned())]),
            Meaning::Import(path) => path,
        };
        let key = (module.clone(), name.to_owned(), index);
        if pending.contains(&key) {
            return BTreeSet::new();
        }
        pending.push(key);
        let mut found = self.follow(module, path, pending);
        pending.pop();
        if found.is_empty() {
            // From another crate: inside this crate, the import is what the name leads to.
            found.insert(Target::Item(module.clone(), name.to_owned()));
        }
        found
    }
}

/// How a path begins.
enum Anchor<'path> {
    /// `crate`, `self`, `super`: the module and the rest of the path.
    Module(ModulePath, &'path [String]),
    /// A name that the module must know, and the rest of the path.
    Name(&'path str, &'path [String]),
    /// Empty, or above the root.
    Outside,
}

fn split_anchor<'path>(from: &ModulePath, path: &'path [String]) -> Anchor<'path> {
    let Some((first, mut rest)) = path.split_first() else { return Anchor::Outside };
    let mut module = match first.as_str() {
        "crate" => return Anchor::Module(ModulePath::root(), rest),
        "self" => Some(from.clone()),
        "super" => from.parent(),
        name => return Anchor::Name(name, rest),
    };
    while let Some((next, after)) = rest.split_first()
        && next == "super"
    {
        module = module.and_then(|module| module.parent());
        rest = after;
    }
    module.map_or(Anchor::Outside, |module| Anchor::Module(module, rest))
}
