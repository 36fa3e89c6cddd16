//! What a gateway knows about its clients, and its commands. No I/O: messages go into the clients' queues.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use bytes::Bytes;
use gatewayworker_wire::client_id::ClientIdPrefix;
use gatewayworker_wire::frame::Frame;
use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::{Array, OwnedKey};
use gatewayworker_wire::{Command, Head};
use indexmap::{IndexMap, IndexSet};
use serde_json::Value as Json;

use crate::client::Client;
use crate::log::complain;
use crate::payload::{Body, Message, Outgoing};
use crate::session;
use crate::worker::Workers;

/// Connection ids by uid or by group, in the order in which they were bound or joined.
type Index = IndexMap<OwnedKey, IndexSet<u32>>;

/// The state of one gateway, from its start to its stop.
pub(crate) struct Gateway {
    address: SocketAddrV4,
    greet: bool,
    strict: bool,
    clients: BTreeMap<u32, Client>,
    last_id: u32,
    uids: Index,
    groups: Index,
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

    /// Takes in a client.
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

    /// Says that a WebSocket client can take messages now.
    pub(crate) fn handshaken(&mut self, id: u32) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.ready = true;
        }
    }

    /// Forgets a client, whose connection ends when its queue is empty; `None` where it is forgotten already.
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

    /// Forgets all clients and workers; answers the clients.
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
            // The original has no use for clients without a worker; tests and demos have.
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

    /// Carries out a command that is neither an introduction nor unknown; answers the reply of a query,
    /// serialized.
    pub(crate) fn execute(&mut self, command: Command, frame: &Frame<'_>) -> Option<Vec<u8>> {
        let id = frame.head.connection;
        let ext = frame.ext;
        let raw = frame.head.flag & Head::RAW != 0;
        match command {
            Command::SendToOne => self.deliver([id], frame, raw),
            Command::SendToAll => self.send_to_all(frame, raw),
            Command::SendToUid => {
                let uids = members(&self.uids, &parse(ext));
                self.deliver(uids, frame, raw);
            }
            Command::SendToGroup => {
                let ext = parse(ext);
                let excluded = &ext["exclude"];
                let ids = members(&self.groups, &ext["group"]);
                self.deliver(ids.into_iter().filter(|id| !has_key(excluded, *id)), frame, raw);
            }
            Command::Kick => self.kick(id, frame),
            Command::Destroy => self.destroy(id),
            Command::BindUid => self.bind_uid(id, ext),
            Command::UnbindUid => self.unbind_uid(id),
            Command::JoinGroup => self.join_group(id, ext),
            Command::LeaveGroup => self.leave_group(id, ext),
            Command::Ungroup => self.ungroup(ext),
            Command::SetSession => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.session = ext.to_vec();
                }
            }
            Command::UpdateSession => self.update_session(id, ext),
            Command::IsOnline => return Some(count(self.clients.contains_key(&id).into()).to_bytes()),
            Command::GetSessionByClientId => return Some(self.session(id)),
            Command::GetAllClientSessions => return Some(self.sessions(self.clients.keys().copied())),
            Command::GetClientSessionsByGroup => {
                let ids = self.groups.get(&OwnedKey::from_bytes(ext)).into_iter().flatten();
                return Some(self.sessions(ids.copied()));
            }
            Command::GetClientCountByGroup if ext.is_empty() => {
                return Some(count(self.clients.len()).to_bytes());
            }
            Command::GetClientCountByGroup => {
                let clients = self.groups.get(&OwnedKey::from_bytes(ext)).map_or(0, IndexSet::len);
                return Some(count(clients).to_bytes());
            }
            Command::BatchGetClientCountByGroup => {
                let groups = parse(ext);
                let counts = values(&groups).filter_map(array_key).map(|group| {
                    let clients = self.groups.get(&group).map_or(0, IndexSet::len);
                    (group, count(clients))
                });
                return Some(Value::Array(counts.collect()).to_bytes());
            }
            Command::GetClientIdByUid => return Some(self.ids_of_uid(&OwnedKey::from_bytes(ext)).to_bytes()),
            Command::BatchGetClientIdByUid => {
                let uids = parse(ext);
                let ids = values(&uids).filter_map(array_key).map(|uid| {
                    let ids = self.ids_of_uid(&uid);
                    (uid, ids)
                });
                return Some(Value::Array(ids.collect()).to_bytes());
            }
            Command::GetGroupIdList => {
                return Some(Value::list(self.groups.keys().map(key_value)).to_bytes());
            }
            Command::Select => return Some(self.select(ext)),
            Command::OnConnect
            | Command::OnMessage
            | Command::OnClose
            | Command::OnWebSocketConnect
            | Command::Ping
            | Command::WorkerConnect
            | Command::GatewayClientConnect => {
                complain(format_args!("command {} makes no sense to a gateway", frame.head.command));
            }
        }
        None
    }

    /// Puts a frame's body into the queues of clients, repeatedly where a client is named repeatedly.
    fn deliver(&self, ids: impl IntoIterator<Item = u32>, frame: &Frame<'_>, raw: bool) {
        let body = Body::read(frame);
        let mut dropped = 0;
        for client in ids.into_iter().filter_map(|id| self.clients.get(&id)) {
            match body.outgoing(client.protocol, raw) {
                Some(outgoing) => client.queue(outgoing),
                None => dropped += 1,
            }
        }
        if dropped > 0 {
            complain(format_args!("a message that is no scalar is kept from {dropped} clients"));
        }
    }

    fn send_to_all(&self, frame: &Frame<'_>, raw: bool) {
        let ext = parse(frame.ext);
        match &ext["connections"] {
            Json::Null => {
                let excluded = &ext["exclude"];
                self.deliver(self.clients.keys().copied().filter(|id| !has_key(excluded, *id)), frame, raw);
            }
            connections => self.deliver(values(connections).filter_map(connection_id), frame, raw),
        }
    }

    fn kick(&mut self, id: u32, frame: &Frame<'_>) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        if !client.ready {
            // Nothing can be sent before the handshake, and nothing is waited for.
            return self.destroy(id);
        }
        match Body::read(frame) {
            Body::Null => {}
            // `$raw` is not honoured here, as in the original.
            body => match body.outgoing(client.protocol, false) {
                Some(outgoing) => client.queue(outgoing),
                None => complain(format_args!("a message that is no scalar is kept from client {id}")),
            },
        }
        self.disconnect(id);
    }

    fn bind_uid(&mut self, id: u32, uid: &[u8]) {
        if is_empty(uid) {
            return complain(format_args!("client {id} cannot be bound to an empty uid"));
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let Some(bound) = client.uid.replace(uid.to_vec()) {
            remove(&mut self.uids, &OwnedKey::from_bytes(&bound), id);
        }
        self.uids.entry(OwnedKey::from_bytes(uid)).or_default().insert(id);
    }

    /// Unbinds a client, whichever uid the frame names: the original does not look at it.
    fn unbind_uid(&mut self, id: u32) {
        if let Some(uid) = self.clients.get_mut(&id).and_then(|client| client.uid.take()) {
            remove(&mut self.uids, &OwnedKey::from_bytes(&uid), id);
        }
    }

    fn join_group(&mut self, id: u32, group: &[u8]) {
        if is_empty(group) {
            return complain(format_args!("client {id} cannot join an empty group"));
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let key = OwnedKey::from_bytes(group);
        client.groups.get_or_insert_default().insert(key.clone(), group.to_vec());
        self.groups.entry(key).or_default().insert(id);
    }

    fn leave_group(&mut self, id: u32, group: &[u8]) {
        if is_empty(group) {
            return complain(format_args!("client {id} cannot leave an empty group"));
        }
        let key = OwnedKey::from_bytes(group);
        let groups = self.clients.get_mut(&id).and_then(|client| client.groups.as_mut());
        if groups.and_then(|groups| groups.shift_remove(&key)).is_some() {
            remove(&mut self.groups, &key, id);
        }
    }

    fn ungroup(&mut self, group: &[u8]) {
        if is_empty(group) {
            return complain("an empty group cannot be dissolved");
        }
        let key = OwnedKey::from_bytes(group);
        for id in self.groups.shift_remove(&key).into_iter().flatten() {
            if let Some(groups) = self.clients.get_mut(&id).and_then(|client| client.groups.as_mut()) {
                groups.shift_remove(&key);
            }
        }
    }

    fn update_session(&mut self, id: u32, update: &[u8]) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if is_empty(&client.session) {
            client.session = update.to_vec();
        } else if let Some(session) = session::merge(&client.session, update) {
            client.session = session;
        } else {
            complain(format_args!(
                "the session of client {id} is kept, it or its update is no serialized array"
            ));
        }
    }

    /// The reply is the session as it is stored, which is serialized.
    fn session(&self, id: u32) -> Vec<u8> {
        match self.clients.get(&id) {
            None => Value::Null.to_bytes(),
            Some(client) if is_empty(&client.session) => Value::Array(Array::new()).to_bytes(),
            Some(client) => client.session.clone(),
        }
    }

    fn sessions(&self, ids: impl Iterator<Item = u32>) -> Vec<u8> {
        self.by_id(ids, |client, to| Value::Str(client.session.clone()).write(to))
    }

    /// An array of something of each client by connection id. It is written element by element: a tree of values for
    /// thousands of clients takes longer to build than to send.
    fn by_id(&self, ids: impl Iterator<Item = u32>, write: impl Fn(&Client, &mut Vec<u8>)) -> Vec<u8> {
        let clients: Vec<_> = ids.filter_map(|id| Some((id, self.clients.get(&id)?))).collect();
        let mut array = format!("a:{}:{{", clients.len()).into_bytes();
        for (id, client) in clients {
            Value::Int(id.into()).write(&mut array);
            write(client, &mut array);
        }
        array.push(b'}');
        array
    }

    fn ids_of_uid(&self, uid: &OwnedKey) -> Value {
        Value::list(self.uids.get(uid).into_iter().flatten().map(|id| Value::Int((*id).into())))
    }

    fn select(&self, ext: &[u8]) -> Vec<u8> {
        let ext = parse(ext);
        let fields: IndexSet<&str> = values(&ext["fields"]).filter_map(Json::as_str).collect();
        let write = |client: &Client, to: &mut Vec<u8>| write_fields(client, &fields, to);
        if is_falsy(&ext) {
            complain("a selection without fields and conditions finds nothing");
            return Value::Array(Array::new()).to_bytes();
        }
        if is_falsy(&ext["where"]) {
            // Without a field, the original's loop adds no client.
            return self.by_id(self.clients.keys().copied().filter(|_| !fields.is_empty()), write);
        }
        // The conditions add up: a client that meets any one is found.
        let mut found = IndexSet::new();
        for (name, items) in ext["where"].as_object().into_iter().flatten() {
            match &name[..] {
                "groups" => found.extend(members(&self.groups, items)),
                "uid" => found.extend(members(&self.uids, items)),
                "connection_id" => found.extend(values(items).filter_map(connection_id)),
                _ => complain(format_args!("nothing can be selected by {name:?}")),
            }
        }
        self.by_id(found.into_iter(), write)
    }
}

