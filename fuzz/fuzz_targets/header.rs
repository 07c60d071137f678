//! Fuzz target: the values of MCP's headers.

#![cfg_attr(fuzzing, no_main)]

postern_fuzz::target!(postern_fuzz::protocol::header);
