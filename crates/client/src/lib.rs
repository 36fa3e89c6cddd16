//! A GatewayWorker client, which knows no PHP engine: the extension's core, and usable from Rust.
//!
//! Every gateway has two kinds of connection: a command link ([`commands`]: fire and forget, written by one background
//! thread) and query connections ([`queries`]: request and reply, driven by the calling thread), so that a question never
//! waits behind a stream of commands or events. Where the gateways are is pushed by the register.
//!
//! ```no_run
//! use gatewayworker_client::{ClusterId, Discovery, Message, Patience, Process, Secret, Settings};
//!
//! let process = Process::current(Settings::default)?;
//! let cluster = process.cluster(ClusterId {
//!     user: "example",
//!     discovery: Discovery::Registers(vec!["127.0.0.1:1236".into()]),
//!     secret: Secret::default(),
//! });
//! let patience = Patience::default();
//! cluster.discover(false, patience)?;
//! cluster.send_to_all(Message::text(b"hello"), patience)?;
//! println!("{} clients", cluster.client_count(b"", patience)?);
//! # Ok::<(), gatewayworker_client::Error>(())
//! ```

pub mod address;
pub mod cluster;
mod command_link;
pub mod commands;
pub mod error;
pub mod fork;
mod gateway;
pub mod log;
mod members;
pub mod queries;
mod query;
mod query_connection;
mod query_pool;
mod register;
pub mod reply;
pub mod runtime;
mod secret;
mod send_queue;
pub mod settings;
mod socket;
pub mod status;
mod sync;

pub use address::{AddressMap, GatewayAddress};
pub use cluster::{Cluster, ClusterId, Discovery};
pub use commands::Message;
pub use error::{Error, ReplyError};
pub use gatewayworker_wire as wire;
pub use queries::Fields;
pub use runtime::Process;
pub use secret::Secret;
pub use send_queue::Counters;
pub use settings::{Patience, Settings};
