//! The state that the host keeps for one instance of a component.

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
    pub(crate) connections: Handles,
    pub(crate) stores: Handles,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    inbound: Inbound,
    outbound: Outbound,
}

/// Tells the bindings that `Guest` implements Spin's interfaces.
pub(crate) struct Spin;

impl HasData for Spin {
    type Data<'a> = &'a mut Guest;
}

impl Guest {
    pub(crate) fn new(component: Arc<Component>, storage: Arc<Storage>, client: Client) -> Self {
        let environment: Vec<_> = component.environment.iter().collect();
        // The host's stdout carries the host's own protocol.
        let wasi =
            WasiCtx::builder().stdout(std::io::stderr()).stderr(std::io::stderr()).envs(&environment).build();
        Self {
            outbound: Outbound::new(component.clone(), client),
            component,
            storage,
            table: ResourceTable::new(),
            connections: Handles::default(),
            stores: Handles::default(),
            wasi,
            http: WasiHttpCtx::new(),
            inbound: Inbound,
        }
    }

    /// The view for incoming requests, which lets the `host` header pass.
    pub(crate) fn inbound(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.inbound, table: &mut self.table, ctx: &mut self.http }
    }
}

/// Counts open handles: a guest that forgets to close its handles fails here as it would on Spin.
#[derive(Default)]
pub(crate) struct Handles(usize);

impl Handles {
    const MOST: usize = 256;

    /// Counts one more handle. Returns `false` when there are too many.
    pub(crate) fn take(&mut self) -> bool {
        let free = self.0 < Self::MOST;
        self.0 += usize::from(free);
        free
    }

    pub(crate) fn give_back(&mut self) {
        self.0 = self.0.saturating_sub(1);
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
