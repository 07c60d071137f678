//! Creates and revives integrations, alike for all dialects: `draft` checks and seals what a client sent, and `place`
//! stores the integration under its slug.

pub mod draft;
pub mod place;