/// What a worker is told about a client.
#[derive(Clone, Copy)]
enum Event<'a> {
    Message(&'a [u8]),
    Value(&'a Value),
}

/// Removes an id, and its uid or group where it was the last one.
fn remove(index: &mut Index, key: &OwnedKey, id: u32) {
    if let Some(ids) = index.get_mut(key) {
        ids.shift_remove(&id);
        if ids.is_empty() {
            index.shift_remove(key);
        }
    }
}

/// The ids behind uids or groups, in the order named; an id comes as often as it is meant.
fn members(index: &Index, keys: &Json) -> Vec<u32> {
    values(keys).filter_map(array_key).filter_map(|key| index.get(&key)).flatten().copied().collect()
}

/// Appends an array of these fields of a client.
fn write_fields(client: &Client, fields: &IndexSet<&str>, to: &mut Vec<u8>) {
    to.extend_from_slice(format!("a:{}:{{", fields.len()).as_bytes());
    for field in fields {
        key_value(&OwnedKey::from_bytes(field.as_bytes())).write(to);
        let value = match *field {
            "session" => Value::Str(client.session.clone()),
            "uid" => client.uid.clone().map_or(Value::Null, Value::Str),
            "groups" => client.groups.as_ref().map_or(Value::Null, |groups| {
                Value::Array(
                    groups.iter().map(|(key, group)| (key.clone(), Value::Str(group.clone()))).collect(),
                )
            }),
            _ => Value::Null,
        };
        value.write(to);
    }
    to.push(b'}');
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// An array key as a value.
fn key_value(key: &OwnedKey) -> Value {
    match key {
        OwnedKey::Int(number) => Value::Int(*number),
        OwnedKey::Str(bytes) => Value::Str(bytes.clone()),
    }
}

/// PHP's `empty()` for a string.
fn is_empty(bytes: &[u8]) -> bool {
    matches!(bytes, b"" | b"0")
}

/// `json_decode`: null where it is no JSON.
fn parse(ext: &[u8]) -> Json {
    serde_json::from_slice(ext).unwrap_or_default()
}

/// What `foreach` goes through.
fn values(json: &Json) -> Box<dyn Iterator<Item = &Json> + '_> {
    match json {
        Json::Array(items) => Box::new(items.iter()),
        Json::Object(items) => Box::new(items.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn is_falsy(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Bool(value) => !value,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => is_empty(text.as_bytes()),
        Json::Array(items) => items.is_empty(),
        Json::Object(items) => items.is_empty(),
    }
}

/// The array key that PHP makes of a value; `None` where it makes none.
fn array_key(json: &Json) -> Option<OwnedKey> {
    match json {
        Json::Null => Some(OwnedKey::Str(Vec::new())),
        Json::Bool(value) => Some(OwnedKey::Int((*value).into())),
        // A fraction is cut off.
        Json::Number(number) => number.as_i64().or_else(|| Some(number.as_f64()? as i64)).map(OwnedKey::Int),
        Json::String(text) => Some(OwnedKey::from_bytes(text.as_bytes())),
        Json::Array(_) | Json::Object(_) => None,
    }
}

fn connection_id(json: &Json) -> Option<u32> {
    match array_key(json)? {
        OwnedKey::Int(id) => id.try_into().ok(),
        OwnedKey::Str(_) => None,
    }
}

/// `isset($array[$id])`
fn has_key(array: &Json, id: u32) -> bool {
    let item = match array {
        Json::Object(items) => items.get(&id.to_string()),
        Json::Array(items) => items.get(id as usize),
        _ => None,
    };
    item.is_some_and(|item| !item.is_null())
}
