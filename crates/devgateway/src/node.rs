//! A gateway on the network: its listeners and connections, and how it is started, stopped and disturbed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddrV4;
use std::rc::Rc;

use serde::Serialize;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_local};

use crate::Config;
use crate::clients::{self, Protocol};
use crate::fault::{Clock, Faults};
use crate::gateway::Gateway;
use crate::internal;
use crate::registration;

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

/// What a gateway has counted since the process started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// Internal connections.
    pub(crate) internal_total: u64,
    /// Internal connections that introduced themselves with the right key.
    pub(crate) authorized: u64,
    /// Internal connections that were closed for want of the right key.
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

    /// Listens at the node's addresses, the free ports of which become fixed by it.
    pub(crate) fn start(self: &Rc<Self>) -> io::Result<()> {
        if self.is_alive() {
            return Ok(());
        }
        let GatewayAddresses { internal, text, websocket } = self.addresses.get();
        let (internal_listener, internal) = listen(internal)?;
        let (text_listener, text) = listen(text)?;
        let (websocket_listener, websocket) = listen(websocket)?;
        self.addresses.set(GatewayAddresses { internal, text, websocket });
        self.gateway.replace(Gateway::new(internal, self.config.greet, self.config.strict));
        let mut services = self.services.borrow_mut();
        services.push(spawn_local(internal::accept(self.clone(), internal_listener)).abort_handle());
        for (listener, protocol) in
            [(text_listener, Protocol::Text), (websocket_listener, Protocol::WebSocket)]
        {
            services.push(spawn_local(clients::accept(self.clone(), listener, protocol)).abort_handle());
        }
        services.push(spawn_local(internal::ping_workers(self.clone())).abort_handle());
        for register in &self.config.join {
            services.push(
                spawn_local(registration::keep(register.clone(), internal, self.config.clone()))
                    .abort_handle(),
            );
        }
        Ok(())
    }

    /// Closes all listeners and connections, and forgets everything; they are closed when the future is ready.
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

    /// Takes in a new internal connection under this number.
    pub(crate) fn link_opened(&self, number: u64, task: AbortHandle) {
        self.links.borrow_mut().insert(number, task);
    }

    /// Closes an internal connection, of which there may be nothing left but its place in the list.
    pub(crate) fn close_link(&self, number: u64) {
        if let Some(task) = self.link_closed(number) {
            task.abort();
        }
    }

    /// Forgets an internal connection that has come to its end.
    pub(crate) fn link_closed(&self, number: u64) -> Option<AbortHandle> {
        self.gateway.borrow_mut().workers.disconnect(number);
        self.links.borrow_mut().remove(&number)
    }
}

/// Connections that wait to be accepted; thousands of clients may come at once.
const BACKLOG: u32 = 4096;

/// Listens; answers the address as well, with its real port.
pub(crate) fn listen(address: SocketAddrV4) -> io::Result<(TcpListener, SocketAddrV4)> {
    let open = || {
        let socket = TcpSocket::new_v4()?;
        // So that a gateway can come back while connections to the old one linger in the kernel.
        socket.set_reuseaddr(true)?;
        socket.bind(address.into())?;
        let listener = socket.listen(BACKLOG)?;
        let port = listener.local_addr()?.port();
        Ok((listener, SocketAddrV4::new(*address.ip(), port)))
    };
    open().map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("cannot listen at {address}: {error}"))
    })
}

/// Ends tasks; the sockets they own are closed when the future is ready.
pub(crate) async fn end(tasks: Vec<AbortHandle>) {
    tasks.iter().for_each(AbortHandle::abort);
    while !tasks.iter().all(AbortHandle::is_finished) {
        tokio::task::yield_now().await;
    }
}
