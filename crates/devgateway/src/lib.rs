//! `gatewayd`: a register and gateways in one process.
//!
//! **A development tool**, for demos and tests. It behaves as the original Gateway and Register do towards their clients and
//! workers, but it is not made to be fast, to be exposed, or to run for long: queues to clients are unbounded, nothing is
//! persisted, and everything listens on loopback unless told otherwise.
//!
//! | file | what it is |
//! | --- | --- |
//! | [`config`] | what to start |
//! | [`server`] | starting and stopping all of it |
//! | [`register`] | the register: who asks, who is told |
//! | [`gateway`] | one gateway's clients, uids and groups, and its commands |
//! | [`select`] | command 25: fields of the clients that match |
//! | [`session`] | merging sessions as `array_replace_recursive` does |
//! | [`internal`] | the connections of workers and clients such as ours |
//! | [`clients`] | the connections of the people: text lines and WebSocket |
//! | [`control`] | a line protocol by which tests look inside and break things |

pub mod clients;
pub mod config;
pub mod control;
pub mod gateway;
pub mod internal;
pub mod register;
pub mod select;
pub mod server;
pub mod session;

pub use config::Config;
pub use server::{Addresses, Devgateway};
