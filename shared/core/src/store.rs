//! The database: one module per table, besides `targets` (a join), `validations` (what a probe writes) and `retention`
//! (what is deleted by age). No other module of the project contains SQL.
//!
//! The first line of each statement is a comment with the function's name, so that a database's log shows which
//! function sent the statement.

pub mod api_keys;
pub mod audit_events;
pub mod auth_events;
pub mod connections;
pub mod credentials;
pub mod entries;
pub mod integrations;
pub mod oauth_clients;
pub mod oauth_flows;
pub mod principals;
pub mod rate_limits;
pub mod retention;
pub mod schema;
pub mod targets;
pub mod unconfirmed_grants;
pub mod validations;
