//! The directory of hosted MCP servers that can be installed by id; the API calls it the catalog. Its entries are the files in `directory`, which
//! `build.rs` checks and packs.

use std::collections::BTreeMap;

use kernel::{Error, Result};
use postern_core::model::credential::HeaderTemplate;
use postern_core::model::integration::AuthMode;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Type;

/// The entries as `build.rs` packed them: a JSON array, in order of id.
const PACKED: &str = include_str!(concat!(env!("OUT_DIR"), "/directory.json"));
/// The categories of entries.
pub(crate) const CATEGORIES: [&str; 6] = ["devtools", "productivity", "communication", "data", "cloud", "ai"];
/// A suffix that callers may append to an id.
const ALIAS: &str = "-connector";
/// Longest value of a variable.
pub(crate) const LONGEST_VALUE: usize = 100;
/// The form of such a value, as a regular expression for JSON Schema.
pub(crate) const VALUE_PATTERN: &str = "^[0-9A-Za-z.-]+$";

/// A catalogue entry: a hosted MCP server. Its serialized form is the one that the API returns.
#[derive(Clone, Deserialize, Serialize, utoipa::ToSchema)]
#[schema(as = CatalogServer, description = "A hosted MCP server that can be installed by id.")]
pub(crate) struct Entry {
    /// Kebab-case, at most 40 characters, a usable slug.
    pub(crate) id: String,
    /// For people; no two entries have the same.
    pub(crate) name: String,
    /// One line.
    pub(crate) description: String,
    /// One of `CATEGORIES`.
    #[schema(schema_with = categories)]
    pub(crate) category: String,
    /// MCP endpoint; with `{key}` for each of `variables`.
    pub(crate) url: String,
    /// What an install without credentials gets.
    pub(crate) auth_mode: AuthMode,
    /// The vendor's documentation.
    pub(crate) docs_url: String,
    /// Whether somebody has called it through Postern.
    pub(crate) verified: bool,
    /// Words to search for.
    pub(crate) tags: Vec<String>,
    /// The server's authorization server, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) oauth: Option<Oauth>,
    /// Templates of the headers that carry the credentials.
    #[serde(default, skip_serializing)]
    pub(crate) headers: Vec<HeaderTemplate>,
    /// What an organization or a user may bring instead of consent.
    #[serde(default)]
    #[schema(required = true)]
    pub(crate) credentials: Vec<Credential>,
    /// The variables in the URL, which an install gives in `config`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) variables: Vec<Variable>,
}

/// The schema of `category`.
fn categories() -> utoipa::openapi::Object {
    utoipa::openapi::ObjectBuilder::new().schema_type(Type::String).enum_values(Some(CATEGORIES)).build()
}

/// The authorization server of a catalogue entry.
#[derive(Clone, Deserialize, Serialize, utoipa::ToSchema)]
#[schema(as = CatalogOauth)]
pub(crate) struct Oauth {
    /// The provider's name.
    pub(crate) provider: String,
    /// Scopes to ask for; empty: those that the server's metadata names.
    pub(crate) scopes: Vec<String>,
    /// Whether a client can register itself.
    pub(crate) registration: Registration,
}

/// Where a client id comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Registration {
    /// The authorization server registers clients by itself.
    Dynamic,
    /// The operator registers an application with the vendor.
    Manual,
}

/// One value of an entry's credential.
#[derive(Clone, Deserialize, Serialize, utoipa::ToSchema)]
#[schema(as = CatalogCredential)]
pub(crate) struct Credential {
    /// Its key in templates.
    pub(crate) key: String,
    /// For people.
    pub(crate) label: String,
    /// Whether it must not be shown while it is typed.
    pub(crate) secret: bool,
    /// Where to get one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uri")]
    pub(crate) get_url: Option<String>,
}

/// One placeholder of an entry's URL.
#[derive(Clone, Deserialize, Serialize, utoipa::ToSchema)]
#[schema(as = CatalogVariable)]
pub(crate) struct Variable {
    /// Its name in the URL.
    pub(crate) key: String,
    /// For people.
    pub(crate) label: String,
    /// A value that could be right.
    pub(crate) example: String,
}

/// Returns the entry that `source` names (an id, or an id with `-connector` appended), if there is one.
pub(crate) fn find(source: &str) -> Result<Option<Entry>> {
    let id = source.strip_suffix(ALIAS).unwrap_or(source);
    Ok(entries()?.into_iter().find(|entry| entry.id == id))
}

