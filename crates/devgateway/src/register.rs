//! The register: it sends workers, and clients such as the extension, the list of gateways.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::Config;
use crate::lines::LineBuffer;
use crate::listener::{ACCEPT_PAUSE, listen};
use crate::log::complain;
use crate::tasks::end;

/// Who put an address on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// This process: a gateway of its own, or a test.
    Own,
    /// A gateway elsewhere, by the number of its connection.
    Connection(u64),
}

/// Counters of the register since the process started.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct RegisterStats {
    connections_open: usize,
    connections_total: u64,
    worker_connects: u64,
    pings: u64,
}

#[derive(Default)]
struct State {
    addresses: Vec<(Source, String)>,
    workers: BTreeMap<u64, UnboundedSender<Bytes>>,
    connections: BTreeMap<u64, AbortHandle>,
    stats: RegisterStats,
}

/// A register, running or stopped.
pub(crate) struct Register {
    address: Cell<SocketAddrV4>,
    config: Config,
    state: RefCell<State>,
    listener: RefCell<Option<AbortHandle>>,
}

impl Register {
    /// A register that does not run yet.
    pub(crate) fn new(address: SocketAddrV4, config: Config) -> Rc<Self> {
        Rc::new(Self {
            address: Cell::new(address),
            config,
            state: RefCell::default(),
            listener: RefCell::default(),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address.get()
    }

    /// Listens on the register's address. A port chosen by the system is kept from then on.
    pub(crate) fn start(self: &Rc<Self>) -> io::Result<()> {
        if self.listener.borrow().is_none() {
            let (listener, address) = listen(self.address.get())?;
            self.address.set(address);
            let task = spawn_local(self.clone().accept(listener)).abort_handle();
            self.listener.replace(Some(task));
        }
        Ok(())
    }

    /// Closes the listener and all connections; they are closed when the future is ready. The
    /// addresses of this process stay on the list: its gateways would be back in a second.
    pub(crate) async fn stop(&self) {
        let mut tasks = Vec::from_iter(self.listener.take());
        {
            let mut state = self.state.borrow_mut();
            tasks.extend(std::mem::take(&mut state.connections).into_values());
            state.workers.clear();
            state.addresses.retain(|(source, _)| *source == Source::Own);
        }
        end(tasks).await;
    }

    /// Puts an address of this process on the list.
    pub(crate) fn add(&self, address: String) {
        let entry = (Source::Own, address);
        if !self.state.borrow().addresses.contains(&entry) {
            self.state.borrow_mut().addresses.push(entry);
            self.broadcast();
        }
    }

    /// Takes an address off the list, whoever put it there.
    pub(crate) fn remove(&self, address: &str) {
        self.state.borrow_mut().addresses.retain(|(_, listed)| listed != address);
        self.broadcast();
    }

    /// What it has counted.
    pub(crate) fn stats(&self) -> RegisterStats {
        let state = self.state.borrow();
        RegisterStats { connections_open: state.connections.len(), ..state.stats }
    }

    /// The addresses, each once.
    pub(crate) fn addresses(&self) -> Json {
        unique(self.state.borrow().addresses.iter().map(|(_, address)| address.as_str()))
    }

    fn announcement(&self) -> Bytes {
        let line = json!({"event": "broadcast_addresses", "addresses": self.addresses()});
        Bytes::from(format!("{line}\n"))
    }

    /// Sends all workers the addresses.
    fn broadcast(&self) {
        let announcement = self.announcement();
        for worker in self.state.borrow().workers.values() {
            let _ = worker.send(announcement.clone());
        }
    }

    async fn accept(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let number = {
                        let stats = &mut self.state.borrow_mut().stats;
                        stats.connections_total += 1;
                        stats.connections_total
                    };
                    let task = spawn_local(self.clone().serve(number, peer, stream)).abort_handle();
                    self.state.borrow_mut().connections.insert(number, task);
                }
                Err(error) => {
                    complain(format_args!("the register cannot accept a connection: {error}"));
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(self: Rc<Self>, number: u64, peer: SocketAddr, mut stream: TcpStream) {
        let (queue, mut announcements) = unbounded_channel();
        let mut input = LineBuffer::default();
        let mut output = BytesMut::new();
        let mut open = true;
        // The first line has to come in time; after it there is no limit.
        let mut deadline = Some(Instant::now() + self.config.register_timeout);
        let (mut reader, mut writer) = stream.split();
        while open || !output.is_empty() {
            tokio::select! {
                filled = input.fill(&mut reader), if open => {
                    open = matches!(filled, Ok(true));
                    while open {
                        match input.take() {
                            Ok(Some(line)) => {
                                deadline = None;
                                open = self.take_line(number, peer, &line, &queue, &mut output);
                            }
                            Ok(None) => break,
                            Err(_) => open = false,
                        }
                    }
                }
                Some(announcement) = announcements.recv(), if open => output.extend_from_slice(&announcement),
                written = writer.write_buf(&mut output), if !output.is_empty() => {
                    if written.is_err() {
                        break;
                    }
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if open && deadline.is_some() => {
                    complain(format_args!("register: {peer} said nothing in time"));
                    open = false;
                }
            }
        }
        self.closed(number);
    }

    /// Acts on a line; returns whether the connection goes on.
    fn take_line(
        &self,
        number: u64,
        peer: SocketAddr,
        line: &[u8],
        queue: &UnboundedSender<Bytes>,
        output: &mut BytesMut,
    ) -> bool {
        let request: Json = serde_json::from_slice(line).unwrap_or_default();
        let Some(event) = request["event"].as_str().filter(|event| !event.is_empty()) else {
            complain(format_args!("register: {peer} sent a line without an event"));
            output
                .extend_from_slice(b"This is a register: it takes JSON with an event, and this was none.\n");
            return false;
        };
        let has_key = request["secret_key"].as_str().unwrap_or_default() == self.config.secret;
        match event {
            "gateway_connect" => {
                let Some(address) = request["address"].as_str().filter(|address| !address.is_empty()) else {
                    complain(format_args!("register: {peer} is a gateway without an address"));
                    return false;
                };
                if !has_key {
                    complain(format_args!("register: the key of the gateway {peer} does not match"));
                    return false;
                }
                let source = Source::Connection(number);
                let addresses = &mut self.state.borrow_mut().addresses;
                match addresses.iter_mut().find(|(listed, _)| *listed == source) {
                    Some((_, listed)) => *listed = address.to_owned(),
                    None => addresses.push((source, address.to_owned())),
                }
            }
            "worker_connect" => {
                if !has_key {
                    complain(format_args!("register: the key of the worker {peer} does not match"));
                    return false;
                }
                let mut state = self.state.borrow_mut();
                state.stats.worker_connects += 1;
                state.workers.insert(number, queue.clone());
                drop(state);
                let _ = queue.send(self.announcement());
                return true;
            }
            "ping" => {
                self.state.borrow_mut().stats.pings += 1;
                return true;
            }
            _ => {
                complain(format_args!("register: {peer} sent an unknown event"));
                return false;
            }
        }
        self.broadcast();
        true
    }

    /// Removes a connection that has ended.
    fn closed(&self, number: u64) {
        let mut state = self.state.borrow_mut();
        state.connections.remove(&number);
        state.workers.remove(&number);
        let listed = state.addresses.len();
        state.addresses.retain(|(source, _)| *source != Source::Connection(number));
        let changed = state.addresses.len() != listed;
        drop(state);
        if changed {
            self.broadcast();
        }
    }
}

/// What `json_encode(array_unique($list))` gives: an object where a later address follows on a
/// repeated one, since `array_unique` leaves gaps in the keys.
fn unique<'a>(list: impl Iterator<Item = &'a str>) -> Json {
    let mut kept: Vec<(usize, &str)> = Vec::new();
    for (index, address) in list.enumerate() {
        if kept.iter().all(|(_, known)| *known != address) {
            kept.push((index, address));
        }
    }
    if kept.iter().enumerate().all(|(position, (index, _))| position == *index) {
        kept.into_iter().map(|(_, address)| address).collect()
    } else {
        Json::Object(kept.into_iter().map(|(index, address)| (index.to_string(), address.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_each_address_once_as_array_unique_does() {
        assert_eq!(unique(["a", "b", "a"].into_iter()), json!(["a", "b"]));
        assert_eq!(unique(["a", "a", "b"].into_iter()), json!({"0": "a", "2": "b"}));
        assert_eq!(unique([].into_iter()), json!([]));
    }
}
