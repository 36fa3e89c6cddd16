//! One gateway: its clients, uids and groups, the workers that are told of events, and the commands.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatewayworker_wire::php::Value;
use gatewayworker_wire::php::value::OwnedKey;
use gatewayworker_wire::{ClientId, Command, Frame, Head};
use indexmap::{IndexMap, IndexSet};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use crate::config::Config;
use crate::select;
use crate::server::lock;
use crate::session;

/// How often workers are pinged.
const PING: Duration = Duration::from_secs(25);

/// What a client's connection is told to do.
#[derive(Debug)]
pub(crate) enum ToClient {
    /// Send a message; raw: without the protocol's encoding.
    Message { body: Bytes, raw: bool },
    /// Send what is queued, then this, then close.
    Close(Option<Bytes>),
    /// Close at once.
    Destroy,
}

/// One gateway.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddrV4,
    secret: String,
    greet: bool,
    strict: bool,
    started: Instant,
    state: Mutex<State>,
    /// Internal connections are not read while it is true.
    pub(crate) paused: watch::Sender<bool>,
    /// Internal connections end when it changes.
    pub(crate) epoch: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    next: u32,
    pub(crate) clients: BTreeMap<u32, Client>,
    pub(crate) uids: IndexMap<OwnedKey, IndexSet<u32>>,
    pub(crate) groups: IndexMap<OwnedKey, IndexSet<u32>>,
    workers: IndexMap<String, mpsc::UnboundedSender<Bytes>>,
    /// Questions are read, but not answered.
    muted: bool,
    /// Answers that tests have put in place of the right ones.
    overrides: HashMap<u8, VecDeque<Vec<u8>>>,
    recording: bool,
    recorded: Vec<Json>,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    open: u64,
    total: u64,
    authorized: u64,
    unauthorized: u64,
    bytes_in: u64,
    frames: BTreeMap<u8, u64>,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    sender: mpsc::UnboundedSender<ToClient>,
    peer: SocketAddrV4,
    port: u16,
    pub(crate) uid: Option<Vec<u8>>,
    pub(crate) groups: IndexMap<OwnedKey, Vec<u8>>,
    pub(crate) session: Vec<u8>,
    worker: Option<String>,
}

/// An internal connection, as the commands see it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) number: u64,
    pub(crate) ip: String,
    pub(crate) sender: mpsc::UnboundedSender<Bytes>,
    pub(crate) authorized: bool,
    pub(crate) worker: Option<String>,
}

/// What becomes of an internal connection after a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    GoOn,
    Close,
}

/// What `{"secret_key":…}` bodies hold.
#[derive(Deserialize)]
struct Introduction {
    #[serde(default)]
    secret_key: String,
    #[serde(default)]
    worker_key: String,
}

impl Gateway {
    pub(crate) fn new(address: SocketAddrV4, config: &Config) -> Self {
        Self {
            address,
            secret: config.secret.clone(),
            greet: config.greet,
            strict: config.strict,
            started: Instant::now(),
            state: Mutex::default(),
            paused: watch::Sender::new(false),
            epoch: watch::Sender::new(0),
        }
    }

    fn log(&self, text: &str) {
        eprintln!("gatewayd: {}: {text}", self.address);
    }

    // ---- clients ----

    /// A client has connected: its number, and what its connection is told to do. `None`: it is not wanted.
    pub(crate) fn connect(
        &self,
        peer: SocketAddr,
        port: u16,
    ) -> Option<(u32, mpsc::UnboundedReceiver<ToClient>)> {
        let SocketAddr::V4(peer) = peer else { return None };
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = lock(&self.state);
        if self.strict && state.workers.is_empty() {
            return None;
        }
        state.next += 1;
        let id = state.next;
        let client = Client {
            sender,
            peer,
            port,
            uid: None,
            groups: IndexMap::new(),
            session: Vec::new(),
            worker: None,
        };
        state.clients.insert(id, client);
        self.tell_worker(&mut state, Command::OnConnect, id, b"", true);
        Some((id, receiver))
    }

    /// What a client is greeted with, if clients are greeted.
    pub(crate) fn greeting(&self, id: u32) -> Option<String> {
        let id = ClientId { ip: self.address.ip().to_bits(), port: self.address.port(), connection: id };
        self.greet.then(|| json!({"type": "init", "client_id": id.to_string()}).to_string())
    }

