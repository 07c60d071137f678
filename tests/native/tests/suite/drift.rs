//! Files that must agree with each other and with the code: manifests, settings, routes, jobs, bindings, documents.

use std::fs;

use postern_core::settings::{NAMES, SETTINGS, Setting};
use toml::Table;

use crate::tree::{root, rust_files};

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn manifest(file: &str) -> Table {
    read(file).parse().unwrap()
}

#[test]
fn cron_expressions_agree() {
    let wrangler = manifest("wrangler.toml");
    let crons = wrangler["triggers"]["crons"].as_array().unwrap();
    let crons: Vec<_> = crons.iter().filter_map(|cron| cron.as_str()).collect();
    let expressions: std::collections::BTreeSet<&str> = all::JOBS.iter().map(|job| job.cron).collect();
    assert_eq!(crons, expressions.into_iter().collect::<Vec<_>>());
    for job in all::JOBS {
        let call = format!("/_scheduled/{}", job.name);
        assert!(read("docs/spin.md").contains(&call), "docs/spin.md does not say who calls {call}");
    }
}

#[test]
fn cloudflare_bindings_agree() {
    let wrangler = manifest("wrangler.toml");
    let bound = |table: &str| wrangler[table][0]["binding"].as_str().unwrap().to_owned();
    for (file, binding) in [("d1.rs", bound("d1_databases")), ("kv.rs", bound("kv_namespaces"))] {
        let code = read(&format!("runtimes/cloudflare/src/{file}"));
        assert!(code.contains(&format!("const BINDING: &str = \"{binding}\";")), "{file}: {binding}");
    }
    // The binding counts as many steps as the code makes of each limit, in the code's window.
    let (limiter, code) = (&wrangler["ratelimits"][0], read("runtimes/cloudflare/src/rate_limit.rs"));
    let (name, simple) = (limiter["name"].as_str().unwrap(), &limiter["simple"]);
    assert!(code.contains(&format!("const BINDING: &str = \"{name}\";")), "{name}");
    assert!(code.contains(&format!("const STEPS: u32 = {};", simple["limit"])), "{simple}");
    assert_eq!(simple["period"].as_integer(), Some(60));
    assert_eq!(wrangler["d1_databases"][0]["migrations_dir"].as_str(), Some("migrations"));
}

#[test]
fn every_function_is_listed_and_is_a_component() {
    let folders = fs::read_dir(root().join("functions")).unwrap().map(|entry| entry.unwrap());
    let mut folders: Vec<String> = folders
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "all")
        .collect();
    let mut listed: Vec<&str> = all::FUNCTIONS.iter().map(|function| function.name).collect();
    folders.sort();
    listed.sort_unstable();
    assert_eq!(listed, folders);
    for function in listed {
        let library = read(&format!("functions/{function}/src/lib.rs"));
        assert!(library.contains("spin_runtime::component!()"), "{function}");
        assert!(library.contains("pub fn families() -> Vec<Routes> {"), "{function}");
    }
}

#[test]
fn every_setting_is_a_variable_of_every_component_and_documented() {
    let spin = manifest("spin.toml");
    let names: Vec<String> = NAMES.iter().map(|name| name.to_ascii_lowercase()).collect();
    let sorted = |table: &Table| {
        let mut keys: Vec<String> = table.keys().cloned().collect();
        keys.sort();
        keys
    };
    let mut expected = names.clone();
    expected.sort();
    assert_eq!(sorted(spin["variables"].as_table().unwrap()), expected);
    for (name, component) in spin["component"].as_table().unwrap() {
        let variables = component["variables"].as_table().unwrap();
        assert_eq!(sorted(variables), expected, "{name}");
        for (key, value) in variables {
            assert_eq!(value.as_str(), Some(format!("{{{{ {key} }}}}").as_str()), "{name}");
        }
    }
    let readme = read("README.md");
    let table = readme.split("<!-- begin: settings").nth(1).unwrap().split("<!-- end").next().unwrap();
    // The comment's own end, the table's head and its rule stand before the rows.
    assert_eq!(table.lines().filter(|line| line.starts_with("| `")).count(), SETTINGS.len());
    for Setting { name, secret, default, description } in SETTINGS {
        let row = format!(
            "| `{name}` | {} | {} |",
            description.replace('|', "\\|"),
            default.map_or_else(|| "none".to_owned(), |text| format!("`{text}`"))
        );
        assert!(table.lines().any(|line| line == row), "README.md: run `cargo xtask manifests` ({name})");
        let is_secret = ["KEY", "TOKEN"].iter().any(|part| name.contains(part));
        assert_eq!(*secret, is_secret, "{name}");
        let variable = &spin["variables"][name.to_ascii_lowercase()];
        let marked = variable.get("secret").and_then(toml::Value::as_bool).unwrap_or_default();
        assert_eq!(marked, is_secret, "{name}");
        assert_eq!(variable["default"].as_str(), Some(default.unwrap_or_default()), "{name}");
    }
}

