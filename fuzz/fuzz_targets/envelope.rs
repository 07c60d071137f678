//! Fuzz target: a message of an agent or of an upstream.

#![cfg_attr(fuzzing, no_main)]

postern_fuzz::target!(postern_fuzz::protocol::envelope);
