//! What the host keeps for one instance of a component.

use std::sync::Arc;

use wasmtime::component::{HasData, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::{
    inbound::Inbound,
    manifest::Component,
    outbound::{Client, Outbound},
    storage::Storage,
};

/// The data of one instance.
pub(crate) struct Guest {
    pub(crate) component: Arc<Component>,
    pub(crate) storage: Arc<Storage>,
    pub(crate) table: ResourceTable,
    handles: usize,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    inbound: Inbound,
    outbound: Outbound,
}

/// Says that Spin's interfaces are implemented by `Guest`.
pub(crate) struct Spin;

impl HasData for Spin {
    type Data<'a> = &'a mut Guest;
}

impl Guest {
    pub(crate) fn new(component: Arc<Component>, storage: Arc<Storage>, client: Client) -> Self {
        let environment: Vec<_> = component.environment.iter().collect();
        // The host's stdout carries its own protocol.
        let wasi =
            WasiCtx::builder().stdout(std::io::stderr()).stderr(std::io::stderr()).envs(&environment).build();
        Self {
            outbound: Outbound::new(component.clone(), client),
            component,
            storage,
            table: ResourceTable::new(),
            handles: 0,
            wasi,
            http: WasiHttpCtx::new(),
            inbound: Inbound,
        }
    }

    /// Counts a connection or store that is opened; false when there are too many. A guest that forgets to close
    /// what it opens fails here as it would on Spin.
    pub(crate) fn take_handle(&mut self) -> bool {
        const MOST: usize = 256;
        let free = self.handles < MOST;
        self.handles += usize::from(free);
        free
    }

    pub(crate) fn return_handle(&mut self) {
        self.handles = self.handles.saturating_sub(1);
    }

    /// The view through which requests enter: it lets the `host` header pass.
    pub(crate) fn inbound(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.inbound, table: &mut self.table, ctx: &mut self.http }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outbound, table: &mut self.table, ctx: &mut self.http }
    }
}