#[test]
fn spin_routes_lead_to_the_function_that_answers_them() {
    let spin = manifest("spin.toml");
    let triggers: Vec<(String, String)> = spin["trigger"]["http"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trigger| (text(&trigger["route"]), text(&trigger["component"])))
        .collect();
    for function in all::FUNCTIONS {
        let families = (function.families)();
        for (method, path) in families.iter().flat_map(|family| family.listing()) {
            let concrete: String = path
                .split('/')
                .map(|part| if part.starts_with('{') { "x" } else { part })
                .collect::<Vec<_>>()
                .join("/");
            let best = triggers
                .iter()
                .filter(|(route, _)| matches(route, &concrete))
                .max_by_key(|(route, _)| route.trim_end_matches("...").len())
                .unwrap_or_else(|| panic!("no route of spin.toml answers {path}"));
            assert_eq!(best.1, function.name, "{method} {path} goes to {}", best.1);
        }
    }
    let mut components: Vec<_> = spin["component"].as_table().unwrap().keys().cloned().collect();
    components.sort();
    let mut expected: Vec<_> = all::FUNCTIONS.iter().map(|function| function.name.to_owned()).collect();
    expected.sort();
    assert_eq!(components, expected, "one component per function");
}

fn text(value: &toml::Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Whether a path matches a route, by Spin's rules: literal parts, `:name` for one part, `...` for the rest.
fn matches(route: &str, path: &str) -> bool {
    let mut parts = path.split('/');
    for part in route.split('/') {
        if part == "..." {
            return true;
        }
        match parts.next() {
            Some(given) if part.starts_with(':') || part == given => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

#[test]
fn spin_components_have_what_they_need_and_no_more() {
    let spin = manifest("spin.toml");
    for (name, component) in spin["component"].as_table().unwrap() {
        let list =
            |key: &str| -> Vec<String> { component[key].as_array().unwrap().iter().map(text).collect() };
        assert_eq!(list("sqlite_databases"), ["default"], "{name}");
        assert_eq!(list("key_value_stores"), ["default"], "{name}");
        // These functions dial what operators register, so they get the wildcard; a function that dials nothing
        // must not.
        let dials = ["integrations", "gateway", "connections", "oauth-callback", "admin", "scheduled"]
            .contains(&name.as_str());
        assert_eq!(list("allowed_outbound_hosts").contains(&"https://*:*".to_owned()), dials, "{name}");
        let source = format!("target/wasm32-wasip2/component/{}.wasm", name.replace('-', "_"));
        assert_eq!(component["source"].as_str(), Some(source.as_str()));
    }
}

#[test]
fn the_embedded_migrations_are_the_files() {
    let files: Vec<String> = native::migrations().into_iter().map(|(_, text)| text).collect();
    assert_eq!(files, postern_core::store::schema::MIGRATIONS);
}

#[tokio::test]
async fn the_embedded_migrations_build_the_same_schema_safely() {
    let schema = "SELECT type, name, tbl_name FROM sqlite_schema ORDER BY type, name";
    let (by_tool, by_postern) = (native::App::new(Vec::new(), &[]), native::App::unmigrated());
    // Two concurrent runs and a later one apply each migration once.
    let (one, two) = futures_util::join!(
        postern_core::store::schema::migrate(&by_postern.platform),
        postern_core::store::schema::migrate(&by_postern.platform)
    );
    one.unwrap();
    two.unwrap();
    postern_core::store::schema::migrate(&by_postern.platform).await.unwrap();
    assert_eq!(by_postern.rows(schema).await.unwrap(), by_tool.rows(schema).await.unwrap());
    let newer = kernel::ports::Statement::new("INSERT INTO schema_versions (version) VALUES (999)");
    by_postern.platform.sql.execute(newer).await.unwrap();
    let refused = postern_core::store::schema::migrate(&by_postern.platform).await.unwrap_err();
    assert!(refused.message.contains("newer"), "{refused}");
}

/// A promise is worth no more than the test that holds it.
#[test]
fn every_test_that_security_md_names_exists() {
    let text = read("SECURITY.md");
    let section = text.split("\n## ").find(|section| section.starts_with("Promises")).unwrap();
    // The first two rows are the table's head.
    let promises: Vec<&str> = section.lines().filter(|line| line.starts_with('|')).skip(2).collect();
    assert!(promises.len() > 10, "{} promises", promises.len());
    let sources: Vec<String> = ["shared", "functions", "tests"]
        .into_iter()
        .flat_map(|folder| rust_files(&root().join(folder), &["node_modules"]))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for promise in promises {
        let tests: Vec<&str> = promise.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test holds: {promise}");
        for test in tests {
            let signature = format!("fn {test}()");
            assert!(sources.iter().any(|source| source.contains(&signature)), "there is no test {test}");
        }
    }
}
