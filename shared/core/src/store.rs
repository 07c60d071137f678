//! Where things are kept: one module per table, the only SQL in the project.
//!
//! Every statement's first line is a comment with its function's name, so that it can be told in a database's log.

pub mod api_keys;
pub mod audit_events;
pub mod auth_events;
pub mod credentials;
pub mod integrations;
pub mod oauth_clients;
pub mod oauth_flows;
pub mod schema;
pub mod targets;
pub mod tools;
pub mod validations;
