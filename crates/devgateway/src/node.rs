//! A gateway on the network: its listeners and connections, and how it is started, stopped and
//! disturbed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::rc::Rc;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::config::Config;
use crate::fault::{Clock, Faults};
use crate::gateway::Gateway;
use crate::tasks::end;

/// Where one gateway listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GatewayAddresses {
    /// For the internal protocol; it is part of client ids.
    pub internal: SocketAddrV4,
    /// For clients that speak in lines.
    pub text: SocketAddrV4,
    /// For WebSocket clients.
    pub websocket: SocketAddrV4,
}

/// Counters of a gateway since the process started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// Internal connections.
    pub(crate) internal_total: u64,
    /// Internal connections that introduced themselves with the right key.
    pub(crate) authorized: u64,
    /// Internal connections that were closed because they had no right key.
    pub(crate) unauthorized: u64,
    /// Internal frames by command.
    pub(crate) frames: BTreeMap<u8, u64>,
    /// Bytes from internal connections.
    pub(crate) bytes_in: u64,
}

/// One gateway, running or stopped.
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) addresses: Cell<GatewayAddresses>,
    pub(crate) gateway: RefCell<Gateway>,
    pub(crate) faults: RefCell<Faults>,
    pub(crate) counters: RefCell<Counters>,
    pub(crate) clock: Clock,
    /// Whether internal connections are neither accepted nor read.
    pub(crate) paused: watch::Sender<bool>,
    /// The internal connections that are open, by their numbers.
    links: RefCell<BTreeMap<u64, AbortHandle>>,
    /// Listeners and timers; none while the gateway is stopped.
    services: RefCell<Vec<AbortHandle>>,
}

impl Node {
    /// A gateway that does not run yet.
    pub(crate) fn new(config: Config, addresses: GatewayAddresses, clock: Clock) -> Rc<Self> {
        let gateway = Gateway::new(addresses.internal, config.greet, config.strict);
        let mut faults = Faults::default();
        faults.record(config.record);
        Rc::new(Self {
            config,
            addresses: Cell::new(addresses),
            gateway: RefCell::new(gateway),
            faults: RefCell::new(faults),
            counters: RefCell::default(),
            clock,
            paused: watch::Sender::new(false),
            links: RefCell::default(),
            services: RefCell::default(),
        })
    }

    /// Whether the gateway runs.
    pub(crate) fn is_alive(&self) -> bool {
        !self.services.borrow().is_empty()
    }

    /// The number of internal connections that are open.
    pub(crate) fn link_count(&self) -> usize {
        self.links.borrow().len()
    }

    /// Takes over the services of a start: a new, empty gateway serves these addresses from now on.
    pub(crate) fn started(&self, addresses: GatewayAddresses, services: Vec<AbortHandle>) {
        self.addresses.set(addresses);
        self.gateway.replace(Gateway::new(addresses.internal, self.config.greet, self.config.strict));
        self.services.replace(services);
    }

    /// Closes all listeners and connections, and forgets everything; they are closed when the
    /// future is ready.
    pub(crate) async fn stop(&self) {
        let mut tasks = self.services.take();
        tasks.extend(self.links.take().into_values());
        tasks.extend(self.gateway.borrow_mut().clear().into_iter().map(|client| client.task));
        end(tasks).await;
    }

    /// Closes all internal connections; they are closed when the future is ready.
    pub(crate) async fn disconnect_internal(&self) {
        let links = self.links.take();
        for number in links.keys() {
            self.gateway.borrow_mut().workers.disconnect(*number);
        }
        end(links.into_values().collect()).await;
    }

    /// Adds a new internal connection under this number.
    pub(crate) fn link_opened(&self, number: u64, task: AbortHandle) {
        self.links.borrow_mut().insert(number, task);
    }

    /// Closes an internal connection. It may have ended already.
    pub(crate) fn close_link(&self, number: u64) {
        if let Some(task) = self.link_closed(number) {
            task.abort();
        }
    }

    /// Removes an internal connection that has ended.
    pub(crate) fn link_closed(&self, number: u64) -> Option<AbortHandle> {
        self.gateway.borrow_mut().workers.disconnect(number);
        self.links.borrow_mut().remove(&number)
    }
}
