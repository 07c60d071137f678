//! The schema of URLs that [`SafeUrl::parse`](super::SafeUrl::parse) accepts.
//!
//! The schema describes the form: the scheme, an authority without user information, no fragment. Which hosts and ports
//! are refused depends on the deployment's settings, and JSON Schema has no rule for addresses, so the parser alone
//! decides about them.

use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat};

use super::MAX_LENGTH;
use crate::schema::text;

crate::schema_type! {
    /// The URL of an upstream or of an authorization server, see [`SafeUrl::parse`](super::SafeUrl::parse).
    UpstreamUrl, schema()
}

fn schema() -> ObjectBuilder {
    let description = "An https URL without user information and fragment, at a public name or address, at port 443 or \
                       a port from 1024 up. A deployment for development may also allow http to loopback hosts.";
    text(r"^[Hh][Tt][Tt][Pp][Ss]?://[^\u0000-\u0020/?#@\\]+(?:[/?][^\u0000-\u0020#]*)?$")
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .max_length(Some(MAX_LENGTH))
        .description(Some(description))
}
