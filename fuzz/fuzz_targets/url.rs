//! Fuzz target: which URLs may be dialled.

#![cfg_attr(fuzzing, no_main)]

postern_fuzz::target!(postern_fuzz::bodies::url);
