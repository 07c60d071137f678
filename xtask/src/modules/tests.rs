//! The graph's logic on small crates, and the rule that no crate of this repository has a circle.

use std::path::PathBuf;

use super::crates::Sources;
use super::graph::Graph;
use super::{graph_of, graphs, report};
use crate::workspace;

fn graph(files: &[(&str, &str)]) -> Graph {
    let files =
        files.iter().map(|(path, text)| (PathBuf::from("src").join(path), (*text).to_owned())).collect();
    graph_of(&Sources { name: "example".to_owned(), root: PathBuf::from("src/lib.rs"), files }).unwrap()
}

/// The crate's modules as the report lists them, without the heading.
fn listed(files: &[(&str, &str)]) -> Vec<String> {
    let text = report(&graph(files));
    text.lines().skip(1).map(|line| line.strip_prefix("  ").unwrap().to_owned()).collect()
}

/// What `user` names, in a crate with the modules `a`, `b` and `user`.
fn named_by_user(root: &str, a: &str, b: &str, user: &str) -> String {
    let root = format!("mod a; mod b; mod user; {root}");
    let lines = listed(&[("lib.rs", &root), ("a.rs", a), ("b.rs", b), ("user.rs", user)]);
    let line = lines.iter().find(|line| line.starts_with("user")).unwrap();
    line.trim_start_matches("user").trim_start_matches(" → ").to_owned()
}

#[test]
fn no_crate_of_this_repository_has_a_circle() {
    let with_circles: Vec<String> =
        graphs(&workspace::root()).unwrap().iter().filter(|graph| graph.has_circle()).map(report).collect();
    assert!(with_circles.is_empty(), "modules form circles:\n\n{}", with_circles.join("\n"));
}

#[test]
fn every_product_crate_of_the_workspace_is_read() {
    let manifest = std::fs::read_to_string(workspace::root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
    let product: Vec<PathBuf> = members
        .filter(|member| ["shared/", "functions/", "runtimes/"].iter().any(|top| member.starts_with(top)))
        .flat_map(folders)
        .collect();
    assert!(!product.is_empty());
    let found: Vec<PathBuf> =
        super::crates::find(&workspace::root()).unwrap().into_iter().map(|sources| sources.root).collect();
    for member in product {
        assert!(
            found.iter().any(|root| root.parent().unwrap() == member.join("src")),
            "{}",
            member.display()
        );
    }
}

/// The folders that a member of the workspace stands for: one, or all below a folder.
fn folders(member: &str) -> Vec<PathBuf> {
    let Some(above) = member.strip_suffix("/*") else { return vec![PathBuf::from(member)] };
    let entries = std::fs::read_dir(workspace::root().join(above)).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| PathBuf::from(above).join(entry.file_name()))
        .collect()
}

#[test]
fn modules_are_listed_after_those_they_name() {
    let lines = listed(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::{b::B, c};"),
        ("b.rs", "pub struct B(super::c::C);"),
        ("c.rs", "pub struct C;"),
    ]);
    assert_eq!(lines, ["c", "b → c", "a → b, c", "no circle"]);
}

#[test]
fn a_circle_is_found_with_a_place_for_each_arrow() {
    let lines = listed(&[
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        ("b.rs", "pub struct B;\n\nfn f() {\n    crate::c::f();\n}"),
        ("c.rs", "pub fn f() -> super::a::A { todo!() }"),
        ("d.rs", "use crate::a::A;"),
    ]);
    let expected = [
        "a → b",
        "b → c",
        "c → a",
        "d → a",
        "circle below crate: a, b, c",
        "  a → b: src/a.rs:1 → b::B (and 1 more)",
        "  b → c: src/b.rs:4 → c::f",
        "  c → a: src/c.rs:1 → a::A",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_circle_is_found_between_subtrees_and_below_a_module() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "pub mod one; mod two;"),
        ("a/one.rs", "use super::two::Two; pub struct One;"),
        ("a/two.rs", "use crate::b::B; pub struct Two;"),
        ("b.rs", "use crate::a::one::One; pub struct B;"),
    ];
    let expected = [
        "a → b",
        "    two",
        "    one → two",
        "b → a",
        "circle below crate: a, b",
        "  a → b: src/a/two.rs:1 → b::B",
        "  b → a: src/b.rs:1 → a::one::One",
    ];
    assert_eq!(listed(&files), expected);

    let files = [
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod one; mod two;"),
        ("a/one.rs", "use super::two;"),
        ("a/two.rs", "use super::one;"),
    ];
    assert!(listed(&files).contains(&"circle below a: one, two".to_owned()));
}

