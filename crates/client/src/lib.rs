#![doc = include_str!("../README.md")]

pub mod address;
pub mod answers;
pub mod cluster;
mod command_link;
pub mod commands;
mod counters;
pub mod error;
mod gateway;
mod last_error;
mod latency;
mod link_observer;
mod members;
pub mod process;
mod publish;
pub mod queries;
mod query;
mod query_connection;
mod query_pool;
mod register;
mod runtime;
mod secret;
mod send_queue;
pub mod settings;
pub mod status;
mod sync;
mod sys;

pub use address::{AddressMap, GatewayAddress};
pub use cluster::{Cluster, ClusterId, Discovery};
pub use commands::Message;
pub use counters::Counters;
pub use error::Error;
pub use gatewayworker_wire as wire;
pub use gatewayworker_wire::reply::{self, ReplyError};
pub use process::Process;
pub use queries::Fields;
pub use runtime::log;
pub use secret::Secret;
pub use settings::{Absent, Patience, Settings};
pub use sys::fork;

/// The README of the crate below: its examples are tested here, so that they stay true.
#[cfg(doctest)]
#[doc = include_str!("../../wire/README.md")]
struct WireReadme;
