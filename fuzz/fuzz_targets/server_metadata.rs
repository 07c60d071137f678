//! Fuzz target: authorization server metadata (RFC 8414).

#![cfg_attr(fuzzing, no_main)]

postern_fuzz::target!(postern_fuzz::bodies::server_metadata);
