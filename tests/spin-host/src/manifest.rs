//! `spin.toml`, version 2: which components there are, which routes lead to them and what they may do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::{allowed_hosts::AllowedHosts, template};

/// A manifest with all its variables resolved.
pub(crate) struct Application {
    /// Pairs of a route and a component, in the order of the manifest.
    pub(crate) routes: Vec<(String, String)>,
    pub(crate) components: Vec<Component>,
}

/// One component, and what the component may do.
pub(crate) struct Component {
    pub(crate) id: String,
    pub(crate) source: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) allowed_hosts: AllowedHosts,
    pub(crate) databases: BTreeSet<String>,
    pub(crate) stores: BTreeSet<String>,
}

/// The only database and key-value store that exist without a runtime configuration file.
const DEFAULT: &str = "default";

#[derive(Deserialize)]
struct Manifest {
    spin_manifest_version: u32,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    trigger: Triggers,
    component: BTreeMap<String, ComponentTable>,
}

#[derive(Deserialize)]
struct Variable {
    default: Option<String>,
    #[serde(default)]
    required: bool,
}

#[derive(Deserialize)]
struct Triggers {
    #[serde(default)]
    http: Vec<HttpTrigger>,
}

#[derive(Deserialize)]
struct HttpTrigger {
    route: Route,
    component: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Route {
    Path(String),
    Private { private: bool },
}

#[derive(Deserialize)]
struct ComponentTable {
    source: PathBuf,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    key_value_stores: BTreeSet<String>,
    #[serde(default)]
    sqlite_databases: BTreeSet<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

impl Application {
    /// Reads the manifest at `path`; `given` are the values that the operator sets.
    pub(crate) fn read(path: &Path, given: &BTreeMap<String, String>) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder, given).with_context(|| path.display().to_string())
    }

    fn parse(text: &str, folder: &Path, given: &BTreeMap<String, String>) -> Result<Self> {
        let manifest: Manifest = toml::from_str(text)?;
        ensure!(manifest.spin_manifest_version == 2, "spin_manifest_version is not 2");
        let values = resolve(&manifest.variables, given)?;
        let mut routes = Vec::new();
        for HttpTrigger { route, component } in manifest.trigger.http {
            ensure!(manifest.component.contains_key(&component), "no component is named {component}");
            match route {
                Route::Path(path) => routes.push((path, component)),
                Route::Private { private: true } => {}
                Route::Private { private: false } => bail!("a route of {component} is {{ private = false }}"),
            }
        }
        let components = manifest
            .component
            .into_iter()
            .map(|(id, table)| {
                let context = format!("component {id}");
                table.resolve(id, folder, &values).context(context)
            })
            .collect::<Result<_>>()?;
        Ok(Self { routes, components })
    }
}

/// The application's variables that have a value.
fn resolve(
    declared: &BTreeMap<String, Variable>,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    for name in given.keys() {
        ensure!(declared.contains_key(name), "variable {name} is not declared in the manifest");
    }
    let mut values = BTreeMap::new();
    for (name, variable) in declared {
        ensure!(
            variable.required != variable.default.is_some(),
            "variable {name} needs either a default or `required = true`"
        );
        match given.get(name).or(variable.default.as_ref()) {
            Some(value) => values.insert(name.clone(), value.clone()),
            None => bail!("variable {name} is required and has no value"),
        };
    }
    Ok(values)
}

impl ComponentTable {
    fn resolve(self, id: String, folder: &Path, values: &BTreeMap<String, String>) -> Result<Component> {
        for label in self.key_value_stores.iter().chain(&self.sqlite_databases) {
            ensure!(label == DEFAULT, "this host has no database or store named {label}");
        }
        let fill = |text: &str| template::fill(text, values);
        let variables = self
            .variables
            .iter()
            .map(|(name, text)| Ok((name.clone(), fill(text)?)))
            .collect::<Result<_>>()?;
        let hosts = self.allowed_outbound_hosts.iter().map(|text| fill(text)).collect::<Result<Vec<_>>>()?;
        Ok(Component {
            id,
            source: folder.join(self.source),
            environment: self.environment,
            variables,
            allowed_hosts: AllowedHosts::parse(&hosts)?,
            databases: self.sqlite_databases,
            stores: self.key_value_stores,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        spin_manifest_version = 2
        [application]
        name = "a"
        version = "1.0.0"
        [variables]
        key = { required = true, secret = true }
        host = { default = "example.com" }
        [[trigger.http]]
        route = "/a/..."
        component = "a"
        [[trigger.http]]
        route = { private = true }
        component = "a"
        [component.a]
        source = "target/a.wasm"
        allowed_outbound_hosts = ["https://{{ host }}"]
        sqlite_databases = ["default"]
        [component.a.variables]
        secret = "{{ key }}!"
        [component.a.build]
        command = "cargo build"
    "#;

    fn parse(text: &str, given: &[(&str, &str)]) -> Result<Application> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Application::parse(text, Path::new("/app"), &given)
    }

    #[test]
    fn reads_what_a_component_may_do() {
        let application = parse(MANIFEST, &[("key", "k")]).unwrap();
        assert_eq!(application.routes, [("/a/...".to_owned(), "a".to_owned())]);
        let component = &application.components[0];
        assert_eq!(component.source, Path::new("/app/target/a.wasm"));
        assert_eq!(component.variables["secret"], "k!");
        assert!(component.databases.contains("default"));
        assert!(component.stores.is_empty());
        assert!(component.allowed_hosts.allows(&"https://example.com/x".parse().unwrap()));
        assert!(!component.allowed_hosts.allows(&"https://example.org/x".parse().unwrap()));
    }

    #[test]
    fn refuses_what_would_not_work_on_spin() {
        assert!(parse(MANIFEST, &[]).is_err(), "a required variable has no value");
        assert!(parse(MANIFEST, &[("key", "k"), ("other", "")]).is_err(), "an unknown variable");
        let other = MANIFEST.replace("[\"default\"]", "[\"other\"]");
        assert!(parse(&other, &[("key", "k")]).is_err(), "an unknown database");
        let version = MANIFEST.replace("version = 2", "version = 1");
        assert!(parse(&version, &[("key", "k")]).is_err(), "an old manifest");
        let template = MANIFEST.replace("{{ key }}", "{{ none }}");
        assert!(parse(&template, &[("key", "k")]).is_err(), "an unknown name in a template");
    }
}
