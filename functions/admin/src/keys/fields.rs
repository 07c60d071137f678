//! The rules of the fields of a new key, and their schemas.

use kernel::schema::{WHITE_SPACE, keyword, reference, schema_type, text};
use kernel::time::Timestamp;
use kernel::{Error, Result};
use postern_core::Platform;
use postern_core::auth::SERVICE;
use postern_core::model::field::{DisplayName, check_name};
use utoipa::openapi::schema::{AllOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType, Type};

use crate::duration::{PATTERN, Refused, parse};

/// Most roles of a key.
const MOST_ROLES: usize = 20;
/// Longest role in characters.
const LONGEST_ROLE: usize = 64;
/// Longest email address in bytes (RFC 5321 §4.5.3.1.3, without the brackets).
const LONGEST_EMAIL: usize = 254;

schema_type! {
    /// The name of a key, see [`check_key_name`].
    KeyName, key_name(), uses DisplayName
}

fn key_name() -> AllOfBuilder {
    let dots = serde_json::json!({ "pattern": format!("^[{WHITE_SPACE}]*\\.{{1,2}}[{WHITE_SPACE}]*$") });
    AllOfBuilder::new()
        .item(reference::<DisplayName>())
        .item(ObjectBuilder::new().extensions(keyword("not", dots)).schema_type(SchemaType::AnyValue))
        .description(Some("A display name that can stand in a path: not `.` and not `..`."))
}

schema_type! {
    /// An email address, see [`check_email`].
    Email, email()
}

fn email() -> ObjectBuilder {
    text("^[!-?A-~]+@[!-?A-~]+$").max_length(Some(LONGEST_EMAIL)).description(Some("An email address."))
}

schema_type! {
    /// The roles of a key, see [`check_roles`].
    Roles, roles()
}

fn roles() -> ArrayBuilder {
    let role =
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(LONGEST_ROLE));
    ArrayBuilder::new().items(role).min_items(Some(1)).max_items(Some(MOST_ROLES))
}

schema_type! {
    /// A duration, see [`parse`].
    GoDuration, go_duration()
}

fn go_duration() -> ObjectBuilder {
    text(PATTERN)
        .description(Some("A positive duration as Go writes it: `24h`, `1h30m`; units h, m, s, ms, us, ns."))
}

/// Checks a key's name: a display name that can stand in a path.
pub(super) fn check_key_name(name: &str) -> Result<String> {
    if name.trim().is_empty() {
        return Err(Error::invalid_field("name", "is required"));
    }
    let name = check_name("name", name)?;
    if name == "." || name == ".." {
        return Err(Error::invalid_field("name", "must not be \".\" or \"..\""));
    }
    Ok(name)
}

/// Checks roles: 1 to 20, each of them one that selects a persona or the role of programs. Returns each once.
pub(super) fn check_roles(platform: &Platform, roles: Vec<String>) -> Result<Vec<String>> {
    if roles.is_empty() {
        return Err(Error::invalid_field("roles", "is required"));
    }
    if roles.len() > MOST_ROLES || roles.iter().any(|role| role.chars().count() > LONGEST_ROLE) {
        let rule = format!("must be at most {MOST_ROLES} roles of at most {LONGEST_ROLE} characters");
        return Err(Error::invalid_field("roles", rule));
    }
    let mut checked: Vec<String> = Vec::new();
    for (place, role) in (1..).zip(roles) {
        if role != SERVICE && !platform.settings.personas.knows_role(&role) {
            let rule = format!("must select a persona: no persona has role number {place}");
            return Err(Error::invalid_field("roles", rule));
        }
        if !checked.contains(&role) {
            checked.push(role);
        }
    }
    Ok(checked)
}

/// Checks an email address as far as Postern shows it: visible ASCII around one `@`.
pub(super) fn check_email(email: &str) -> Result<String> {
    let visible = email.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = email
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    if visible && fits && email.len() <= LONGEST_EMAIL {
        return Ok(email.to_owned());
    }
    Err(Error::invalid_field("email", format!("must be an address of at most {LONGEST_EMAIL} characters")))
}

/// Returns when a key that lasts for the duration `text` expires.
pub(super) fn check_duration(platform: &Platform, text: &str) -> Result<Timestamp> {
    match parse(text) {
        Ok(duration) => Ok(platform.now() + duration),
        Err(Refused::NotPositive) => Err(Error::invalid("expires_in must be a positive duration")
            .with_reason("expires_in", "must be positive")),
        Err(Refused::Malformed) => {
            let rule =
                "a number with a unit (h, m, s, ms, us, ns), several of them, such as \"720h\" or \"1h30m\"";
            Err(Error::invalid(format!("invalid expires_in duration: must be {rule}"))
                .with_reason("expires_in", format!("must be {rule}")))
        }
    }
}