#[test]
fn a_module_and_what_is_below_may_name_each_other() {
    let files = [
        ("lib.rs", "mod a; pub use a::A; pub const VERSION: u8 = 1;"),
        ("a.rs", "mod below; pub use below::Below; pub struct A(u8);"),
        ("a/below.rs", "use super::A; pub struct Below(A); const N: u8 = crate::VERSION;"),
    ];
    assert_eq!(listed(&files), ["a", "    below", "no circle"]);
}

#[test]
fn re_exports_lead_to_the_module_that_defines_the_item() {
    let named = |root, user| named_by_user(root, "pub struct A;", "pub use crate::a::A as Renamed;", user);
    assert_eq!(named("pub use a::A;", "use crate::A;"), "a");
    assert_eq!(named("pub use a::A;", "fn f() -> crate::A { super::A }"), "a");
    assert_eq!(named("pub use a::*;", "use crate::A;"), "a");
    assert_eq!(named("pub use b::Renamed as Again;", "use crate::Again;"), "a");
    assert_eq!(named("", "use crate::b::Renamed;"), "a");
    assert_eq!(named("", "use crate::b; fn f(_: b::Renamed) {}"), "a, b");
}

#[test]
fn a_re_export_from_another_crate_leads_to_the_re_exporting_module() {
    assert_eq!(named_by_user("", "pub use http::Method;", "", "use crate::a::Method;"), "a");
    assert_eq!(named_by_user("pub use a::Method;", "pub use http::Method;", "", "use crate::Method;"), "a");
    assert_eq!(named_by_user("pub use http::Method;", "", "", "use crate::Method;"), "");
}

#[test]
fn other_crates_and_private_names_are_no_modules() {
    // `a::A` in `user` is the crate `a`, as `user` has no name `a`.
    assert_eq!(named_by_user("", "pub struct A;", "", "use a::A; fn f(b: u8) -> u8 { b }"), "");
    assert_eq!(named_by_user("", "pub struct A;", "", "use ::a::A;"), "");
    // A glob does not bring in private imports.
    assert_eq!(named_by_user("", "use crate::b::B;", "pub struct B;", "use crate::a::*; type T = B;"), "a");
    assert_eq!(
        named_by_user("", "pub use crate::b::B;", "pub struct B;", "use crate::a::*; type T = B;"),
        "a, b"
    );
}

#[test]
fn paths_are_seen_wherever_they_stand() {
    let named =
        |user| named_by_user("", "pub struct A; pub enum E { V }", "pub trait B {} pub fn f() {}", user);
    assert_eq!(named("struct S(Vec<Option<crate::a::A>>);"), "a");
    assert_eq!(named("impl crate::b::B for crate::a::A {}"), "a, b");
    assert_eq!(named("fn g() { super::b::f() }"), "b");
    assert_eq!(named("fn g() { use crate::b; b::f() }"), "b");
    assert_eq!(named("fn g(e: E) { match e { crate::a::E::V => {} } }"), "a");
    assert_eq!(named("mod inner { fn g() { super::super::b::f() } }"), "b");
    assert_eq!(named("mod inner { use self::deep::f; mod deep { pub(super) use crate::b::f; } }"), "b");
    assert_eq!(named("#[derive(X)] struct S { #[serde(with = \"crate::a::A\")] s: u8 }"), "a");
    assert_eq!(named("#[api(body = crate::a::A)] fn g() {}"), "a");
}

