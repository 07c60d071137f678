//! Exchanges with upstreams under a credential (`dial`), and the validation of integrations (`validation`).

pub mod dial;
pub mod validation;
