//! What every step of answering one message needs to know.

use http::HeaderMap;
use postern_core::Platform;
use postern_core::catalogue::Scope;
use web::RequestId;

use crate::agent::Agent;

/// The context in which one message is answered.
pub(crate) struct Context<'a> {
    /// The ports and the settings.
    pub(crate) platform: &'a Platform,
    /// The agent that sent the message.
    pub(crate) agent: &'a Agent<'a>,
    /// The tools that the endpoint offers.
    pub(crate) scope: &'a Scope,
    /// The HTTP request's headers.
    pub(crate) headers: &'a HeaderMap,
    /// The HTTP request's id.
    pub(crate) request_id: &'a RequestId,
}
