#![doc = include_str!("../README.md")]

pub mod address;
pub mod cluster;
mod ended_file;
pub mod error;
mod gateway;
mod last_error;
mod link;
mod pool;
pub mod process;
mod query;
mod receive;
mod register;
mod runtime;
mod secret;
pub mod settings;
pub mod status;
mod status_file;
mod sys;

pub use address::{AddressMap, GatewayAddress};
pub use cluster::commands::{self, Message};
pub use cluster::queries::{self, Fields};
pub use cluster::{Cluster, ClusterId, Discovery};
pub use error::Error;
pub use gatewayworker_wire as wire;
pub use gatewayworker_wire::reply::{self, ReplyError};
pub use link::counters::Counters;
pub use process::Process;
pub use query::replies;
pub use runtime::log;
pub use secret::Secret;
pub use settings::{CallOptions, OnUnavailable, Settings};
pub use sys::fork;

/// The README of the crate below: its examples are tested here, so that they stay true.
#[cfg(doctest)]
#[doc = include_str!("../../wire/README.md")]
struct WireReadme;
