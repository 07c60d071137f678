//! The headers of a new connection: the one that carries its credential, and the customer's own.

use std::collections::BTreeMap;

use http::HeaderName;
use kernel::secret::Secret;
use kernel::{Error, Result};
use postern_core::model::credential::{
    HeaderNameError, HeaderTemplate, MOST, check_header_name, is_header_value,
};

/// Returns the customer's headers after `first`, the one that carries the credential; they are sealed when they are
/// stored, because their values may be secrets. Returns `None` if there are no further headers and `first` is missing or
/// `Authorization: Bearer {token}`, which is what Postern sends without templates.
pub(super) fn templates(
    first: Option<HeaderTemplate>,
    further: BTreeMap<String, Secret<String>>,
) -> Result<Option<Vec<HeaderTemplate>>> {
    if further.is_empty() && first.as_ref().is_none_or(HeaderTemplate::is_bearer) {
        return Ok(None);
    }
    let most = MOST - usize::from(first.is_some());
    if further.len() > most {
        return Err(Error::invalid_field("headers", format!("must be at most {most} headers")));
    }
    let mut names: Vec<HeaderName> = Vec::new();
    if let Some(first) = &first {
        names.push(name("api_key_header", &first.name)?);
    }
    let mut templates: Vec<HeaderTemplate> = first.into_iter().collect();
    for (given, value) in further {
        let name = name("headers", &given)?;
        if names.contains(&name) {
            let rule = format!("must not have {name} twice, or the header that carries the credential");
            return Err(Error::invalid_field("headers", rule));
        }
        if !is_header_value(value.expose()) {
            let rule = format!("must have 1 to 1024 characters of visible ASCII as the value of {name}");
            return Err(Error::invalid_field("headers", rule));
        }
        templates.push(HeaderTemplate::literal(&given, value.expose()));
        names.push(name);
    }
    Ok(Some(templates))
}

/// Checks the name of a header that the request's field `field` has.
fn name(field: &str, name: &str) -> Result<HeaderName> {
    check_header_name(name).map_err(|refused| match refused {
        HeaderNameError::Malformed => {
            Error::invalid_field(field, "must be the name of a header (RFC 9110 §5.1)")
        }
        HeaderNameError::Reserved(name) => Error::invalid_field(field, format!("must not set {name}")),
    })
}
