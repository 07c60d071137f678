//! Fuzz target: protected resource metadata (RFC 9728).

#![cfg_attr(fuzzing, no_main)]

postern_fuzz::target!(postern_fuzz::bodies::resource_metadata);
