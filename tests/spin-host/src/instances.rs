//! Instances of a component, which take as many requests at once and in all as on Spin.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep};
use wasmtime::{
    Engine, Store, StoreContextMut,
    component::{GuestTaskId, InstancePre, Linker},
};
use wasmtime_wasi_http::{
    handler::{
        HandlerState, Instance, ProxyHandler, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState,
        WorkerStatus,
    },
    p3::bindings::ServicePre,
};

use crate::{
    bindings,
    guest::{Guest, Spin},
    manifest::Component,
    outbound::Client,
    storage::Storage,
};

/// Answers a component's requests, and keeps the component's instances.
pub(crate) type Handler = ProxyHandler<Instances>;

/// Links everything that a component may import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    bindings::Host_::add_to_linker::<_, Spin>(&mut linker, |guest| guest)?;
    Ok(linker)
}

/// Makes instances of one component.
pub(crate) struct Instances {
    engine: Engine,
    ready: ProxyPre<Guest>,
    component: Arc<Component>,
    storage: Arc<Storage>,
    client: Client,
}

impl Instances {
    pub(crate) fn new(
        engine: Engine,
        linked: InstancePre<Guest>,
        component: Component,
        storage: Arc<Storage>,
        client: Client,
    ) -> wasmtime::Result<Self> {
        let ready = ProxyPre::P3(ServicePre::new(linked)?);
        Ok(Self { engine, ready, component: Arc::new(component), storage, client })
    }
}

impl HandlerState for Instances {
    type StoreData = Guest;
    type WorkerExpiration = Idle;
    type WorkerState = Reuse;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Guest, Idle, Reuse>> {
        let guest = Guest::new(self.component.clone(), self.storage.clone(), self.client.clone());
        let mut store = Store::new(&self.engine, guest);
        let proxy = self.ready.instantiate_async(&mut store).await?;
        let state = Reuse { component: self.component.id.clone() };
        Ok(Instance { store, proxy, view: Guest::inbound, expiration: Idle::new(), state })
    }
}

/// How long an instance without work is kept. A request, and the work after it, may take as long as it wants.
pub(crate) struct Idle(Pin<Box<Sleep>>);

impl Idle {
    const LIMIT: Duration = Duration::from_secs(1);

    fn new() -> Self {
        Self(Box::pin(sleep(Self::LIMIT)))
    }
}

impl WorkerExpiration for Idle {
    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        if status != WorkerStatus::Idle {
            return Poll::Pending;
        }
        let end = (start + Self::LIMIT).into();
        if self.0.deadline() != end {
            self.0.as_mut().reset(end);
        }
        self.0.as_mut().poll(context)
    }
}

/// How many requests an instance takes at once and in all: Spin's defaults.
pub(crate) struct Reuse {
    component: String,
}

impl WorkerState for Reuse {
    type StoreData = Guest;
    type RequestData = ();

    fn should_accept_request(&self, at_once: usize, so_far: usize) -> ShouldAccept {
        const AT_ONCE: usize = 16;
        const IN_ALL: usize = 128;
        match (at_once, so_far) {
            (_, IN_ALL..) => ShouldAccept::Never,
            (AT_ONCE.., _) => ShouldAccept::No,
            _ => ShouldAccept::Yes,
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Guest>,
        (): (),
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        Box::pin(std::future::pending())
    }

    fn drop(&self, store: Store<Guest>, result: wasmtime::Result<()>) {
        if let Err(error) = result {
            // The error has the guest's backtrace; a backtrace of the host would say nothing about the guest.
            eprintln!("{}: an instance failed: {error:#}", self.component);
        }
        drop(store);
    }
}
