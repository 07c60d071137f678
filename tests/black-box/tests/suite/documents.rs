//! The public documents of the APIs, replayed: each request is sent as it is printed, and each answer has the form that
//! is printed. `documents/README.md` says where the documents come from.

mod feather;
mod hoziron;
mod kontext;

use anyhow::{Context as _, Result, bail, ensure};
use black_box::api::{Answer, Api};
use serde_json::Value;

/// A request that a document prints as a curl line.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    pub(crate) method: String,
    /// The path, without the document's base URL.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<String>,
    /// The status and the body of the printed answer, if one is printed.
    pub(crate) answer: Option<(u16, Value)>,
}

impl Printed {
    /// Reads a curl command line.
    fn read(command: &str) -> Result<Self> {
        let mut words = words(command)?.into_iter();
        ensure!(words.next().as_deref() == Some("curl"), "not a curl line: {command}");
        let mut printed = Self { method: "GET".to_owned(), ..Self::default() };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} without a value in {command}"));
            match word.as_str() {
                "-X" | "--request" => printed.method = value()?,
                "-H" | "--header" => {
                    let header = value()?;
                    let (name, value) = header.split_once(':').with_context(|| header.clone())?;
                    printed.headers.push((name.to_owned(), value.trim().to_owned()));
                }
                "-d" | "--data" => printed.body = Some(value()?),
                "--url" => printed.path = path_of(&value()?)?,
                url if url.starts_with("http") => printed.path = path_of(url)?,
                other => bail!("an unknown option {other} in {command}"),
            }
        }
        ensure!(!printed.path.is_empty(), "no URL in {command}");
        Ok(printed)
    }

    /// Sends the request with exactly the printed headers and body. `api` has the base URL, and a key if the document
    /// prints none.
    pub(crate) async fn send(&self, api: &Api) -> Result<Answer> {
        let mut request = api.request(self.method.parse()?, &self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &self.body {
            request = request.body(body.clone());
        }
        Answer::of(request).await
    }
}

fn path_of(url: &str) -> Result<String> {
    let url = reqwest::Url::parse(url).with_context(|| url.to_owned())?;
    ensure!(url.query().is_none(), "a query in {url}");
    Ok(url.path().to_owned())
}

/// Splits a command line as a shell does: words, quotes, and a backslash before the end of a line.
fn words(command: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut characters = command.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '\\') => ensure!(characters.next() == Some('\n'), "a backslash in {command}"),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    ensure!(quote.is_none(), "an open quote in {command}");
    words.extend(word);
    Ok(words)
}

/// Every curl line of a document with its printed answer: `Response (<status>)`, then JSON.
fn curls(document: &str) -> Result<Vec<Printed>> {
    let mut found = Vec::new();
    for part in document.split("\ncurl ").skip(1) {
        let (command, rest) = part.split_once("\nResponse (").map_or((part, None), |(c, r)| (c, Some(r)));
        let mut printed = Printed::read(&format!("curl {command}"))?;
        if let Some(rest) = rest {
            let (status, rest) = rest.split_once(")\n").with_context(|| rest.to_owned())?;
            let json = serde_json::Deserializer::from_str(rest).into_iter::<Value>().next();
            printed.answer = Some((status.parse()?, json.with_context(|| rest.to_owned())??));
        }
        found.push(printed);
    }
    Ok(found)
}

/// Checks that `got` has the printed form: objects the same members, arrays as many elements. The members named in
/// `dynamic` only have the printed type, every other value is the printed one.
pub(crate) fn same(printed: &Value, got: &Value, dynamic: &[&str]) -> Result<()> {
    match (printed, got) {
        (Value::Object(printed), Value::Object(members)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            ensure!(
                names(printed) == names(members),
                "printed {:?}, got {:?}",
                names(printed),
                names(members)
            );
            for (name, printed) in printed {
                let value = &members[name];
                let is_typed =
                    dynamic.contains(&name.as_str()) && !printed.is_object() && !printed.is_array();
                if is_typed {
                    ensure!(kind(printed) == kind(value), "{name}: printed {printed}, got {value}");
                } else {
                    same(printed, value, dynamic).with_context(|| name.clone())?;
                }
            }
        }
        (Value::Array(printed), Value::Array(items)) => {
            ensure!(printed.len() == items.len(), "printed {printed:?}, got {items:?}");
            for (printed, item) in printed.iter().zip(items) {
                same(printed, item, dynamic)?;
            }
        }
        (printed, got) => ensure!(printed == got, "printed {printed}, got {got}"),
    }
    Ok(())
}

/// The JSON type of a value; an integer is a type of its own.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The rows of a document's tables whose cells are separated by `|`, without heads and rules.
fn rows<'d>(document: &'d str, after: &str, before: &str) -> Result<Vec<Vec<&'d str>>> {
    let rest = document.split_once(after).with_context(|| format!("no {after}"))?.1;
    let part = if before.is_empty() {
        rest
    } else {
        rest.split_once(before).with_context(|| format!("no {before}"))?.0
    };
    let lines = part.lines().filter(|line| line.contains('|')).skip_while(|line| !line.starts_with("|---"));
    let cells = |line: &'d str| line.trim_matches(['|', ' ']).split('|').map(str::trim).collect();
    Ok(lines.skip(1).map(cells).collect())
}
