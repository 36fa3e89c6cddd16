//! What a gateway knows about one client.

use std::net::SocketAddrV4;

use gatewayworker_wire::php::value::OwnedKey;
use indexmap::IndexMap;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use crate::payload::{Outgoing, Protocol};
use crate::worker::WorkerKey;

/// What a gateway knows about one client.
pub(crate) struct Client {
    pub(crate) protocol: Protocol,
    pub(crate) peer: SocketAddrV4,
    /// The port that it connected to.
    pub(crate) gateway_port: u16,
    /// Whether it can take messages: a WebSocket client cannot before its handshake.
    pub(crate) ready: bool,
    /// Its session, serialized.
    pub(crate) session: Vec<u8>,
    pub(crate) uid: Option<Vec<u8>>,
    /// Its groups by their array keys; `None` before it joins one for the first time.
    pub(crate) groups: Option<IndexMap<OwnedKey, Vec<u8>>>,
    /// The worker that it is bound to.
    pub(crate) worker: Option<WorkerKey>,
    /// What serves its connection.
    pub(crate) task: AbortHandle,
    /// Its connection ends when this is dropped and what is in it has been sent. It is unbounded: a
    /// slow client costs memory, it never holds up the gateway.
    queue: UnboundedSender<Outgoing>,
}

impl Client {
    /// A client that has just connected, without a session, a uid or groups.
    pub(crate) fn new(
        protocol: Protocol,
        peer: SocketAddrV4,
        gateway_port: u16,
        task: AbortHandle,
        queue: UnboundedSender<Outgoing>,
    ) -> Self {
        Self {
            protocol,
            peer,
            gateway_port,
            ready: protocol == Protocol::Text,
            session: Vec::new(),
            uid: None,
            groups: None,
            worker: None,
            task,
            queue,
        }
    }

    /// Sends something as soon as the client takes it.
    pub(crate) fn queue(&self, outgoing: Outgoing) {
        // An error is a client whose connection is just ending.
        let _ = self.queue.send(outgoing);
    }
}
