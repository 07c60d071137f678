//! What every step of answering one message knows.

use http::HeaderMap;
use postern_core::Platform;
use postern_core::catalogue::Scope;
use web::RequestId;

use crate::agent::Agent;

/// One message's surroundings.
pub(crate) struct Context<'a> {
    /// The product's view of its runtime.
    pub(crate) platform: &'a Platform,
    /// Who sent the message.
    pub(crate) agent: &'a Agent<'a>,
    /// What the endpoint offers.
    pub(crate) scope: &'a Scope,
    /// The HTTP request's headers.
    pub(crate) headers: &'a HeaderMap,
    /// The HTTP request's id.
    pub(crate) request_id: &'a RequestId,
}
