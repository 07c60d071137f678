//! Fuzz target: an event stream of an upstream.

#![cfg_attr(fuzzing, no_main)]

postern_fuzz::target!(postern_fuzz::protocol::events);