/// Returns the entries of `category` that contain `q` in id, name, description or a tag, in any case, in order of id.
/// An unknown category is an error.
pub(crate) fn search(q: Option<&str>, category: Option<&str>) -> Result<Vec<Entry>> {
    if category.is_some_and(|category| !CATEGORIES.contains(&category)) {
        let rule = format!("must be one of {}", CATEGORIES.join(", "));
        return Err(Error::invalid_field("category", rule));
    }
    let q = q.unwrap_or_default().trim().to_lowercase();
    let mut found = entries()?;
    found.retain(|entry| category.is_none_or(|category| entry.category == category) && entry.mentions(&q));
    Ok(found)
}

/// Returns the variables of all entries.
pub(crate) fn variables() -> Result<Vec<Variable>> {
    Ok(entries()?.into_iter().flat_map(|entry| entry.variables).collect())
}

/// Returns all entries. Installing and browsing are rare, so the catalogue is parsed each time and not kept in memory.
fn entries() -> Result<Vec<Entry>> {
    serde_json::from_str(PACKED).map_err(|error| Error::internal(format!("catalogue: {error}")))
}

impl Entry {
    /// Whether the entry contains `q`, which is in lower case.
    fn mentions(&self, q: &str) -> bool {
        let texts = [&self.id, &self.name, &self.description];
        texts.into_iter().chain(&self.tags).any(|text| text.to_lowercase().contains(q))
    }

