//! The control protocol.
//!
#![doc = include_str!("control.md")]

use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::fault::from_hex;
use crate::lines::LineBuffer;
use crate::listener::ACCEPT_PAUSE;
use crate::log::complain;
use crate::node::Node;
use crate::register::Register;
use crate::services;

/// All that can be controlled.
pub(crate) struct Control {
    pub(crate) register: Option<Rc<Register>>,
    pub(crate) nodes: Vec<Rc<Node>>,
}

#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
enum Request {
    Stats,
    Frames {
        gateway: usize,
        on: bool,
    },
    TakeFrames {
        gateway: usize,
    },
    StopGateway {
        gateway: usize,
    },
    StartGateway {
        gateway: usize,
    },
    PauseGateway {
        gateway: usize,
        paused: bool,
    },
    MuteGateway {
        gateway: usize,
        muted: bool,
    },
    DisconnectInternal {
        gateway: usize,
    },
    Reply {
        gateway: usize,
        command: u8,
        hex: String,
        #[serde(default = "once")]
        times: u64,
    },
    AddAddress {
        gateway: Option<usize>,
        address: Option<String>,
    },
    RemoveAddress {
        gateway: Option<usize>,
        address: Option<String>,
    },
    StopRegister,
    StartRegister,
}

fn once() -> u64 {
    1
}

type Reply = Result<Json, String>;

impl Control {
    /// Carries out one request.
    pub(crate) async fn reply(&self, request: &[u8]) -> Json {
        let reply = match serde_json::from_slice(request) {
            Ok(request) => self.carry_out(request).await,
            Err(error) => Err(format!("not a request: {error}")),
        };
        reply.unwrap_or_else(|error| json!({ "error": error }))
    }

    async fn carry_out(&self, request: Request) -> Reply {
        match request {
            Request::Stats => return Ok(self.stats()),
            Request::Frames { gateway, on } => self.node(gateway)?.faults.borrow_mut().record(on),
            Request::TakeFrames { gateway } => {
                return Ok(json!({ "frames": self.node(gateway)?.faults.borrow_mut().take_frames() }));
            }
            Request::StopGateway { gateway } => {
                let node = self.node(gateway)?;
                if let Some(register) = &self.register {
                    register.remove(&node.addresses.get().internal.to_string());
                }
                node.stop().await;
            }
            Request::StartGateway { gateway } => {
                let node = self.node(gateway)?;
                services::start(node).map_err(|error| error.to_string())?;
                if let Some(register) = &self.register {
                    register.add(node.addresses.get().internal.to_string());
                }
            }
            Request::PauseGateway { gateway, paused } => {
                self.node(gateway)?.paused.send_replace(paused);
            }
            Request::MuteGateway { gateway, muted } => self.node(gateway)?.faults.borrow_mut().muted = muted,
            Request::DisconnectInternal { gateway } => self.node(gateway)?.disconnect_internal().await,
            Request::Reply { gateway, command, hex, times } => {
                let bytes = from_hex(&hex).ok_or("hex is not pairs of hex digits")?;
                self.node(gateway)?.faults.borrow_mut().reply(command, bytes.into(), times);
            }
            Request::AddAddress { gateway, address } => {
                let register = self.register()?;
                register.add(self.address(gateway, address)?);
                return Ok(json!({ "addresses": register.addresses() }));
            }
            Request::RemoveAddress { gateway, address } => {
                let register = self.register()?;
                register.remove(&self.address(gateway, address)?);
                return Ok(json!({ "addresses": register.addresses() }));
            }
            Request::StopRegister => self.register()?.stop().await,
            Request::StartRegister => self.register()?.start().map_err(|error| error.to_string())?,
        }
        Ok(json!({ "ok": true }))
    }

    fn node(&self, index: usize) -> Result<&Rc<Node>, String> {
        self.nodes.get(index).ok_or_else(|| format!("there are only {} gateways", self.nodes.len()))
    }

    fn register(&self) -> Result<&Rc<Register>, String> {
        self.register.as_ref().ok_or_else(|| "there is no register".into())
    }

    fn address(&self, gateway: Option<usize>, address: Option<String>) -> Result<String, String> {
        match (gateway, address) {
            (Some(gateway), None) => Ok(self.node(gateway)?.addresses.get().internal.to_string()),
            (None, Some(address)) => Ok(address),
            _ => Err("either a gateway or an address is needed".into()),
        }
    }

    fn stats(&self) -> Json {
        let gateways: Vec<Json> = self
            .nodes
            .iter()
            .map(|node| {
                let counters = node.counters.borrow();
                json!({
                    "address": node.addresses.get().internal,
                    "alive": node.is_alive(),
                    "internal_open": node.link_count(),
                    "internal_total": counters.internal_total,
                    "authorized": counters.authorized,
                    "unauthorized": counters.unauthorized,
                    "clients": node.gateway.borrow().client_count(),
                    "frames": counters.frames,
                    "bytes_in": counters.bytes_in,
                })
            })
            .collect();
        json!({ "register": self.register.as_ref().map(|register| register.stats()), "gateways": gateways })
    }
}

/// Accepts control connections.
pub(crate) async fn accept(control: Rc<Control>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                spawn_local(serve(control.clone(), stream));
            }
            Err(error) => {
                complain(format_args!("cannot accept a control connection: {error}"));
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(control: Rc<Control>, mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut input = LineBuffer::default();
    loop {
        match input.take() {
            Ok(Some(line)) => {
                let reply = format!("{}\n", control.reply(&line).await);
                if stream.write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
            }
            Ok(None) => {
                if !matches!(input.fill(&mut stream).await, Ok(true)) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}
