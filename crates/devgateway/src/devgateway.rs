//! The whole process: register, gateways and control, on a thread of their own.

use std::io;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use crate::config::Config;
use crate::control::{self, Control};
use crate::fault::Clock;
use crate::listener::listen;
use crate::node::{GatewayAddresses, Node};
use crate::register::Register;
use crate::services;

/// Starts development gateways.
#[derive(Clone, Copy, Debug)]
pub struct Devgateway;

/// Where everything listens: the line that the program prints.
#[derive(Clone, Debug, Serialize)]
pub struct Addresses {
    /// This process.
    pub pid: u32,
    /// Where the control protocol is spoken.
    pub control: SocketAddrV4,
    /// The register; `None` where there is none.
    pub register: Option<SocketAddrV4>,
    /// Whether a secret key is required.
    pub secret: bool,
    /// The gateways.
    pub gateways: Vec<GatewayAddresses>,
}

/// A development gateway that runs. It stops when this is dropped.
#[derive(Debug)]
pub struct Started {
    addresses: Addresses,
    requests: Option<UnboundedSender<(Json, mpsc::Sender<Json>)>>,
    thread: Option<JoinHandle<()>>,
}

impl Devgateway {
    /// Starts a register and gateways on a thread of their own; returns when all of them listen.
    ///
    /// # Errors
    /// If one of the addresses cannot be listened on.
    pub fn start(config: Config) -> io::Result<Started> {
        let (ready, listening) = mpsc::channel();
        let (requests, incoming) = unbounded_channel();
        let thread = std::thread::Builder::new().name("gatewayd".into()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            // Dropping the set at the end drops all tasks, and with them all sockets.
            LocalSet::new().block_on(&runtime, run(config, ready, incoming));
        })?;
        let addresses = listening.recv().map_err(io::Error::other)??;
        Ok(Started { addresses, requests: Some(requests), thread: Some(thread) })
    }
}

impl Started {
    /// Where everything listens.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Carries out a request of the control protocol (see the table in the crate's documentation)
    /// without its socket, and waits for the reply.
    #[must_use]
    pub fn control(&self, request: &Json) -> Json {
        let (reply, replied) = mpsc::channel();
        if let Some(requests) = &self.requests {
            // If nobody takes it, receiving below fails.
            let _ = requests.send((request.clone(), reply));
        }
        replied.recv().unwrap_or_else(|_| serde_json::json!({ "error": "the development gateway has ended" }))
    }

    /// Closes all listeners and connections; returns when they are closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // The thread ends when there can be no more requests.
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed.
            let _ = thread.join();
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs until no more requests can come.
async fn run(
    config: Config,
    ready: mpsc::Sender<io::Result<Addresses>>,
    mut requests: UnboundedReceiver<(Json, mpsc::Sender<Json>)>,
) {
    let (control, addresses) = match start(config) {
        Ok(started) => started,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(addresses));
    while let Some((request, reply)) = requests.recv().await {
        let _ = reply.send(control.reply(request.to_string().as_bytes()).await);
    }
}

fn start(config: Config) -> io::Result<(Rc<Control>, Addresses)> {
    let register = match config.register {
        Some(address) => {
            let register = Register::new(address, config.clone());
            register.start()?;
            Some(register)
        }
        None => None,
    };
    let clock = Clock::new();
    let mut nodes = Vec::new();
    for (internal, index) in config.gateways.iter().zip(0..) {
        let client_port = |first: u16| if first == 0 { 0 } else { first.wrapping_add(index) };
        let addresses = GatewayAddresses {
            internal: *internal,
            text: SocketAddrV4::new(*internal.ip(), client_port(config.text_port)),
            websocket: SocketAddrV4::new(*internal.ip(), client_port(config.websocket_port)),
        };
        let node = Node::new(config.clone(), addresses, clock);
        services::start(&node)?;
        if let Some(register) = &register {
            register.add(node.addresses.get().internal.to_string());
        }
        nodes.push(node);
    }
    let (listener, control_address) = listen(config.control)?;
    let addresses = Addresses {
        pid: std::process::id(),
        control: control_address,
        register: register.as_ref().map(|register| register.address()),
        secret: !config.secret.is_empty(),
        gateways: nodes.iter().map(|node| node.addresses.get()).collect(),
    };
    let control = Rc::new(Control { register, nodes });
    spawn_local(control::accept(control.clone(), listener));
    Ok((control, addresses))
}