    /// A client has completed its WebSocket handshake.
    pub(crate) fn websocket_connected(&self, id: u32, request: &Value) {
        let mut state = lock(&self.state);
        self.tell_worker(&mut state, Command::OnWebSocketConnect, id, &request.to_bytes(), false);
    }

    /// A client has sent something.
    pub(crate) fn message(&self, id: u32, body: &[u8]) {
        let mut state = lock(&self.state);
        self.tell_worker(&mut state, Command::OnMessage, id, body, true);
    }

    /// A client has gone.
    pub(crate) fn disconnect(&self, id: u32) {
        let mut state = lock(&self.state);
        self.tell_worker(&mut state, Command::OnClose, id, b"", true);
        let Some(client) = state.clients.remove(&id) else { return };
        if let Some(uid) = &client.uid {
            leave(&mut state.uids, &OwnedKey::from_bytes(uid), id);
        }
        for group in client.groups.keys() {
            leave(&mut state.groups, group, id);
        }
    }

    /// Sends an event to the worker that the client is bound to: a random one, for as long as that lives.
    fn tell_worker(&self, state: &mut State, command: Command, id: u32, body: &[u8], scalar: bool) {
        let State { clients, workers, .. } = state;
        let Some(client) = clients.get_mut(&id) else { return };
        if workers.is_empty() {
            if self.strict {
                let _ = client.sender.send(ToClient::Destroy);
            }
            return;
        }
        if !client.worker.as_ref().is_some_and(|key| workers.contains_key(key)) {
            client.worker = workers.keys().nth(fastrand::usize(..workers.len())).cloned();
        }
        let head = Head {
            command: command as u8,
            local_ip: self.address.ip().to_bits(),
            local_port: self.address.port(),
            client_ip: client.peer.ip().to_bits(),
            client_port: client.peer.port(),
            connection: id,
            flag: if scalar { Head::SCALAR } else { 0 },
            gateway_port: client.port,
        };
        let worker = client.worker.as_ref().and_then(|key| workers.get(key));
        if let (Some(worker), Ok(frame)) = (worker, head.frame(&client.session, body)) {
            let _ = worker.send(frame.into());
        }
    }

    // ---- internal connections ----

    pub(crate) fn internal_opened(&self) -> u64 {
        let mut state = lock(&self.state);
        state.counters.open += 1;
        state.counters.total += 1;
        state.counters.total
    }

    pub(crate) fn internal_closed(&self, peer: &Peer) {
        let mut state = lock(&self.state);
        state.counters.open -= 1;
        if let Some(key) = &peer.worker {
            if state.workers.get(key).is_some_and(|sender| sender.same_channel(&peer.sender)) {
                state.workers.shift_remove(key);
            }
        }
    }

    pub(crate) async fn ping_workers(self: Arc<Self>) {
        loop {
            tokio::time::sleep(PING).await;
            let ping: Bytes = Head::new(Command::Ping, 0).frame(b"", b"").unwrap_or_default().into();
            for worker in lock(&self.state).workers.values() {
                let _ = worker.send(ping.clone());
            }
        }
    }

    /// Forgets everybody, as a new process would.
    pub(crate) fn clear(&self) {
        let mut state = lock(&self.state);
        state.clients.clear();
        state.uids.clear();
        state.groups.clear();
        state.workers.clear();
    }

