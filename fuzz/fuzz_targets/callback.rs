//! Fuzz target: the parameters of an OAuth callback.

#![cfg_attr(fuzzing, no_main)]

postern_fuzz::target!(postern_fuzz::callback::callback);
