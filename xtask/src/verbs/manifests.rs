//! `cargo xtask manifests`: writes the parts of spin.toml and README.md that follow from the table of settings.
//!
//! Such a part stands between two comments, `begin: <name> (written by cargo xtask manifests)` and `end: <name>`;
//! all other lines of the files are kept as they are.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::describe;
use crate::workspace;

/// Options of `manifests`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Writes nothing, and fails when a file is out of date
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let settings = parse(&describe::text("settings")?)?;
    let mut outdated = Vec::new();
    for Part { file, name, text } in parts(&settings) {
        let path = workspace::root().join(file);
        let former = fs::read_to_string(&path).with_context(|| format!("{file} cannot be read"))?;
        let new = replace(&former, name, &text).with_context(|| file.to_owned())?;
        if new != former {
            outdated.push(format!("{file} ({name})"));
        }
        if !args.check {
            fs::write(&path, new).with_context(|| format!("{file} cannot be written"))?;
        }
    }
    match (outdated.is_empty(), args.check) {
        (true, _) => println!("spin.toml and README.md are up to date"),
        (false, true) => bail!("out of date: {}: run `cargo xtask manifests`", outdated.join(", ")),
        (false, false) => println!("new: {}", outdated.join(", ")),
    }
    Ok(())
}

/// A setting, as the crate `postern-core` describes it.
struct Setting {
    name: String,
    secret: bool,
    default: Option<String>,
    description: String,
}

fn parse(json: &str) -> Result<Vec<Setting>> {
    let described: Vec<Value> = serde_json::from_str(json).context("the description of the settings")?;
    ensure!(!described.is_empty(), "there are no settings");
    described.iter().map(|value| setting(value).with_context(|| format!("not a setting: {value}"))).collect()
}

fn setting(value: &Value) -> Option<Setting> {
    let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
    Some(Setting {
        name: text("name")?,
        secret: value.get("secret")?.as_bool()?,
        default: text("default"),
        description: text("description")?,
    })
}

/// A part of a file. All parts of this name in the file have the same text.
struct Part {
    file: &'static str,
    name: &'static str,
    text: String,
}

fn parts(settings: &[Setting]) -> [Part; 3] {
    let lines = |line: fn(&Setting) -> String| settings.iter().map(line).collect::<String>();
    let table = format!("| Setting | Meaning | Default |\n|---|---|---|\n{}", lines(row));
    [
        Part { file: "spin.toml", name: "settings", text: lines(variable) },
        Part { file: "spin.toml", name: "settings of the component", text: lines(passed_on) },
        Part { file: "README.md", name: "settings", text: table },
    ]
}

/// A line of spin.toml's `[variables]`.
fn variable(setting: &Setting) -> String {
    let name = setting.name.to_ascii_lowercase();
    let default = toml::Value::String(setting.default.clone().unwrap_or_default());
    let secret = if setting.secret { ", secret = true" } else { "" };
    format!("{name} = {{ default = {default}{secret} }}\n")
}

/// A line of spin.toml's `[component.….variables]`: every component reads every setting.
fn passed_on(setting: &Setting) -> String {
    let name = setting.name.to_ascii_lowercase();
    format!("{name} = \"{{{{ {name} }}}}\"\n")
}

/// A line of the table in README.md.
fn row(setting: &Setting) -> String {
    let description = setting.description.replace('|', "\\|");
    let default = setting.default.as_ref().map_or_else(|| "none".to_owned(), |text| format!("`{text}`"));
    format!("| `{}` | {description} | {default} |\n", setting.name)
}

/// The text of a file with `text` in all parts of this name; an error if there is no such part.
fn replace(file: &str, name: &str, text: &str) -> Result<String> {
    let begin = format!("begin: {name} (written by cargo xtask manifests)");
    let end = format!("end: {name}");
    let (mut new, mut found, mut inside) = (String::new(), false, false);
    for line in file.split_inclusive('\n') {
        let comment = comment(line);
        if inside && comment == Some(&end) {
            inside = false;
            new.push_str(text);
        }
        if !inside {
            new.push_str(line);
        }
        if comment == Some(&begin) {
            ensure!(!inside, "\"{begin}\" stands twice before \"{end}\"");
            (found, inside) = (true, true);
        }
    }
    ensure!(found, "\"{begin}\" is missing");
    ensure!(!inside, "\"{end}\" is missing");
    Ok(new)
}

/// The text of a line that is a comment in TOML or in Markdown.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim();
    line.strip_prefix("# ").or_else(|| line.strip_prefix("<!-- ")?.strip_suffix(" -->"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "a\n# begin: x (written by cargo xtask manifests)\nold\n# end: x\nb\n";

    #[test]
    fn only_the_part_of_that_name_is_replaced() {
        let new = replace(FILE, "x", "new\nlines\n").unwrap();
        assert_eq!(new, "a\n# begin: x (written by cargo xtask manifests)\nnew\nlines\n# end: x\nb\n");
        assert_eq!(replace(&new, "x", "new\nlines\n").unwrap(), new);
        let markdown = FILE.replace("# end: x", "<!-- end: x -->").replace(
            "# begin: x (written by cargo xtask manifests)",
            "<!-- begin: x (written by cargo xtask manifests) -->",
        );
        assert_eq!(replace(&markdown, "x", "").unwrap().matches("old").count(), 0);
    }

    #[test]
    fn a_part_without_begin_or_end_is_an_error() {
        assert!(replace(FILE, "y", "").unwrap_err().to_string().contains("begin: y"));
        let open = FILE.replace("# end: x", "# end: y");
        assert!(replace(&open, "x", "").unwrap_err().to_string().contains("end: x"));
    }

    #[test]
    fn lines_follow_from_the_description() {
        let json = r#"[{"name": "A_KEY", "secret": true, "default": null, "description": "One | two."},
            {"name": "SIZE", "secret": false, "default": "8", "description": "How large."}]"#;
        let [variables, passed_on, table] = parts(&parse(json).unwrap()).map(|part| part.text);
        assert_eq!(variables, "a_key = { default = \"\", secret = true }\nsize = { default = \"8\" }\n");
        assert_eq!(passed_on, "a_key = \"{{ a_key }}\"\nsize = \"{{ size }}\"\n");
        assert!(
            table.ends_with("| `A_KEY` | One \\| two. | none |\n| `SIZE` | How large. | `8` |\n"),
            "{table}"
        );
        assert!(parse(r#"[{"name": "A_KEY"}]"#).is_err());
    }
}