    /// Carries out a frame of an internal connection.
    pub(crate) fn handle(&self, peer: &mut Peer, frame: Frame<'_>, bytes: &[u8]) -> Outcome {
        let mut state = lock(&self.state);
        let number = frame.head.command;
        *state.counters.frames.entry(number).or_default() += 1;
        state.counters.bytes_in += bytes.len() as u64;
        if state.recording {
            let at = self.started.elapsed().as_micros() as u64;
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            state.recorded.push(json!({"connection": peer.number, "at": at, "hex": hex}));
        }
        let Ok(command) = Command::try_from(number) else {
            self.log(&format!("unknown command {number}"));
            return Outcome::GoOn;
        };
        if matches!(command, Command::WorkerConnect | Command::GatewayClientConnect) {
            return self.introduce(&mut state, peer, command, frame.body);
        }
        if !peer.authorized {
            state.counters.unauthorized += 1;
            self.log("unauthorized request");
            return Outcome::Close;
        }
        let answer = state.overrides.get_mut(&number).and_then(VecDeque::pop_front);
        if let Some(answer) = answer {
            if answer.is_empty() {
                return Outcome::Close;
            }
            let _ = peer.sender.send(answer.into());
            return Outcome::GoOn;
        }
        match state.question(command, &frame) {
            Some(value) => {
                if !state.muted {
                    let mut answer = vec![0; 4];
                    match value {
                        Answer::Value(value) => value.write(&mut answer),
                        Answer::Serialized(bytes) => answer.extend_from_slice(&bytes),
                    }
                    let length = (answer.len() - 4) as u32;
                    answer[..4].copy_from_slice(&length.to_be_bytes());
                    let _ = peer.sender.send(answer.into());
                }
            }
            None => {
                if let Err(complaint) = state.command(command, &frame) {
                    self.log(&complaint);
                }
            }
        }
        Outcome::GoOn
    }

    fn introduce(&self, state: &mut State, peer: &mut Peer, command: Command, body: &[u8]) -> Outcome {
        let introduction = serde_json::from_slice::<Introduction>(body)
            .unwrap_or(Introduction { secret_key: String::new(), worker_key: String::new() });
        if introduction.secret_key != self.secret {
            state.counters.unauthorized += 1;
            self.log("the secret key does not match");
            return Outcome::Close;
        }
        peer.authorized = true;
        state.counters.authorized += 1;
        if command == Command::WorkerConnect {
            let key = format!("{}:{}", peer.ip, introduction.worker_key);
            // An older connection of the same name is replaced; it ends by itself.
            state.workers.insert(key.clone(), peer.sender.clone());
            peer.worker = Some(key);
        }
        Outcome::GoOn
    }

    /// Whether a connection has to introduce itself first.
    pub(crate) fn has_secret(&self) -> bool {
        !self.secret.is_empty()
    }

    // ---- tests look inside ----

    pub(crate) fn stats(&self) -> Json {
        let state = lock(&self.state);
        let counters = &state.counters;
        let frames: BTreeMap<String, u64> =
            counters.frames.iter().map(|(command, count)| (command.to_string(), *count)).collect();
        json!({
            "internal_open": counters.open,
            "internal_total": counters.total,
            "authorized": counters.authorized,
            "unauthorized": counters.unauthorized,
            "bytes_in": counters.bytes_in,
            "clients": state.clients.len(),
            "workers": state.workers.len(),
            "frames": frames,
        })
    }

    pub(crate) fn record(&self, on: bool) {
        lock(&self.state).recording = on;
    }

    pub(crate) fn take_recorded(&self) -> Vec<Json> {
        std::mem::take(&mut lock(&self.state).recorded)
    }

    pub(crate) fn mute(&self, muted: bool) {
        lock(&self.state).muted = muted;
    }

    pub(crate) fn override_answer(&self, command: u8, answer: &[u8], times: usize) {
        let mut state = lock(&self.state);
        let answers = state.overrides.entry(command).or_default();
        answers.extend(std::iter::repeat_n(answer.to_vec(), times));
    }
}

/// The answer to a question.
enum Answer {
    Value(Value),
    Serialized(Vec<u8>),
}

