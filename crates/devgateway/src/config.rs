//! What a development gateway is started with.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// What a development gateway is started with. The default is the program's: a register and one
/// gateway on free loopback ports, without a secret.
///
/// It does not implement `Debug`, so that the secret cannot get into a log by accident.
#[derive(Clone)]
pub struct Config {
    /// Where the register of its own listens; `None` for no register.
    pub register: Option<SocketAddrV4>,
    /// The registers of others at which the gateways register themselves, as `HOST:PORT`.
    pub join: Vec<String>,
    /// The internal addresses of the gateways, those in client ids. Port 0 is any free port.
    pub gateways: Vec<SocketAddrV4>,
    /// The port of the first gateway's text listener, the next gateway gets the next one; 0 for any
    /// free ports.
    pub text_port: u16,
    /// The same for WebSocket listeners.
    pub websocket_port: u16,
    /// The key that registers and gateways ask for; empty for none.
    pub secret: String,
    /// Whether each client is told its client id as its first message.
    pub greet: bool,
    /// Whether clients are closed while no BusinessWorker is connected, as the original does.
    pub strict: bool,
    /// Whether gateways record internal frames from their start on, as the control request `frames`
    /// has them do later.
    pub record: bool,
    /// Where the control protocol is spoken.
    pub control: SocketAddrV4,
    /// How long the register waits for the first line of a connection.
    pub register_timeout: Duration,
    /// How often gateways ping workers and registers.
    pub ping_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        Self {
            register: Some(any),
            join: Vec::new(),
            gateways: vec![any],
            text_port: 0,
            websocket_port: 0,
            secret: String::new(),
            greet: false,
            strict: false,
            record: false,
            control: any,
            register_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
        }
    }
}
