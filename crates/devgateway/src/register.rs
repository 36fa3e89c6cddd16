//! The register: gateways tell it of themselves, workers and clients such as ours are told of the gateways.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::server::{lock, spawn_until};

/// Who does not introduce itself within this time is disconnected.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How often a gateway says that it is alive.
const PING: Duration = Duration::from_secs(25);

/// What the register knows.
#[derive(Debug)]
pub struct Register {
    secret: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// Connection ⇒ address. The gateways of this process have connections of their own numbering.
    gateways: IndexMap<u64, String>,
    workers: IndexMap<u64, mpsc::UnboundedSender<String>>,
    open: u64,
    total: u64,
    worker_connects: u64,
    pings: u64,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    event: String,
    #[serde(default)]
    secret_key: String,
    #[serde(default)]
    address: String,
}

impl Register {
    /// A register that knows nobody.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self { secret: secret.to_owned(), state: Mutex::default() }
    }

    /// Takes an address into the list, and tells everybody.
    pub fn add(&self, address: &str) {
        let mut state = lock(&self.state);
        state.next += 1;
        let id = state.next;
        state.gateways.insert(id, address.to_owned());
        state.broadcast();
    }

    /// Takes an address out of the list, and tells everybody.
    pub fn remove(&self, address: &str) {
        let mut state = lock(&self.state);
        state.gateways.retain(|_, other| other != address);
        state.broadcast();
    }

    pub(crate) fn stats(&self) -> serde_json::Value {
        let state = lock(&self.state);
        json!({
            "connections_open": state.open,
            "connections_total": state.total,
            "worker_connects": state.worker_connects,
            "pings": state.pings,
            "addresses": state.gateways.values().collect::<Vec<_>>(),
        })
    }
}

impl State {
    fn list(&self) -> String {
        let mut addresses: Vec<&String> = Vec::new();
        for address in self.gateways.values() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        json!({"event": "broadcast_addresses", "addresses": addresses}).to_string()
    }

    fn broadcast(&mut self) {
        let list = self.list();
        self.workers.retain(|_, worker| worker.send(list.clone()).is_ok());
    }
}

/// Accepts connections.
pub(crate) async fn serve(listener: TcpListener, register: Arc<Register>, stopped: watch::Receiver<()>) {
    while let Ok((stream, _)) = listener.accept().await {
        spawn_until(stopped.clone(), connection(stream, Arc::clone(&register)));
    }
}

/// Counts a connection as open until it is dropped, however its task ends.
struct Open {
    register: Arc<Register>,
    id: u64,
}

impl Open {
    fn new(register: Arc<Register>) -> Self {
        let mut state = lock(&register.state);
        state.open += 1;
        state.total += 1;
        state.next += 1;
        let id = state.next;
        drop(state);
        Self { register, id }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = lock(&self.register.state);
        state.open -= 1;
        state.workers.shift_remove(&self.id);
        if state.gateways.shift_remove(&self.id).is_some() {
            state.broadcast();
        }
    }
}

async fn connection(stream: TcpStream, register: Arc<Register>) {
    let open = Open::new(Arc::clone(&register));
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (sender, mut pushed) = mpsc::unbounded_channel();
    let mut introduced = false;
    loop {
        tokio::select! {
            line = timeout(if introduced { Duration::MAX } else { INTRODUCTION }, lines.next_line()) => {
                let Ok(Ok(Some(line))) = line else { return };
                introduced = true;
                match answer(&register, open.id, &sender, &line) {
                    Ok(()) => {}
                    Err(error) => {
                        eprintln!("gatewayd: register: {error}");
                        return;
                    }
                }
            }
            Some(line) = pushed.recv() => {
                if writer.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn answer(
    register: &Register,
    id: u64,
    sender: &mpsc::UnboundedSender<String>,
    line: &str,
) -> Result<(), &'static str> {
    let message: Message = serde_json::from_str(line).map_err(|_| "a line is not JSON")?;
    if message.event == "ping" {
        lock(&register.state).pings += 1;
        return Ok(());
    }
    if !matches!(message.event.as_str(), "gateway_connect" | "worker_connect") {
        return Err("unknown event");
    }
    if message.secret_key != register.secret {
        return Err("the secret key does not match");
    }
    let mut state = lock(&register.state);
    if message.event == "worker_connect" {
        state.worker_connects += 1;
        // The receiver is the very task that runs this.
        let _ = sender.send(state.list());
        state.workers.insert(id, sender.clone());
        return Ok(());
    }
    if message.address.is_empty() {
        return Err("a gateway without an address");
    }
    state.gateways.insert(id, message.address);
    state.broadcast();
    Ok(())
}

/// Tells a register of a gateway, again and again, as the original's Gateway does.
pub(crate) async fn join(register: String, address: String, secret: String) {
    let hello = json!({"event": "gateway_connect", "address": address, "secret_key": secret});
    loop {
        if let Ok(mut stream) = TcpStream::connect(&register).await {
            let mut line = format!("{hello}\n");
            while stream.write_all(line.as_bytes()).await.is_ok() {
                let mut byte = [0];
                match timeout(PING, tokio::io::AsyncReadExt::read(&mut stream, &mut byte)).await {
                    Ok(Ok(0) | Err(_)) => break,
                    _ => line = format!("{}\n", json!({"event": "ping"})),
                }
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
