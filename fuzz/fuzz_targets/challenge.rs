//! Fuzz target: the `WWW-Authenticate` header of an upstream.

#![cfg_attr(fuzzing, no_main)]

postern_fuzz::target!(postern_fuzz::bodies::challenge);
