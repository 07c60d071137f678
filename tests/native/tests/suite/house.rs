//! Rules of the house that no compiler checks: which code may stand where, and the length of files and functions.

use std::fs;
use std::path::PathBuf;

use native::{Sqlite, migrations};

use crate::tree::{root, rust_files};

/// The Rust files below `folder`, without their tests.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = rust_files(&root().join(folder), &["target", "build", "tests"]);
    found.retain(|path| !path.ends_with("tests.rs"));
    assert!(!found.is_empty(), "{folder} has no sources");
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            // Unit tests stand at the end of a file.
            (name, text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned())
        })
        .collect()
}

fn product() -> Vec<(String, String)> {
    ["shared", "functions", "runtimes"].into_iter().flat_map(sources).collect()
}

#[test]
fn sql_stands_only_in_the_store() {
    let verbs = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "CREATE TABLE"];
    for (name, text) in product().iter().filter(|(name, _)| !name.contains("shared/core/src/store/")) {
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!verbs.iter().any(|verb| line.contains(verb)), "{name}: {line}");
        }
    }
}

#[test]
fn every_statement_names_its_function() {
    for (name, text) in sources("shared/core/src/store") {
        for statement in text.split("Statement::new(").skip(1) {
            let start = statement.trim_start().trim_start_matches("concat!(").trim_start();
            assert!(start.starts_with("\"-- "), "{name}: {}", &start[..start.len().min(60)]);
        }
    }
}

/// libSQL behind Spin reports 0 changes for every statement, so a write reads from its RETURNING clause what it did.
#[test]
fn no_code_asks_for_a_number_of_changes() {
    for (name, text) in product() {
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let asks = ["changes()", ".changes", "\"changes\""].iter().any(|sign| line.contains(sign));
            assert!(!asks, "{name}: {line}");
        }
    }
}

#[test]
fn runtime_types_stand_only_in_runtimes() {
    for folder in ["shared", "functions"] {
        for (name, text) in sources(folder) {
            for crate_name in ["worker::", "spin_sdk::", "wasm_bindgen", "js_sys", "web_sys"] {
                let used = text
                    .lines()
                    .any(|line| !line.trim_start().starts_with("//") && line.contains(crate_name));
                assert!(!used, "{name} uses {crate_name}");
            }
        }
    }
}

#[test]
fn a_function_names_no_other_function() {
    let names = all::FUNCTIONS.iter().map(|function| function.name);
    for function in all::FUNCTIONS {
        let manifest =
            fs::read_to_string(root().join(format!("functions/{}/Cargo.toml", function.name))).unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for other in names.clone().filter(|other| *other != function.name).chain(["all"]) {
            assert!(
                !dependencies.lines().any(|line| line.starts_with(&format!("{other}."))),
                "{} → {other}",
                function.name
            );
        }
    }
}

/// The crates that each crate under `shared` may use: the arrows of ARCHITECTURE.md.
#[test]
fn the_shared_crates_point_one_way() {
    for (crate_name, allowed) in [
        ("kernel", &[][..]),
        ("mcp", &["kernel"]),
        ("web", &["kernel", "mcp"]),
        ("core", &["kernel", "mcp", "web"]),
    ] {
        let manifest = fs::read_to_string(root().join(format!("shared/{crate_name}/Cargo.toml"))).unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for other in ["kernel", "mcp", "web", "postern-core", "cloudflare", "spin-runtime", "native"] {
            let named = dependencies.lines().any(|line| line.starts_with(&format!("{other}.")));
            assert!(!named || allowed.contains(&other), "{crate_name} → {other}");
        }
    }
}

#[test]
fn only_net_makes_a_safe_url() {
    for (name, text) in product().iter().filter(|(name, _)| !name.ends_with("shared/kernel/src/net.rs")) {
        assert!(!text.contains("SafeUrl("), "{name}");
    }
}

#[test]
fn only_ports_read_time_and_randomness() {
    for (name, text) in product().iter().filter(|(name, _)| !name.contains("runtimes/")) {
        for source in ["SystemTime::now", "Instant::now", "getrandom", "Uuid::new_v4", "std::env::var"] {
            assert!(!text.contains(source), "{name}: {source}");
        }
    }
}

