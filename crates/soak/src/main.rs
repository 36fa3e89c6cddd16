//! `soakproxy`: what stands between the extension and `gatewayd` in `make soak`.
//!
//! It relays connections to gateways and to the register, injects faults on request, keeps a ledger
//! of every frame that arrives, and is the clients of the gateways. It speaks JSON, one line each:
//! the first line on standard input is the configuration, each further one a request; every line
//! gets a reply. It ends with its standard input.

#![forbid(unsafe_code)]

mod clients;
mod ledger;
mod relay;

use std::cell::RefCell;
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;

use clients::Clients;
use ledger::Ledger;
use relay::{Cut, Relay, Weather};

/// The first line.
#[derive(Deserialize)]
struct Setup {
    gateways: Vec<Gateway>,
    register: SocketAddr,
    /// How many clients each gateway has.
    clients: usize,
}

#[derive(Deserialize)]
struct Gateway {
    internal: SocketAddr,
    text: SocketAddr,
}

/// A further line. Relays are counted as gateways are; the last one is the register's.
#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
enum Request {
    /// Sets what is done to all connections of a relay; nothing, where nothing is named.
    Weather {
        relay: usize,
        #[serde(flatten)]
        weather: Weather,
    },
    /// Ends all connections of a relay.
    Cut {
        relay: usize,
        #[serde(flatten)]
        cut: Cut,
    },
    /// Stops to listen, or goes on.
    Refuse { relay: usize, on: bool },
    /// Leads new connections elsewhere, or nowhere.
    Upstream { relay: usize, address: Option<SocketAddr> },
    /// Answers the ids of the clients that are connected, by gateway.
    Clients,
    /// Answers the ledger.
    Ledger,
}

struct Proxy {
    ledger: Rc<RefCell<Ledger>>,
    relays: Vec<Rc<Relay>>,
    clients: Vec<Rc<Clients>>,
}

impl Proxy {
    fn start(setup: &Setup) -> io::Result<Self> {
        let ledger = Rc::default();
        let mut relays = Vec::new();
        for (index, gateway) in setup.gateways.iter().enumerate() {
            relays.push(Relay::start(Some(index), gateway.internal, &ledger)?);
        }
        relays.push(Relay::start(None, setup.register, &ledger)?);
        let clients =
            setup.gateways.iter().map(|gateway| Clients::start(gateway.text, setup.clients)).collect();
        Ok(Self { ledger, relays, clients })
    }

    fn answer(&self, line: &str) -> Json {
        let answer = serde_json::from_str(line).map_err(|error| error.to_string());
        answer.and_then(|request| self.carry_out(request)).unwrap_or_else(|error| json!({ "error": error }))
    }

    fn carry_out(&self, request: Request) -> Result<Json, String> {
        let relay = |index: usize| self.relays.get(index).ok_or("there is no such relay");
        match request {
            Request::Weather { relay: index, weather } => relay(index)?.set_weather(weather),
            Request::Cut { relay: index, cut } => relay(index)?.cut(cut),
            Request::Refuse { relay: index, on } => {
                relay(index)?.refuse(on).map_err(|error| error.to_string())?;
            }
            Request::Upstream { relay: index, address } => relay(index)?.set_upstream(address),
            Request::Clients => {
                let ids: Vec<_> = self.clients.iter().map(|clients| clients.ids()).collect();
                return Ok(json!({ "ids": ids }));
            }
            Request::Ledger => {
                let ledger = self.ledger.borrow();
                let (violations, told) = ledger.violations();
                let bytes: Vec<_> = self.clients.iter().map(|clients| clients.bytes()).collect();
                return Ok(json!({
                    "accounts": ledger.accounts(),
                    "nobody": ledger.nobody(),
                    "violations": violations,
                    "told": told,
                    "delivered_bytes": bytes,
                }));
            }
        }
        Ok(json!({ "ok": true }))
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soakproxy: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut lines = io::stdin().lock().lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let setup: Setup = serde_json::from_str(&first)?;
    drop(lines);
    let (to_proxy, requests) = unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            // Either end is the end.
            let Ok(line) = line else { return };
            if to_proxy.send(line).is_err() {
                return;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(setup, requests))
}

async fn serve(setup: Setup, mut requests: UnboundedReceiver<String>) -> io::Result<()> {
    let proxy = Proxy::start(&setup)?;
    let addresses: Vec<_> = proxy.relays.iter().map(|relay| relay.address()).collect();
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", json!({ "relays": addresses }))?;
    stdout.flush()?;
    while let Some(line) = requests.recv().await {
        writeln!(stdout, "{}", proxy.answer(&line))?;
        stdout.flush()?;
    }
    Ok(())
}