impl State {
    /// Answers a question; `None` where the command is none.
    fn question(&self, command: Command, frame: &Frame<'_>) -> Option<Answer> {
        let count = |number: usize| Value::Int(number as i64);
        let list = |ids: &IndexSet<u32>| Value::list(ids.iter().map(|id| Value::Int(i64::from(*id))));
        let ext_key = OwnedKey::from_bytes(frame.ext);
        Some(Answer::Value(match command {
            Command::IsOnline => count(usize::from(self.clients.contains_key(&frame.head.connection))),
            Command::GetSessionByClientId => {
                return Some(Answer::Serialized(match self.clients.get(&frame.head.connection) {
                    None => Value::Null.to_bytes(),
                    Some(client) if client.session.is_empty() => b"a:0:{}".to_vec(),
                    Some(client) => client.session.clone(),
                }));
            }
            Command::GetAllClientSessions => sessions(self.clients.iter().map(|(id, client)| (*id, client))),
            Command::GetClientSessionsByGroup => {
                let ids = self.groups.get(&ext_key).into_iter().flatten();
                sessions(ids.filter_map(|id| Some((*id, self.clients.get(id)?))))
            }
            Command::GetClientCountByGroup if frame.ext.is_empty() => count(self.clients.len()),
            Command::GetClientCountByGroup => count(self.groups.get(&ext_key).map_or(0, IndexSet::len)),
            Command::GetClientIdByUid => self.uids.get(&ext_key).map_or_else(|| Value::list([]), list),
            Command::BatchGetClientIdByUid => Value::Array(
                keys(frame.ext)
                    .into_iter()
                    .map(|uid| {
                        let clients = self.uids.get(&uid).map_or_else(|| Value::list([]), list);
                        (uid, clients)
                    })
                    .collect(),
            ),
            Command::BatchGetClientCountByGroup => Value::Array(
                keys(frame.ext)
                    .into_iter()
                    .map(|group| {
                        let clients = self.groups.get(&group).map_or(0, IndexSet::len);
                        (group, count(clients))
                    })
                    .collect(),
            ),
            Command::GetGroupIdList => Value::list(self.groups.keys().map(|group| match group {
                OwnedKey::Int(id) => Value::Int(*id),
                OwnedKey::Str(id) => Value::Str(id.clone()),
            })),
            Command::Select => select::select(self, frame.ext),
            _ => return None,
        }))
    }

    /// Carries out a command.
    fn command(&mut self, command: Command, frame: &Frame<'_>) -> Result<(), String> {
        let id = frame.head.connection;
        let raw = frame.head.flag & Head::RAW != 0;
        let body = || body(frame);
        match command {
            Command::SendToOne => self.send(&[id], &body().unwrap_or_default(), raw),
            Command::Kick => {
                if let Some(client) = self.clients.get(&id) {
                    let _ = client.sender.send(ToClient::Close(body()));
                }
            }
            Command::Destroy => {
                if let Some(client) = self.clients.get(&id) {
                    let _ = client.sender.send(ToClient::Destroy);
                }
            }
            Command::SendToAll => {
                let ext: Json = serde_json::from_slice(frame.ext).unwrap_or_default();
                let ids: Vec<u32> = if ext["connections"].is_null() {
                    let excluded = excluded(&ext["exclude"]);
                    self.clients.keys().copied().filter(|id| !excluded.contains(id)).collect()
                } else {
                    values(&ext["connections"])
                };
                self.send(&ids, &body().unwrap_or_default(), raw);
            }
            Command::SendToUid => {
                let ids: Vec<u32> = keys(frame.ext)
                    .iter()
                    .filter_map(|uid| self.uids.get(uid))
                    .flat_map(|ids| ids.iter().copied())
                    .collect();
                self.send(&ids, &body().unwrap_or_default(), raw);
            }
            Command::SendToGroup => {
                let ext: Json = serde_json::from_slice(frame.ext).unwrap_or_default();
                let excluded = excluded(&ext["exclude"]);
                let ids: Vec<u32> = json_keys(&ext["group"])
                    .iter()
                    .filter_map(|group| self.groups.get(group))
                    .flat_map(|ids| ids.iter().copied())
                    .filter(|id| !excluded.contains(id))
                    .collect();
                self.send(&ids, &body().unwrap_or_default(), raw);
            }
            Command::SetSession => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.session = frame.ext.to_vec();
                }
            }
            Command::UpdateSession => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.session = session::merge(&client.session, frame.ext);
                }
            }
            Command::BindUid => {
                refuse_empty(command, frame.ext)?;
                self.unbind(id);
                if let Some(client) = self.clients.get_mut(&id) {
                    client.uid = Some(frame.ext.to_vec());
                    self.uids.entry(OwnedKey::from_bytes(frame.ext)).or_default().insert(id);
                }
            }
            Command::UnbindUid => self.unbind(id),
            Command::JoinGroup => {
                refuse_empty(command, frame.ext)?;
                if let Some(client) = self.clients.get_mut(&id) {
                    let group = OwnedKey::from_bytes(frame.ext);
                    client.groups.insert(group.clone(), frame.ext.to_vec());
                    self.groups.entry(group).or_default().insert(id);
                }
            }
            Command::LeaveGroup => {
                refuse_empty(command, frame.ext)?;
                let group = OwnedKey::from_bytes(frame.ext);
                if let Some(client) = self.clients.get_mut(&id) {
                    client.groups.shift_remove(&group);
                    leave(&mut self.groups, &group, id);
                }
            }
            Command::Ungroup => {
                refuse_empty(command, frame.ext)?;
                let group = OwnedKey::from_bytes(frame.ext);
                for id in self.groups.shift_remove(&group).unwrap_or_default() {
                    if let Some(client) = self.clients.get_mut(&id) {
                        client.groups.shift_remove(&group);
                    }
                }
            }
            other => return Err(format!("{other:?} is not for a gateway")),
        }
        Ok(())
    }

    fn send(&self, ids: &[u32], body: &Bytes, raw: bool) {
        for client in ids.iter().filter_map(|id| self.clients.get(id)) {
            // A client whose connection is ending is as good as gone.
            let _ = client.sender.send(ToClient::Message { body: body.clone(), raw });
        }
    }

    fn unbind(&mut self, id: u32) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if let Some(uid) = client.uid.take() {
            leave(&mut self.uids, &OwnedKey::from_bytes(&uid), id);
        }
    }
}

