//! Spin's WIT interfaces as Rust traits.

#![allow(missing_docs, clippy::pedantic, unreachable_pub, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "wit",
    world: "postern:spin-host/host",
    imports: { default: trappable },
    with: {
        "spin:sqlite/sqlite.connection": crate::sqlite::Connection,
        "spin:key-value/key-value.store": crate::key_value::Store,
    },
});

pub(crate) use spin::{key_value::key_value, sqlite::sqlite, variables::variables};
