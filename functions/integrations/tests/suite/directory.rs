//! What the build of the catalogue packs and what it refuses.

use serde_json::{Value, json};

#[path = "../../directory/check.rs"]
mod check;

/// An entry with every kind of field.
const SAMPLE: &str = r#"id = "sample"
name = "Sample"
description = "What it does."
category = "data"
url = "https://{shop}.example.com/{area_2}/mcp"
auth_mode = "oauth"
docs_url = "https://example.com/docs"
verified = false
tags = ["a", "b-c"]

[oauth]
provider = "sample"
scopes = ["read", "a:write"]
registration = "manual"

[[headers]]
name = "Authorization"
value = "Basic {base64(USER:PASSWORD)}"

[[headers]]
name = "X-Key"
value = "{KEY_2}"

[[credentials]]
key = "USER"
label = "User"
secret = false

[[credentials]]
key = "PASSWORD"
label = "Password"
secret = true

[[credentials]]
key = "KEY_2"
label = "Key"
secret = true
get_url = "https://example.com/keys"

[[variables]]
key = "shop"
label = "Shop"
example = "acme"

[[variables]]
key = "area_2"
label = "Area"
example = "eu-1"
"#;

fn pack(file: &str, text: &str) -> Result<String, String> {
    check::pack(&[(file.to_owned(), text.to_owned())])
}

#[test]
fn a_catalogue_is_packed_by_id() {
    let second = SAMPLE.replacen("\"sample\"", "\"a-1\"", 1).replacen("\"Sample\"", "\"A\"", 1);
    let files = [("sample.toml".to_owned(), SAMPLE.to_owned()), ("a-1.toml".to_owned(), second)];
    let packed: Value = serde_json::from_str(&check::pack(&files).unwrap()).unwrap();
    assert_eq!((&packed[0]["id"], &packed[2]), (&json!("a-1"), &Value::Null));
    assert_eq!(
        packed[1],
        json!({
            "id": "sample", "name": "Sample", "description": "What it does.", "category": "data",
            "url": "https://{shop}.example.com/{area_2}/mcp", "auth_mode": "oauth",
            "docs_url": "https://example.com/docs", "verified": false, "tags": ["a", "b-c"],
            "oauth": { "provider": "sample", "scopes": ["read", "a:write"], "registration": "manual" },
            "headers": [
                { "name": "Authorization", "value": "Basic {base64(USER:PASSWORD)}" },
                { "name": "X-Key", "value": "{KEY_2}" },
            ],
            "credentials": [
                { "key": "USER", "label": "User", "secret": false },
                { "key": "PASSWORD", "label": "Password", "secret": true },
                { "key": "KEY_2", "label": "Key", "secret": true, "get_url": "https://example.com/keys" },
            ],
            "variables": [
                { "key": "shop", "label": "Shop", "example": "acme" },
                { "key": "area_2", "label": "Area", "example": "eu-1" },
            ],
        })
    );
}

