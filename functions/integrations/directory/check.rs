//! The rules for entries of the directory. `build.rs` checks every entry against them; `tests/suite/directory.rs` tests each
//! rule with an entry that breaks the rule.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The categories of entries.
const CATEGORIES: [&str; 6] = ["devtools", "productivity", "communication", "data", "cloud", "ai"];
const AUTH_MODES: [&str; 4] = ["oauth", "server_token", "user_token", "none"];
const REGISTRATIONS: [&str; 2] = ["dynamic", "manual"];
/// The keys of a file in their order. Tables come last: a scalar after a table's header would belong to that table.
const ORDER: [&str; 13] = [
    "id",
    "name",
    "description",
    "category",
    "url",
    "auth_mode",
    "docs_url",
    "verified",
    "tags",
    "oauth",
    "headers",
    "credentials",
    "variables",
];
/// Longest id in characters: an id becomes a slug, which is the prefix of tool names.
const LONGEST_ID: usize = 40;
const LONGEST_TEXT: usize = 200;

/// A checked value, or the sentence that says which rule is broken.
type Checked<T = ()> = Result<T, String>;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    name: String,
    description: String,
    category: String,
    url: String,
    auth_mode: String,
    docs_url: String,
    verified: bool,
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oauth: Option<Oauth>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    credentials: Vec<Credential>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    variables: Vec<Variable>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Oauth {
    provider: String,
    scopes: Vec<String>,
    registration: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    value: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Credential {
    key: String,
    label: String,
    secret: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    get_url: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    key: String,
    label: String,
    example: String,
}

/// Checks all entries, given as file names and contents, and packs them into one JSON array, in order of id. Ids are
/// unique because each equals its file's name.
pub(crate) fn pack(files: &[(String, String)]) -> Checked<String> {
    let mut entries = Vec::with_capacity(files.len());
    let mut names = BTreeSet::new();
    for (file, text) in files {
        let entry = read(file, text).map_err(|why| format!("{file}: {why}"))?;
        if !names.insert(entry.name.to_lowercase()) {
            return Err(format!("{file}: another entry has the name `{}` too", entry.name));
        }
        entries.push(entry);
    }
    entries.sort_by(|a, b| a.id.cmp(&b.id));
    serde_json::to_string(&entries).map_err(|error| error.to_string())
}

fn read(file: &str, text: &str) -> Checked<Entry> {
    check_order(&toml::from_str(text).map_err(|error| located(text, &error))?)?;
    let entry: Entry = toml::from_str(text).map_err(|error| located(text, &error))?;
    check_id(file, &entry.id)?;
    check_line("name", &entry.name)?;
    check_line("description", &entry.description)?;
    check_one_of("category", &entry.category, &CATEGORIES)?;
    check_one_of("auth_mode", &entry.auth_mode, &AUTH_MODES)?;
    check_link("docs_url", &entry.docs_url)?;
    check_tags(&entry.tags)?;
    if let Some(oauth) = &entry.oauth {
        check_oauth(oauth)?;
    }
    check_url(&entry.url, &entry.variables)?;
    check_credentials(&entry.headers, &entry.credentials)?;
    match entry.auth_mode.as_str() {
        "oauth" if entry.oauth.is_none() => Err("auth_mode `oauth` needs [oauth]".to_owned()),
        mode @ ("server_token" | "user_token") if entry.credentials.is_empty() => {
            Err(format!("auth_mode `{mode}` needs [[credentials]]"))
        }
        _ => Ok(entry),
    }
}

fn located(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

/// Checks the order of the keys. Unknown keys are ignored here: deserialization refuses them.
fn check_order(table: &toml::Table) -> Checked {
    let mut last = ("", 0);
    for key in table.keys() {
        let Some(place) = ORDER.iter().position(|known| known == key) else { continue };
        if place < last.1 {
            return Err(format!("`{key}` stands after `{}`; the order is {}", last.0, ORDER.join(", ")));
        }
        last = (key, place);
    }
    Ok(())
}

fn check_id(file: &str, id: &str) -> Checked {
    if !is_kebab(id) || id.len() > LONGEST_ID {
        return Err(format!("id `{id}` must be kebab-case with at most {LONGEST_ID} characters"));
    }
    if id.ends_with("-connector") {
        return Err(format!("id `{id}` must not end in -connector, which callers may append to any id"));
    }
    if file.strip_suffix(".toml") != Some(id) {
        return Err(format!("id `{id}` must equal the file's name"));
    }
    Ok(())
}

fn is_kebab(text: &str) -> bool {
    text.split('-').all(|word| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

fn check_line(field: &str, text: &str) -> Checked {
    let length = text.chars().count();
    if text.trim() != text || !(1..=LONGEST_TEXT).contains(&length) || text.chars().any(char::is_control) {
        return Err(format!(
            "{field} must be one line of 1 to {LONGEST_TEXT} characters, without space around"
        ));
    }
    Ok(())
}

fn check_one_of(field: &str, text: &str, allowed: &[&str]) -> Checked {
    if allowed.contains(&text) {
        return Ok(());
    }
    Err(format!("{field} `{text}` must be one of {}", allowed.join(", ")))
}

fn check_tags(tags: &[String]) -> Checked {
    let distinct: BTreeSet<_> = tags.iter().collect();
    if tags.is_empty() || distinct.len() != tags.len() || !tags.iter().all(|tag| is_kebab(tag)) {
        return Err("tags must be at least one, kebab-case, none twice".to_owned());
    }
    Ok(())
}

fn check_oauth(oauth: &Oauth) -> Checked {
    check_line("oauth.provider", &oauth.provider)?;
    check_one_of("oauth.registration", &oauth.registration, &REGISTRATIONS)?;
    // RFC 6749 §3.3.
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    match oauth.scopes.iter().find(|scope| scope.is_empty() || !scope.bytes().all(allowed)) {
        Some(scope) => Err(format!("oauth.scopes: `{scope}` is not a scope token")),
        None => Ok(()),
    }
}

/// Checks, by its characters only, that `url` is an https URL. The tests of the crate check it against the rules for
/// upstream URLs as well.
fn check_https(field: &str, url: &str) -> Checked<()> {
    let rest =
        url.strip_prefix("https://").ok_or_else(|| format!("{field} `{url}` must begin with https://"))?;
    let host = host(rest);
    if host.is_empty() || host.contains('@') || !host.contains('.') {
        return Err(format!("{field} `{url}` must have a public host and no user"));
    }
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['\\', '#', '"', '<', '>']) {
        return Err(format!("{field} `{url}` has a character that a URL cannot have"));
    }
    Ok(())
}

fn host(rest: &str) -> &str {
    rest.split(['/', '?']).next().unwrap_or_default()
}

fn check_link(field: &str, url: &str) -> Checked {
    check_https(field, url)?;
    if url.contains(['{', '}']) {
        return Err(format!("{field} `{url}` must not have placeholders"));
    }
    Ok(())
}

fn check_url(url: &str, variables: &[Variable]) -> Checked {
    check_https("url", url)?;
    let used: BTreeSet<&str> = placeholders("url", url)?.into_iter().collect();
    let mut declared = BTreeSet::new();
    for variable in variables {
        let key = variable.key.as_str();
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !key.starts_with(|c: char| c.is_ascii_lowercase()) || !key.bytes().all(lower) {
            return Err(format!("variables: key `{key}` must consist of a-z, 0-9 and _"));
        }
        check_line(&format!("variables.{key}.label"), &variable.label)?;
        check_line(&format!("variables.{key}.example"), &variable.example)?;
        if !declared.insert(key) {
            return Err(format!("variables: key `{key}` is there twice"));
        }
    }
    check_same("url", &used, "[[variables]]", &declared)?;
    // A caller who installs an entry must not be able to choose another vendor's host.
    if host(url.trim_start_matches("https://")).ends_with('}') {
        return Err("url: a variable must not be the end of the host".to_owned());
    }
    Ok(())
}

fn check_credentials(headers: &[Header], credentials: &[Credential]) -> Checked {
    let mut names = BTreeSet::new();
    let mut used = BTreeSet::new();
    for header in headers {
        let name = header.name.as_str();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(format!("headers: name `{name}` must consist of letters, digits and hyphens"));
        }
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(format!("headers: name `{name}` is there twice"));
        }
        let keys = template_keys(&format!("headers.{name}"), &header.value)?;
        if keys.is_empty() {
            return Err(format!("headers.{name}: `{}` carries no credential", header.value));
        }
        used.extend(keys);
    }
    let mut declared = BTreeSet::new();
    for credential in credentials {
        let key = credential.key.as_str();
        if !is_credential_key(key) {
            return Err(format!("credentials: key `{key}` must consist of A-Z, 0-9 and _"));
        }
        check_line(&format!("credentials.{key}.label"), &credential.label)?;
        if let Some(url) = &credential.get_url {
            check_link(&format!("credentials.{key}.get_url"), url)?;
        }
        if !declared.insert(key) {
            return Err(format!("credentials: key `{key}` is there twice"));
        }
    }
    check_same("[[headers]]", &used, "[[credentials]]", &declared)
}

fn is_credential_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    key.starts_with(|c: char| c.is_ascii_uppercase()) && key.bytes().all(allowed)
}