#[test]
fn files_and_functions_stay_short() {
    const LONGEST_FILE: usize = 400;
    const LONGEST_FUNCTION: usize = 60;
    for (name, text) in product() {
        let lines = fs::read_to_string(root().join(&name)).unwrap().lines().count();
        assert!(lines <= LONGEST_FILE, "{name} has {lines} lines");
        for (function, lines) in functions(&text) {
            assert!(lines <= LONGEST_FUNCTION, "{name}: {function} has {lines} lines");
        }
    }
}

/// The functions of a formatted file, with their numbers of lines: from the line with `fn` to the brace that ends
/// the function.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    // Only keywords stand before `fn`.
    let is_function = |line: &str| {
        let (before, _) = line.trim_start().split_once("fn ").unwrap_or(("//", ""));
        before.chars().all(|c| c.is_ascii_lowercase() || "() ".contains(c))
    };
    let starts = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//") && is_function(line));
    starts
        .filter_map(|(start, line)| {
            let end = lines[start..]
                .iter()
                .position(|other| *other == format!("{}}}", " ".repeat(indent(line))))?;
            Some((*line, end + 1))
        })
        .collect()
}

#[test]
fn the_length_of_functions_is_counted() {
    let text =
        "fn a() {\n    x\n}\n\nimpl A {\n    pub(crate) async fn b(\n        &self,\n    ) {\n    }\n}\n";
    let lengths: Vec<usize> = functions(text).into_iter().map(|(_, lines)| lines).collect();
    assert_eq!(lengths, [3, 4]);
}

/// `cargo xtask` runs no documentation tests: such code would look tested and never run.
#[test]
fn no_code_in_comments_claims_to_be_a_test() {
    for (name, text) in product() {
        let fences = text.lines().filter_map(|line| line.trim_start().strip_prefix("//")?.split_once("```"));
        // Every other fence ends a block.
        for (_, language) in fences.step_by(2) {
            assert!(
                !matches!(language.trim(), "" | "rust" | "no_run" | "should_panic"),
                "{name}: a Rust block"
            );
        }
    }
}

/// Each further program would link the whole tree once more. What runs inside WASM is a program of its own.
#[test]
fn a_crate_has_one_integration_test_program() {
    for crates in ["shared", "functions", "runtimes", "tests"] {
        for crate_folder in fs::read_dir(root().join(crates)).unwrap() {
            let tests = crate_folder.unwrap().path().join("tests");
            let entries = fs::read_dir(&tests).into_iter().flatten().map(|entry| entry.unwrap().path());
            let is_program = |path: &PathBuf| {
                let file = path.extension().is_some_and(|extension| extension == "rs");
                (file && !path.ends_with("wasm.rs")) || path.join("main.rs").exists()
            };
            let programs: Vec<PathBuf> = entries.filter(is_program).collect();
            assert!(programs.len() <= 1, "{programs:?} could be one program");
        }
    }
}

#[test]
fn migrations_are_numbered_and_say_so() {
    for (index, (name, text)) in migrations().iter().enumerate() {
        let number = index + 1;
        assert!(name.starts_with(&format!("{number:04}_")), "{name} should be number {number}");
        let record = format!("INSERT INTO schema_versions (version) VALUES ({number});");
        assert!(text.trim_end().ends_with(&record), "{name} does not end with {record}");
        for table in text.split("CREATE TABLE").skip(1) {
            assert!(table.split(';').next().unwrap().contains(") STRICT"), "{name}: a table is not STRICT");
        }
    }
    assert_eq!(i64::try_from(migrations().len()).unwrap(), postern_core::store::schema::VERSION);
}

#[tokio::test]
async fn the_code_accepts_the_schema_of_the_migrations() {
    let app = native::App::new(Vec::new(), &[]);
    assert_eq!(
        postern_core::store::schema::check(&app.platform).await.unwrap(),
        postern_core::store::schema::VERSION
    );
    assert_eq!(Sqlite::migrated().count("schema_versions"), postern_core::store::schema::VERSION);
}
