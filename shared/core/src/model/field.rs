//! The rules of single fields that several requests have, and slugs. Each check names the request's field in its error.

use std::str::FromStr as _;

use kernel::schema::{CONTROL, WHITE_SPACE, keyword, schema_type, text};
use kernel::{Error, Result};
use serde_json::json;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat};
use uuid::Uuid;

/// Longest display name in characters.
pub const LONGEST_NAME: usize = 200;
/// Longest token in bytes.
pub const LONGEST_TOKEN: usize = 16 * 1024;
/// Longest description in characters.
pub const LONGEST_DESCRIPTION: usize = 2000;
const LONGEST_SLUG: usize = 40;
/// Longest slug that an operator may choose.
const LONGEST_CHOSEN_SLUG: usize = 64;
/// Slugs that would hide a route, such as `/integrations/install`.
const RESERVED_SLUGS: [&str; 2] = ["install", "catalog"];
/// The form of slugs, as a regular expression for JSON Schema.
const SLUG_PATTERN: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";
/// The slugs that are UUIDs, as a regular expression for JSON Schema.
const UUID_PATTERN: &str = "^(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$";

/// Checks a display name, the request's field `field`: 1 to 200 characters, none of them control characters. Returns
/// the name without the white space around it.
pub fn check_name(field: &str, name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid_field(field, format!("must have 1 to {LONGEST_NAME} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid_field(field, "must not contain control characters"));
    }
    Ok(name.to_owned())
}

schema_type! {
    /// A display name, see [`check_name`].
    DisplayName, display_name()
}

fn display_name() -> ObjectBuilder {
    let (edge, inner) = (format!("[^{WHITE_SPACE}{CONTROL}]"), format!("[^{CONTROL}]"));
    let name = format!("{edge}(?:{inner}{{0,{}}}{edge})?", LONGEST_NAME - 2);
    text(format!("^[{WHITE_SPACE}]*{name}[{WHITE_SPACE}]*$")).min_length(Some(1)).description(Some(format!(
        "1 to {LONGEST_NAME} characters without control characters. White space around them is dropped."
    )))
}

/// Checks a description, the request's field `field`: at most 2000 characters, no control characters except line
/// feeds and tabs.
pub fn check_description(field: &str, text: &str) -> Result<String> {
    if text.chars().count() > LONGEST_DESCRIPTION {
        return Err(Error::invalid_field(
            field,
            format!("must have at most {LONGEST_DESCRIPTION} characters"),
        ));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(Error::invalid_field(field, "must not contain control characters"));
    }
    Ok(text.to_owned())
}

schema_type! {
    /// A description, see [`check_description`].
    Description, description()
}

fn description() -> ObjectBuilder {
    text(r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$").max_length(Some(LONGEST_DESCRIPTION)).description(
        Some(format!(
            "At most {LONGEST_DESCRIPTION} characters, without control characters except line feeds and tabs."
        )),
    )
}

/// Checks a slug that an operator chose, the request's field `field`: kebab-case, 1 to 64 characters, not reserved,
/// not in the form of a UUID.
pub fn check_slug(field: &str, text: &str) -> Result<String> {
    let kebab = text
        .split('-')
        .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    if !kebab || text.len() > LONGEST_CHOSEN_SLUG || Uuid::from_str(text).is_ok() {
        let rule = "must be kebab-case (a-z, 0-9, single hyphens), 1 to 64 characters";
        return Err(Error::invalid_field(field, rule));
    }
    if RESERVED_SLUGS.contains(&text) {
        return Err(Error::invalid_field(field, format!("must not be \"{text}\"")));
    }
    Ok(text.to_owned())
}

/// Returns the schema of slugs, see [`check_slug`].
pub(super) fn slug_schema() -> ObjectBuilder {
    let others = json!({ "anyOf": [{ "enum": RESERVED_SLUGS }, { "pattern": UUID_PATTERN }] });
    text(SLUG_PATTERN)
        .min_length(Some(1))
        .max_length(Some(LONGEST_CHOSEN_SLUG))
        .extensions(keyword("not", others))
        .description(Some("Kebab-case. Not a UUID, and not a reserved word."))
}

/// Checks a token, the request's field `field`: 1 byte to 16 KiB of visible ASCII, so that it can travel in a header.
pub fn check_token(field: &str, token: &str) -> Result<()> {
    if token.is_empty() || token.len() > LONGEST_TOKEN {
        return Err(Error::invalid_field(field, format!("must have 1 to {LONGEST_TOKEN} bytes")));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid_field(field, "must consist of visible ASCII characters"));
    }
    Ok(())
}

schema_type! {
    /// A token or another secret, see [`check_token`].
    Token, token()
}

fn token() -> ObjectBuilder {
    text("^[!-~]+$")
        .min_length(Some(1))
        .max_length(Some(LONGEST_TOKEN))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
        .write_only(true)
        .description(Some(format!("A secret: 1 to {LONGEST_TOKEN} characters of visible ASCII.")))
}

/// Returns the kebab-case slug of a display name. Several names may lead to one slug: `attempt` 0 gives the slug
/// itself, later attempts append a number. The result never contains `__` and never looks like a UUID.
pub fn slug(name: &str, attempt: u32) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(LONGEST_SLUG);
    let slug = slug.trim_end_matches('-');
    let base = match slug {
        "" => "integration",
        unusable if Uuid::from_str(unusable).is_ok() || RESERVED_SLUGS.contains(&unusable) => "integration",
        slug => slug,
    };
    match attempt {
        0 => base.to_owned(),
        attempt => format!("{base}-{}", attempt + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_made_from_names_are_kebab_case() {
        for (name, expected) in [
            ("Everything", "everything"),
            ("GitHub (Enterprise)", "github-enterprise"),
            ("  a__b  ", "a-b"),
            ("日本", "integration"),
            ("Catalog", "integration"),
            ("550e8400-e29b-41d4-a716-446655440000", "integration"),
        ] {
            assert_eq!(slug(name, 0), expected);
        }
        assert_eq!(slug("Everything", 1), "everything-2");
        assert_eq!(slug(&"x".repeat(300), 0).len(), LONGEST_SLUG);
    }

    #[test]
    fn slugs_chosen_by_operators_must_be_kebab_case() {
        for good in ["a", "github-connector", "7", &"x".repeat(64)] {
            assert_eq!(check_slug("id", good).unwrap(), good);
        }
        let uuid = "550e8400-e29b-41d4-a716-446655440000";
        for bad in
            ["", "-a", "a-", "a--b", "A", "a_b", "a b", "é", "install", "catalog", uuid, &"x".repeat(65)]
        {
            assert!(check_slug("id", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_and_tokens_have_bounds() {
        assert_eq!(check_name("name", " Sentry ").unwrap(), "Sentry");
        assert!(check_name("name", &"é".repeat(200)).is_ok());
        for bad in ["", "   ", "a\nb", &"x".repeat(201)] {
            assert!(check_name("name", bad).is_err(), "{bad:?}");
        }
        assert!(check_token("serverToken", &"x".repeat(LONGEST_TOKEN)).is_ok());
        for bad in ["", "a b", "a\r\nX-Evil: 1", "é", &"x".repeat(LONGEST_TOKEN + 1)] {
            assert!(check_token("serverToken", bad).is_err());
        }
    }
}
