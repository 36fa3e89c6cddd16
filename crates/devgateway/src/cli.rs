//! The command line of `gatewayd`.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, ToSocketAddrs};

use clap::Parser;

use crate::config::Config;

/// A register and any number of GatewayWorker gateways in one process, for demos and tests.
///
/// This is a DEVELOPMENT TOOL, NOT FOR PRODUCTION: queues are unbounded, there is no TLS and no
/// heartbeat of clients, and whoever reaches the control port can do anything. Everything listens
/// on the loopback interface unless told otherwise.
///
/// It prints one line of JSON with all addresses on standard output, errors on standard error, and
/// ends on SIGINT or SIGTERM.
#[derive(Parser)]
#[command(name = "gatewayd", version)]
pub struct Cli {
    /// Where the register listens; port 0 is any free port
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0", value_parser = address)]
    register: SocketAddrV4,

    /// Run no register
    #[arg(long, conflicts_with_all = ["register", "register_only"])]
    no_register: bool,

    /// Run the register alone, without gateways
    #[arg(long, conflicts_with_all = ["gateway", "join"])]
    register_only: bool,

    /// Register the gateways at this register, which runs elsewhere; may be repeated
    #[arg(long, value_name = "HOST:PORT", requires = "no_register")]
    join: Vec<String>,

    /// Run a gateway at this internal address, which becomes part of client ids; may be repeated
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0", value_parser = address)]
    gateway: Vec<SocketAddrV4>,

    /// Port of the first gateway for clients that speak in lines; the next gateway gets the next
    /// port; 0 is any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    text_port: u16,

    /// Port of the first gateway for WebSocket clients; the next gateway gets the next port; 0 is
    /// any
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    ws_port: u16,

    /// The key that workers, gateways and clients of the internal protocol have to know
    #[arg(long, value_name = "KEY", default_value = "", hide_default_value = true)]
    secret: String,

    /// Send each client {"type":"init","client_id":"…"} when it connects
    #[arg(long)]
    greet: bool,

    /// Close clients while no BusinessWorker is connected, as the original does
    #[arg(long)]
    strict: bool,

    /// Record internal frames from the start on, for the control requests frames and take_frames
    #[arg(long)]
    record: bool,

    /// Where tests control this process: one JSON request per line, one JSON reply per line
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0", value_parser = address)]
    control: SocketAddrV4,

    /// End when standard input reaches its end, that is, with the process that started this one
    #[arg(long)]
    pub until_stdin_closes: bool,
}

impl Cli {
    /// The configuration that the command line describes.
    #[must_use]
    pub fn config(&self) -> Config {
        Config {
            register: (!self.no_register).then_some(self.register),
            join: self.join.clone(),
            gateways: if self.register_only { Vec::new() } else { self.gateway.clone() },
            text_port: self.text_port,
            websocket_port: self.ws_port,
            secret: self.secret.clone(),
            greet: self.greet,
            strict: self.strict,
            record: self.record,
            control: self.control,
            ..Config::default()
        }
    }
}

/// An IPv4 address, since client ids hold one; a name such as `localhost` is looked up.
fn address(text: &str) -> Result<SocketAddrV4, io::Error> {
    text.to_socket_addrs()?
        .find_map(|address| match address {
            SocketAddr::V4(address) => Some(address),
            SocketAddr::V6(_) => None,
        })
        .ok_or_else(|| io::Error::other("it has no IPv4 address"))
}
