//! The product's types and their rules, without I/O.

pub mod api_key;
pub mod audit;
pub mod auth_event;
pub mod credential;
pub mod credential_schema;
pub mod entry;
pub mod field;
pub mod integration;
pub mod oauth;
pub mod oauth_client;
pub mod oauth_flow;
pub mod redaction;
pub mod target;
mod text_enum;
pub mod token_set;
pub mod unconfirmed_grant;