    /// Returns the URL with its variables filled in. A missing or malformed value is an error; further `variables` are
    /// ignored.
    pub(crate) fn url_with(&self, variables: &BTreeMap<String, String>) -> Result<String> {
        let mut url = self.url.clone();
        for Variable { key, example, .. } in &self.variables {
            let value = variables.get(key).ok_or_else(|| {
                let rule = format!("is required, for example \"{example}\"");
                Error::invalid_field(&format!("config.{key}"), rule)
            })?;
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            if !(1..=LONGEST_VALUE).contains(&value.len()) || !value.bytes().all(allowed) {
                let rule = format!("must have 1 to {LONGEST_VALUE} characters of A-Z, a-z, 0-9, . and -");
                return Err(Error::invalid_field(&format!("config.{key}"), rule));
            }
            url = url.replace(&format!("{{{key}}}"), value);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use kernel::Code;
    use kernel::net::{Policy, SafeUrl};
    use postern_core::model::credential::{check_templates, wanted_keys};
    use postern_core::model::field::check_slug;
    use serde_json::{Value, json};

    use super::*;

    /// An entry with every kind of field, as the build packs it.
    const SAMPLE: &str = r#"{
        "id": "sample", "name": "Sample", "description": "What it does.", "category": "data",
        "url": "https://{shop}.example.com/{area_2}/mcp", "auth_mode": "oauth",
        "docs_url": "https://example.com/docs", "verified": false, "tags": ["a", "b-c"],
        "oauth": { "provider": "sample", "scopes": ["read", "a:write"], "registration": "manual" },
        "headers": [{ "name": "Authorization", "value": "Basic {base64(USER:PASSWORD)}" }],
        "credentials": [
            { "key": "USER", "label": "User", "secret": false },
            { "key": "PASSWORD", "label": "Password", "secret": true, "get_url": "https://example.com/keys" }
        ],
        "variables": [
            { "key": "shop", "label": "Shop", "example": "acme" },
            { "key": "area_2", "label": "Area", "example": "eu-1" }
        ]
    }"#;

    fn sample() -> Entry {
        serde_json::from_str(SAMPLE).unwrap()
    }

    fn ids(q: Option<&str>, category: Option<&str>) -> Vec<String> {
        search(q, category).unwrap().into_iter().map(|entry| entry.id).collect()
    }

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_entry_can_be_installed() {
        let entries = entries().unwrap();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/directory");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
        assert_eq!(entries.len(), files.count(), "one entry per file");
        for entry in &entries {
            let id = &entry.id;
            check_slug("id", id).unwrap();
            assert!(!entry.verified, "{id}: say in the commit who called it, then change this test");
            let examples = entry.variables.iter().map(|it| (it.key.clone(), it.example.clone())).collect();
            let links = entry.credentials.iter().filter_map(|credential| credential.get_url.clone());
            let urls = [entry.url_with(&examples).unwrap(), entry.docs_url.clone()];
            for url in urls.into_iter().chain(links) {
                SafeUrl::parse(&url, Policy::default()).unwrap_or_else(|why| panic!("{id}: {url}: {why}"));
            }
            let keys: BTreeSet<_> =
                entry.credentials.iter().map(|credential| credential.key.as_str()).collect();
            assert_eq!(wanted_keys(&entry.headers), keys, "{id}");
            assert!(entry.headers.is_empty() || check_templates(&entry.headers).is_ok(), "{id}");
            for source in [id.clone(), format!("{id}-connector")] {
                assert_eq!(find(&source).unwrap().unwrap().id, *id, "{source}");
            }
        }
        for unknown in
            ["", "-connector", "GitHub", "github-connector-connector", "git", "https://mcp.linear.app/mcp"]
        {
            assert!(find(unknown).unwrap().is_none(), "{unknown}");
        }
    }

    #[test]
    fn headers_have_the_vendors_forms() {
        for (id, name, value) in [
            ("github", "Authorization", "Bearer {GITHUB_PERSONAL_ACCESS_TOKEN}"),
            ("sentry", "Authorization", "Sentry-Bearer {SENTRY_AUTH_TOKEN}"),
            ("pagerduty", "Authorization", "Token token={PAGERDUTY_API_KEY}"),
            ("atlassian", "Authorization", "Basic {base64(ATLASSIAN_EMAIL:ATLASSIAN_API_TOKEN)}"),
            ("exa", "x-api-key", "{EXA_API_KEY}"),
        ] {
            let [header] = find(id).unwrap().unwrap().headers.try_into().ok().unwrap();
            assert_eq!((header.name.as_str(), header.value.as_str()), (name, value), "{id}");
        }
    }

    #[test]
    fn the_serialized_form_shows_no_header() {
        let mut packed: Value = serde_json::from_str(SAMPLE).unwrap();
        packed.as_object_mut().unwrap().remove("headers").unwrap();
        assert_eq!(serde_json::to_value(sample()).unwrap(), packed);
        let exa = serde_json::to_value(find("exa").unwrap().unwrap()).unwrap();
        assert_eq!(
            (&exa["auth_mode"], &exa["oauth"], &exa["variables"]),
            (&json!("none"), &Value::Null, &Value::Null)
        );
        let notion = serde_json::to_value(find("notion").unwrap().unwrap()).unwrap();
        assert_eq!(notion["credentials"], json!([]));
    }

    #[test]
    fn search_looks_at_every_text_in_any_case() {
        let all = ids(None, None);
        assert!(all.is_sorted() && all.len() > 20, "{all:?}");
        assert_eq!(ids(Some("  "), None), all, "nothing to look for");
        assert_eq!(ids(Some("PAGERDUTY"), None), ["pagerduty"], "id");
        assert_eq!(ids(Some(" monday.COM "), None), ["monday"], "name");
        assert_eq!(ids(Some("Zero trust"), None), ["cloudflare"], "description");
        assert_eq!(ids(Some("jira"), None), ["atlassian"], "tag");
        assert_eq!(ids(Some("postgres"), None), ["neon", "supabase"]);
        assert_eq!(ids(Some("no such thing"), None), [""; 0]);
        assert_eq!(ids(None, Some("cloud")), ["cloudflare"]);
        assert_eq!(ids(Some("search"), Some("ai")), ["exa", "firecrawl"]);
        assert_eq!(ids(Some("postgres"), Some("ai")), [""; 0]);
        let in_categories: usize = CATEGORIES.iter().map(|category| ids(None, Some(category)).len()).sum();
        assert_eq!(in_categories, all.len());
        for unknown in ["", "Cloud", "payments"] {
            let error = search(None, Some(unknown)).err().unwrap();
            assert_eq!(error.code, Code::Invalid);
            assert!(
                error.message.ends_with("devtools, productivity, communication, data, cloud, ai"),
                "{error}"
            );
        }
    }

    #[test]
    fn variables_fill_the_url() {
        let entry = sample();
        let good = values(&[("shop", "Acme.eu-1"), ("area_2", "x"), ("tool_policy", "a/b")]);
        assert_eq!(entry.url_with(&good).unwrap(), "https://Acme.eu-1.example.com/x/mcp");
        let long = "x".repeat(LONGEST_VALUE);
        assert!(entry.url_with(&values(&[("shop", &long), ("area_2", "x")])).is_ok());
        let too_long = format!("{long}x");
        for bad in
            ["", "a b", "evil.com/", "a@b", "a:1", "a?b", "a#b", "a%2e", "{area_2}", "ä", "a\n", &too_long]
        {
            let error = entry.url_with(&values(&[("shop", "acme"), ("area_2", bad)])).unwrap_err();
            assert_eq!(error.code, Code::Invalid, "{bad:?}");
            assert!(error.message.starts_with("config.area_2 must have 1 to 100"), "{error}");
        }
        let error = entry.url_with(&values(&[("area_2", "x")])).unwrap_err();
        assert_eq!(error.message, "config.shop is required, for example \"acme\"");
        let github = find("github").unwrap().unwrap();
        assert_eq!(github.url_with(&values(&[("shop", "/")])).unwrap(), github.url);
    }
}