/// Returns the keys in the placeholders `{KEY}` and `{base64(A:B)}` of `value`.
fn template_keys<'a>(field: &str, value: &'a str) -> Checked<Vec<&'a str>> {
    if !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(format!("{field}: `{value}` must be visible ASCII"));
    }
    let mut keys = Vec::new();
    for inner in placeholders(field, value)? {
        let pair = inner.strip_prefix("base64(").and_then(|rest| rest.strip_suffix(')'));
        let found = match pair {
            Some(pair) => pair.split_once(':').map(|(user, password)| vec![user, password]),
            None => Some(vec![inner]),
        };
        match found.filter(|found| found.iter().all(|key| is_credential_key(key))) {
            Some(found) => keys.extend(found),
            None => return Err(format!("{field}: `{{{inner}}}` is neither {{KEY}} nor {{base64(A:B)}}")),
        }
    }
    Ok(keys)
}

/// Returns the texts between braces in `text`.
fn placeholders<'a>(field: &str, text: &'a str) -> Checked<Vec<&'a str>> {
    let unbalanced = || format!("{field}: `{text}` has unbalanced braces");
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let (inner, after) = after.split_once('}').ok_or_else(unbalanced)?;
        if literal.contains('}') || inner.contains('{') || inner.is_empty() {
            return Err(unbalanced());
        }
        found.push(inner);
        rest = after;
    }
    if rest.contains('}') { Err(unbalanced()) } else { Ok(found) }
}

fn check_same(place: &str, used: &BTreeSet<&str>, list: &str, declared: &BTreeSet<&str>) -> Checked {
    if let Some(key) = used.difference(declared).next() {
        return Err(format!("{place} uses `{key}`, which {list} does not declare"));
    }
    match declared.difference(used).next() {
        Some(key) => Err(format!("{list} declares `{key}`, which {place} does not use")),
        None => Ok(()),
    }
}
