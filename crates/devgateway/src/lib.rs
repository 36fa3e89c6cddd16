//! A register and GatewayWorker gateways in one process, for demos and tests.
//!
//! **A development tool, not for production.** Queues are unbounded, there is no TLS and no
//! heartbeat of clients, and anyone who can reach the control port can do anything. Everything
//! listens on the loopback interface unless configured otherwise.
//!
//! The program `gatewayd` is [`cli`] around [`Devgateway::start`]; Rust tests call it themselves:
//!
//! ```
//! use gatewayworker_devgateway::{Config, Devgateway};
//!
//! let started = Devgateway::start(Config { greet: true, ..Config::default() })?;
//! println!("clients go to {}", started.addresses().gateways[0].websocket);
//! let stats = started.control(&serde_json::json!({"cmd": "stats"}));
//! assert_eq!(stats["gateways"][0]["clients"], 0);
//! started.stop();
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What differs from the original
//!
//! - Clients are kept while no BusinessWorker is connected ([`Config::strict`] closes them as the
//!   original does).
//! - A WebSocket client gets messages that are not UTF-8 as binary frames; the original sends text
//!   frames always, for which browsers close the connection. A text frame from a client has to be
//!   UTF-8.
//! - Where the original's process ends with a `TypeError` (a message that is no scalar to a text
//!   client, or `$raw`; a session that is no array; JSON of a wrong shape), the message is dropped
//!   and logged.
//! - A kicked client is offline at once, not when its last message has been sent.
//! - Frames may be up to 128 MiB, Workerman's limit is 10 MiB; a frame that is too long or too
//!   short closes the connection and is logged.
//! - No queue to a client or a worker is bounded, so that nothing is dropped and the gateway is
//!   never held up.
//! - Objects in a session that is merged are copied as they are; references in it (`R:`, `r:`) may
//!   go astray.
//! - All gateways are in one process; each has its own count of connection ids, from 1, and from 1
//!   again after `start_gateway`.
//!
//! # Control protocol
#![doc = ""]
#![doc = include_str!("control.md")]
#![forbid(unsafe_code)]

pub mod cli;
mod client;
mod clients;
mod config;
mod control;
mod devgateway;
mod fault;
mod gateway;
mod internal;
mod lines;
mod listener;
mod log;
mod node;
mod payload;
mod php_json;
mod register;
mod registration;
mod services;
mod session;
mod tasks;
mod worker;

pub use config::Config;
pub use devgateway::{Addresses, Devgateway, Started};
pub use node::GatewayAddresses;
