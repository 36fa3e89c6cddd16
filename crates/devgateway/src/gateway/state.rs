//! What a gateway knows about its clients, and what workers are told about them.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use bytes::Bytes;
use gatewayworker_wire::client_id::ClientIdPrefix;
use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::OwnedKey;
use gatewayworker_wire::{Command, Head};
use indexmap::IndexMap;

use super::index::{Index, remove};
use crate::client::Client;
use crate::log::complain;
use crate::payload::{Message, Outgoing};
use crate::worker::Workers;

/// The state of one gateway, from its start to its stop.
pub(crate) struct Gateway {
    address: SocketAddrV4,
    greet: bool,
    strict: bool,
    pub(super) clients: BTreeMap<u32, Client>,
    last_id: u32,
    pub(super) uids: Index,
    pub(super) groups: Index,
    /// The BusinessWorkers that are connected.
    pub(crate) workers: Workers,
}

impl Gateway {
    /// A gateway without clients. The address is its internal one.
    pub(crate) fn new(address: SocketAddrV4, greet: bool, strict: bool) -> Self {
        Self {
            address,
            greet,
            strict,
            clients: BTreeMap::new(),
            last_id: 0,
            uids: Index::new(),
            groups: Index::new(),
            workers: Workers::default(),
        }
    }

    /// The number of clients.
    pub(crate) fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// A number for the next client: they count up from 1 and start again behind the largest.
    pub(crate) fn next_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.clients.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    /// Adds a client.
    pub(crate) fn connect(&mut self, id: u32, client: Client) {
        if self.greet {
            let prefix = ClientIdPrefix::new(self.address.ip().to_bits(), self.address.port());
            let client_id = String::from_utf8_lossy(&prefix.with(id)).into_owned();
            let greeting = format!(r#"{{"type":"init","client_id":"{client_id}"}}"#);
            client.queue(Outgoing::Message(Message::Text(greeting.into())));
        }
        self.clients.insert(id, client);
        self.notify(id, Command::OnConnect, Event::Message(b""));
    }

    /// Passes on what a client sent.
    pub(crate) fn message(&mut self, id: u32, message: &[u8]) {
        self.notify(id, Command::OnMessage, Event::Message(message));
    }

    /// Passes on a WebSocket handshake; the value is its `get`, `server` and `cookie`.
    pub(crate) fn websocket_connect(&mut self, id: u32, handshake: &Value) {
        self.notify(id, Command::OnWebSocketConnect, Event::Value(handshake));
    }

    /// Marks a WebSocket client as able to take messages.
    pub(crate) fn handshaken(&mut self, id: u32) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.ready = true;
        }
    }

    /// Removes a client, whose connection ends when its queue is empty; `None` if it is gone
    /// already.
    pub(crate) fn disconnect(&mut self, id: u32) -> Option<Client> {
        if !self.clients.contains_key(&id) {
            return None;
        }
        self.notify(id, Command::OnClose, Event::Message(b""));
        let client = self.clients.remove(&id)?;
        if let Some(worker) = &client.worker {
            self.workers.unbind(worker);
        }
        if let Some(uid) = &client.uid {
            remove(&mut self.uids, &OwnedKey::from_bytes(uid), id);
        }
        for group in client.groups.iter().flat_map(IndexMap::keys) {
            remove(&mut self.groups, group, id);
        }
        Some(client)
    }

    /// Closes a client's connection at once, whatever waits in its queue.
    pub(crate) fn destroy(&mut self, id: u32) {
        if let Some(client) = self.disconnect(id) {
            client.task.abort();
        }
    }

    /// Removes all clients and workers; returns the clients.
    pub(crate) fn clear(&mut self) -> Vec<Client> {
        self.workers = Workers::default();
        self.uids.clear();
        self.groups.clear();
        self.last_id = 0;
        std::mem::take(&mut self.clients).into_values().collect()
    }

    /// Sends a frame about a client to the worker that it is bound to.
    fn notify(&mut self, id: u32, command: Command, event: Event<'_>) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if self.workers.is_empty() {
            // The original closes clients that have no worker; tests and demos need them.
            if self.strict && command != Command::OnClose {
                complain(format_args!(
                    "client {id} is closed, no BusinessWorker is connected to {}",
                    self.address
                ));
                self.destroy(id);
            }
            return;
        }
        let serialized;
        let (flag, body) = match event {
            Event::Message(bytes) => (Head::SCALAR, bytes),
            Event::Value(value) => {
                serialized = value.to_bytes();
                (0, &serialized[..])
            }
        };
        let head = Head {
            local_ip: self.address.ip().to_bits(),
            local_port: self.address.port(),
            client_ip: client.peer.ip().to_bits(),
            client_port: client.peer.port(),
            gateway_port: client.gateway_port,
            flag,
            ..Head::new(command, id)
        };
        match head.frame(&client.session, body) {
            Ok(frame) => self.workers.send(&mut client.worker, Bytes::from(frame)),
            Err(error) => complain(error),
        }
    }
}

/// What a worker is told about a client.
#[derive(Clone, Copy)]
enum Event<'a> {
    Message(&'a [u8]),
    Value(&'a Value),
}