fn sessions<'a>(clients: impl Iterator<Item = (u32, &'a Client)>) -> Value {
    Value::Array(
        clients
            .map(|(id, client)| (OwnedKey::Int(i64::from(id)), Value::Str(client.session.clone())))
            .collect(),
    )
}

fn leave(map: &mut IndexMap<OwnedKey, IndexSet<u32>>, key: &OwnedKey, id: u32) {
    if let Some(ids) = map.get_mut(key) {
        ids.shift_remove(&id);
        if ids.is_empty() {
            map.shift_remove(key);
        }
    }
}

/// `empty($uid)` of a text.
fn refuse_empty(command: Command, text: &[u8]) -> Result<(), String> {
    if text.is_empty() || text == b"0" { Err(format!("{command:?} with an empty id")) } else { Ok(()) }
}

/// The message of a frame: a scalar as it is; `None` for null. The original hands arrays to the client protocol's encoder,
/// which PHP turns into the word "Array".
fn body(frame: &Frame<'_>) -> Option<Bytes> {
    if frame.head.flag & Head::SCALAR != 0 {
        return Some(Bytes::copy_from_slice(frame.body));
    }
    match Value::read(frame.body) {
        Ok(Value::Null) | Err(_) => None,
        Ok(Value::Str(text)) => Some(text.into()),
        Ok(_) => Some(Bytes::from_static(b"Array")),
    }
}

/// The array keys that PHP makes of a JSON list.
fn keys(ext: &[u8]) -> Vec<OwnedKey> {
    json_keys(&serde_json::from_slice(ext).unwrap_or_default())
}

pub(crate) fn json_keys(list: &Json) -> Vec<OwnedKey> {
    let key = |value: &Json| match value {
        Json::String(text) => Some(OwnedKey::from_bytes(text.as_bytes())),
        Json::Number(number) => {
            Some(OwnedKey::Int(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or(0.0) as i64)))
        }
        Json::Bool(flag) => Some(OwnedKey::Int(i64::from(*flag))),
        Json::Null => Some(OwnedKey::Str(Vec::new())),
        Json::Array(_) | Json::Object(_) => None,
    };
    match list {
        Json::Array(list) => list.iter().filter_map(key).collect(),
        Json::Object(map) => map.values().filter_map(key).collect(),
        _ => Vec::new(),
    }
}

/// The connection numbers in a JSON list or map.
pub(crate) fn values(list: &Json) -> Vec<u32> {
    let number = |value: &Json| value.as_u64().and_then(|value| u32::try_from(value).ok());
    match list {
        Json::Array(list) => list.iter().filter_map(number).collect(),
        Json::Object(map) => map.values().filter_map(number).collect(),
        _ => Vec::new(),
    }
}

/// The connection numbers that are excluded: the original looks at the keys.
fn excluded(list: &Json) -> IndexSet<u32> {
    match list {
        Json::Array(list) => (0..list.len() as u32).collect(),
        Json::Object(map) => map.keys().filter_map(|key| key.parse().ok()).collect(),
        _ => IndexSet::new(),
    }
}
