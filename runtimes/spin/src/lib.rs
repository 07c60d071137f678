//! Spin: binds SQLite, key-value, outbound HTTP, variables and clocks to the ports, and turns a function's routes into
//! a component.
//!
//! Architecture invariant: this is the only crate of the product that names a type of `spin_sdk`. The crate is empty
//! on every target but WASI.

#![cfg(target_os = "wasi")]

mod convert;
mod fetch;
mod kv;
mod logger;
mod serve;
mod sqlite;
mod system;

pub use serve::{platform, ports, serve};
pub use spin_sdk::wasip3;

/// Makes the calling crate a Spin component that answers the routes which its function `families` returns.
#[macro_export]
macro_rules! component {
    () => {
        mod spin_component {
            use super::*;
            use $crate::wasip3::http::types::{ErrorCode, Request, Response};

            struct Component;

            #[allow(unsafe_code, missing_docs)] // the exports of the WASI world
            mod export {
                use super::Component;
                $crate::wasip3::http::service::export!(Component);
            }

            impl $crate::wasip3::exports::http::handler::Guest for Component {
                async fn handle(request: Request) -> Result<Response, ErrorCode> {
                    $crate::serve(families, request).await
                }
            }
        }
    };
}
