//! The graph of a crate's modules, level by level, and the circles in the graph.
//!
//! A level is the modules directly below one module. Among them an arrow stands for everything below: `a` → `b` if
//! any module in `a` names anything in `b`. A module and what is below the module may name each other freely.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::arrows::Arrow;
use super::module_path::ModulePath;
use super::names::{Names, Target};

/// The module graph of one crate.
pub(crate) struct Graph {
    pub(crate) name: String,
    /// Levels by the module that they are below.
    levels: BTreeMap<ModulePath, Level>,
}

/// The modules directly below one module.
#[derive(Default)]
pub(super) struct Level {
    /// For each module, the modules of the same level that it names, and where.
    arrows: BTreeMap<String, BTreeMap<String, Vec<Place>>>,
}

/// Where one module names something of another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) target: Target,
}

impl Graph {
    pub(super) fn new(name: &str, names: &Names, arrows: Vec<Arrow>) -> Self {
        let mut levels: BTreeMap<ModulePath, Level> = BTreeMap::new();
        for module in names.modules() {
            if let (Some(parent), Some(name)) = (module.parent(), module.name()) {
                levels.entry(parent).or_default().arrows.entry(name.to_owned()).or_default();
            }
        }
        for arrow in arrows {
            let Some((parent, from, to)) = siblings(&arrow.from, arrow.target.module()) else { continue };
            let place = Place { file: arrow.file, line: arrow.line, target: arrow.target };
            let from = levels.entry(parent).or_default().arrows.entry(from).or_default();
            from.entry(to).or_default().push(place);
        }
        for places in
            levels.values_mut().flat_map(|level| level.arrows.values_mut()).flat_map(BTreeMap::values_mut)
        {
            places.sort();
            places.dedup();
        }
        Self { name: name.to_owned(), levels }
    }

    /// How many modules the crate has besides the root.
    pub(super) fn module_count(&self) -> usize {
        self.levels.values().map(|level| level.arrows.len()).sum()
    }

    /// The levels that have modules, from the root down.
    pub(super) fn levels(&self) -> impl Iterator<Item = (&ModulePath, &Level)> {
        self.levels.iter()
    }

    pub(super) fn level(&self, parent: &ModulePath) -> Option<&Level> {
        self.levels.get(parent)
    }

    pub(crate) fn has_circle(&self) -> bool {
        self.levels.values().any(|level| level.circles().next().is_some())
    }
}

/// Where two modules' paths part: the module above both, and its children that they are, or are below.
/// Nothing if one of the two is above the other.
fn siblings(from: &ModulePath, to: &ModulePath) -> Option<(ModulePath, String, String)> {
    let mut parent = ModulePath::root();
    for (from, to) in from.segments().iter().zip(to.segments()) {
        if from != to {
            return Some((parent, from.clone(), to.clone()));
        }
        parent = parent.child(from);
    }
    None
}

impl Level {
    /// The modules that `module` names.
    pub(super) fn named_by(&self, module: &str) -> impl Iterator<Item = &str> {
        self.arrows.get(module).into_iter().flat_map(BTreeMap::keys).map(String::as_str)
    }

    /// Where `from` names something of `to`.
    pub(super) fn places(&self, from: &str, to: &str) -> &[Place] {
        self.arrows.get(from).and_then(|named| named.get(to)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Groups of modules that name each other in a circle.
    pub(super) fn circles(&self) -> impl Iterator<Item = BTreeSet<&str>> {
        self.in_order().into_iter().filter(|group| group.len() > 1)
    }

    /// All modules, each after those that it names. The modules of a circle form one group; each other module is a group
    /// of its own.
    pub(super) fn in_order(&self) -> Vec<BTreeSet<&str>> {
        let mut waiting = self.groups();
        let mut ordered: Vec<BTreeSet<&str>> = Vec::new();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        while let Some(ready) = waiting.iter().position(|group| {
            let mut named = group.iter().flat_map(|module| self.named_by(module));
            named.all(|module| group.contains(module) || done.contains(module))
        }) {
            let group = waiting.remove(ready);
            done.extend(&group);
            ordered.push(group);
        }
        ordered
    }

    /// The modules of each circle, and each other module alone.
    fn groups(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.arrows.keys().map(|module| (module.as_str(), self.reached_from(module))).collect();
        let leads = |from: &str, to: &str| reached.get(from).is_some_and(|modules| modules.contains(to));
        let groups: BTreeSet<BTreeSet<&str>> = reached
            .iter()
            .map(|(module, modules)| {
                let back = modules.iter().copied().filter(|other| leads(other, module));
                back.chain([*module]).collect()
            })
            .collect();
        groups.into_iter().collect()
    }

    fn reached_from(&self, module: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&str> = self.named_by(module).collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.named_by(next));
            }
        }
        reached
    }
}