#[test]
fn catalogue_entries_that_break_a_rule_fail_the_build() {
    for (from, to, expected) in [
        ("tags", "colour = \"red\"\ntags", "line 9: unknown field `colour`"),
        ("provider", "issuer = \"x\"\nprovider", "unknown field `issuer`"),
        ("label = \"User\"", "label = \"User\"\nhelp = \"x\"", "unknown field `help`"),
        ("label = \"Shop\"", "name = \"x\"\nlabel = \"Shop\"", "unknown field `name`"),
        ("description = \"What it does.\"\n", "", "missing field `description`"),
        ("secret = true", "secret = \"yes\"", "invalid type"),
        ("id = \"sample\"\n", "", "missing field `id`"),
        ("id = \"sample\"", "id = sample", "line 1: "),
        (
            "id = \"sample\"\nname = \"Sample\"",
            "name = \"Sample\"\nid = \"sample\"",
            "`id` stands after `name`",
        ),
        ("tags = [\"a\", \"b-c\"]\n\n[oauth]", "[oauth]\ntags = [\"a\"]", "unknown field `tags`"),
        ("id = \"sample\"", "id = \"other\"", "id `other` must equal the file's name"),
        ("id = \"sample\"", "id = \"Sample\"", "id `Sample` must be kebab-case"),
        ("id = \"sample\"", "id = \"a--b\"", "must be kebab-case"),
        ("id = \"sample\"", "id = \"sample-connector\"", "must not end in -connector"),
        ("\"What it does.\"", "\"\"", "description must be one line"),
        ("\"What it does.\"", "\"a\\nb\"", "description must be one line"),
        ("\"Sample\"", "\" Sample\"", "name must be one line"),
        ("\"data\"", "\"payments\"", "category `payments` must be one of devtools, "),
        ("\"oauth\"", "\"OAuth\"", "auth_mode `OAuth` must be one of oauth, "),
        ("\"manual\"", "\"magic\"", "oauth.registration `magic` must be one of dynamic, manual"),
        ("\"a:write\"", "\"a write\"", "oauth.scopes: `a write`"),
        ("\"b-c\"", "\"a\"", "tags must be"),
        ("[\"a\", \"b-c\"]", "[]", "tags must be"),
        (
            "https://{shop}",
            "http://{shop}",
            "url `http://{shop}.example.com/{area_2}/mcp` must begin with https://",
        ),
        ("https://example.com/docs", "http://example.com/docs", "docs_url `http://"),
        (
            "https://example.com/docs",
            "https://example.com/{shop}",
            "docs_url `https://example.com/{shop}` must not",
        ),
        ("https://example.com/keys", "example.com/keys", "credentials.KEY_2.get_url `example.com/keys`"),
        ("{shop}.example", "a@{shop}.example", "must have a public host and no user"),
        ("/mcp", "/m cp", "has a character that a URL cannot have"),
        ("/mcp", "/mcp#x", "has a character that a URL cannot have"),
        ("/mcp", "/{more}", "url uses `more`, which [[variables]] does not declare"),
        ("/{area_2}", "", "[[variables]] declares `area_2`, which url does not use"),
        ("/{area_2}", "/{area_2", "unbalanced braces"),
        ("{shop}.example.com", "x.{shop}", "a variable must not be the end of the host"),
        ("key = \"area_2\"", "key = \"Area\"", "variables: key `Area`"),
        ("key = \"area_2\"", "key = \"shop\"", "variables: key `shop` is there twice"),
        ("\"eu-1\"", "\"\"", "variables.area_2.example must be one line"),
        ("{KEY_2}", "{OTHER}", "[[headers]] uses `OTHER`, which [[credentials]] does not declare"),
        (
            "{base64(USER:PASSWORD)}",
            "{PASSWORD}",
            "[[credentials]] declares `USER`, which [[headers]] does not use",
        ),
        ("{base64(USER:PASSWORD)}", "{base64(USER)}", "headers.Authorization: `{base64(USER)}` is neither"),
        ("{KEY_2}", "{key_2}", "headers.X-Key: `{key_2}` is neither"),
        ("{KEY_2}", "{KEY_2", "headers.X-Key: `{KEY_2` has unbalanced braces"),
        ("{KEY_2}", "KEY_2}", "unbalanced braces"),
        ("{KEY_2}", "{KEY_2}\\r\\nX: y", "headers.X-Key: "),
        ("{KEY_2}", "fixed", "headers.X-Key: `fixed` carries no credential"),
        ("\"X-Key\"", "\"X Key\"", "headers: name `X Key`"),
        ("\"X-Key\"", "\"authorization\"", "headers: name `authorization` is there twice"),
        ("key = \"KEY_2\"", "key = \"key-2\"", "credentials: key `key-2`"),
        ("key = \"USER\"", "key = \"PASSWORD\"", "credentials: key `PASSWORD` is there twice"),
        ("label = \"Password\"", "label = \"\"", "credentials.PASSWORD.label must be one line"),
    ] {
        let broken = SAMPLE.replacen(from, to, 1);
        assert_ne!(broken, SAMPLE, "{from}");
        let why = pack("sample.toml", &broken).expect_err(expected);
        assert!(why.starts_with("sample.toml: ") && why.contains(expected), "{from} → {to}: {why}");
    }
    let head = SAMPLE.split_once("[oauth]").unwrap().0.replace("{shop}.", "").replace("/{area_2}", "");
    assert_eq!(pack("sample.toml", &head).unwrap_err(), "sample.toml: auth_mode `oauth` needs [oauth]");
    for mode in ["server_token", "user_token"] {
        let why = pack("sample.toml", &head.replace("\"oauth\"", &format!("{mode:?}"))).unwrap_err();
        assert_eq!(why, format!("sample.toml: auth_mode `{mode}` needs [[credentials]]"));
    }
    assert!(pack("sample.toml", &head.replace("\"oauth\"", "\"none\"")).is_ok());
    let inline = head.replace(
        "verified",
        "oauth = { provider = \"p\", scopes = [], registration = \"manual\" }\nverified",
    );
    let why = pack("sample.toml", &inline).unwrap_err();
    assert!(
        why.starts_with("sample.toml: `verified` stands after `oauth`; the order is id, name, "),
        "{why}"
    );
    let twin = ("twin.toml".to_owned(), SAMPLE.replacen("\"sample\"", "\"twin\"", 1));
    let why = check::pack(&[("sample.toml".to_owned(), SAMPLE.to_owned()), twin]).unwrap_err();
    assert_eq!(why, "twin.toml: another entry has the name `Sample` too");
}