#[test]
fn a_module_and_a_function_may_share_a_name() {
    let user = "fn g() { super::a() }";
    assert_eq!(named_by_user("pub use a::a;", "pub fn a() {}", "", user), "a");
    assert_eq!(named_by_user("pub use b::a;", "", "pub fn a() {}", user), "a, b");
}

#[test]
fn paths_in_macro_tokens_are_seen() {
    let named = |user| named_by_user("pub use b::Short;", "pub fn a() {}", "pub struct Short;", user);
    assert_eq!(named("fn g() { println!(\"{}\", crate::a::a()) }"), "a");
    assert_eq!(named("fn g() { vec![Some([super::Short])]; }"), "b");
    assert_eq!(named("macro_rules! m { ($x:expr) => { $crate::a::a($x) }; }"), "a");
    assert_eq!(named("use crate::a; fn g() { json!({ \"x\": a::a() }) }"), "a");
    assert_eq!(named("fn g() { m!(::a::a, x.a, $a::b, <T>::crate::a) }"), "");
    // Relative paths in a macro mean what they mean at the call.
    assert_eq!(named("macro_rules! m { () => { super::a::a() }; }"), "");
}

#[test]
fn exported_macros_are_found_at_the_root() {
    let a = "#[macro_export] macro_rules! shout { () => {}; }";
    assert_eq!(named_by_user("", a, "", "fn g() { crate::shout!() }"), "a");
    let b = "macro_rules! quiet { () => {}; } pub(crate) use quiet;";
    assert_eq!(named_by_user("", "", b, "crate::b::quiet! { X }"), "b");
}

#[test]
fn test_code_does_not_count() {
    let named = |user| named_by_user("", "pub struct A;", "pub struct B;", user);
    assert_eq!(named("#[cfg(test)] mod tests { use crate::a::A; }"), "");
    assert_eq!(named("#[cfg(all(test, feature = \"x\"))] use crate::a::A;"), "");
    assert_eq!(named("#[test] fn f() { crate::a::A; }"), "");
    assert_eq!(
        named("struct S; impl S { #[cfg(test)] fn f(_: crate::a::A) {} fn g(_: crate::b::B) {} }"),
        "b"
    );
    assert_eq!(named("fn f() { #[cfg(test)] let x = crate::a::A; }"), "");
    assert_eq!(named("#[cfg(not(test))] use crate::a::A;"), "a");
    assert_eq!(named("#[cfg(any(test, feature = \"x\"))] use crate::a::A;"), "a");

    let files = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod tests; mod helpers;"),
        ("a.rs", "use crate::b;"),
        ("b.rs", "#[cfg(test)] mod tests;"),
        ("b/tests.rs", "use crate::a;"),
        ("tests.rs", "use crate::a;"),
        ("helpers.rs", "#![cfg(test)] use crate::a;"),
    ];
    assert_eq!(listed(&files), ["b", "a → b", "no circle"]);
}

#[test]
fn an_import_that_leads_to_itself_ends() {
    assert_eq!(named_by_user("", "pub use super::b::X;", "pub use super::a::X;", "use crate::a::X;"), "a");
    assert_eq!(named_by_user("", "pub use super::b::*;", "pub use super::a::*;", "use crate::a::X;"), "a");
    assert_eq!(named_by_user("", "use serde::{self, Serialize};", "", "use serde::{self};"), "");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let error = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        let sources = Sources { name: "example".to_owned(), root: PathBuf::from("lib.rs"), files };
        graph_of(&sources).err().unwrap().to_string()
    };
    assert_eq!(error(&[("lib.rs", "mod gone;")]), "lib.rs declares `mod gone`, which has no file");
    assert!(error(&[("lib.rs", "\n\nfn (")]).starts_with("cannot parse lib.rs:3: "));
}
